"""Who owns the files that a plan changes, as a CODEOWNERS file says it at GitHub, GitLab, Gitea and Forgejo?

They are asked for a review, no more: who may approve is the forge's own rule. Gitea and Forgejo write each pattern as a
regular expression, which a stranger could make to run for ever: one that is not plain is left out.
Source: docs.github.com "About code owners"; docs.gitlab.com "Code Owners syntax"; docs.gitea.com "Code Owners".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

PLACES = {
    "github": (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
    "gitea": ("CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS"),
    "forgejo": ("CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS", ".forgejo/CODEOWNERS"),
}
MAX_BYTES = 1 << 20
MAX_RULES = 5000
MAX_WILDCARDS = 8  # in one pattern: each more of them multiplies how long a path may take
MAX_OWNERS = 15  # as many as the forges take for one pull request
SECTION = re.compile(r"(?P<optional>\^?)\[(?P<name>[^\]]+)\](?:\[(?P<approvals>\d+)\])?(?P<owners>.*)")
OWNER = re.compile(r"@(?P<login>[A-Za-z0-9][A-Za-z0-9._/-]{0,100})")
PLAIN = re.compile(r"(?:[A-Za-z0-9_/ -]|\\\.|\.\*|\.(?![*+?{]))*")  # of a regular expression: no nesting, no choice


@dataclass(frozen=True)
class OwnerRule:
    """Whose a path is. Of one section the last rule that matches counts; another section adds its own."""

    pattern: re.Pattern[str]
    owners: tuple[str, ...]  # logins, and teams as `org/team`
    section: str = ""


def places(kind: str) -> tuple[str, ...]:
    """Where the forge looks for the file; the first one that is there counts."""
    return PLACES.get(kind, PLACES["github"])


def owner_rules(text: str, kind: str) -> tuple[OwnerRule, ...]:
    """The rules of a file. Lines that the forge would not take, mail addresses and unreadable patterns are left out."""
    return tuple(_rules(text.splitlines()[: 2 * MAX_RULES], kind))[:MAX_RULES]


def owners_of(paths: Iterable[str], rules: Sequence[OwnerRule]) -> tuple[str, ...]:
    """Everybody who owns one of `paths`, in the order of the paths, at most as many as a forge takes."""
    found: dict[str, None] = {}
    for path in paths:
        last = {rule.section: rule.owners for rule in rules if rule.pattern.fullmatch(path)}
        found.update(dict.fromkeys(owner for owners in last.values() for owner in owners))
    return tuple(found)[:MAX_OWNERS]


def _rules(lines: Sequence[str], kind: str) -> Iterator[OwnerRule]:
    section = ""
    inherited: tuple[str, ...] = ()
    for line in lines:
        words = _words(line)
        header = SECTION.fullmatch(line.strip()) if kind == "gitlab" else None
        if header is not None:
            section, inherited = header["name"].strip().lower(), _logins(header["owners"].split())
        elif words:
            pattern = _pattern(words[0], kind)
            if pattern is not None:
                yield OwnerRule(pattern, _logins(words[1:]) or inherited, section)


def _pattern(word: str, kind: str) -> re.Pattern[str] | None:
    if word.count("*") > MAX_WILDCARDS:
        return None
    return _expression(word) if kind in ("gitea", "forgejo") else _glob(word)


def _words(line: str) -> list[str]:
    """Parted by white space that is not escaped, without a comment."""
    text = re.sub(r"(?:^|\s)#.*", "", line)
    return [re.sub(r"\\([\s#])", r"\1", word) for word in re.findall(r"(?:\\.|\S)+", text)]


def _logins(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(found["login"] for word in words if (found := OWNER.fullmatch(word)))


def _expression(word: str) -> re.Pattern[str] | None:
    """Gitea's: matches the whole path; a leading `!` turns it round, which only takes away."""
    return re.compile(word) if PLAIN.fullmatch(word) else None


def _glob(word: str) -> re.Pattern[str] | None:
    """As in .gitignore, which forges follow but for `!` and `[ ]`."""
    if word.startswith("!") or "[" in word:
        return None
    anchored = "/" in word.rstrip("/")
    body = word.strip("/")
    parts = (_part(part) for part in re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", body))
    tail = "/.*" if word.endswith("/") else "" if body.endswith("*") and anchored else "(?:/.*)?"
    return re.compile(f"{'' if anchored else '(?:.*/)?'}{''.join(parts)}{tail}")


def _part(part: str) -> str:
    wild = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return wild.get(part, re.escape(part))
