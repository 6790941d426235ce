"""Are the pages in `docs/` what the code says, and does each link and each command in them lead somewhere?"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.cli.main import EXIT_CODES, VERBS, cli
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.reasons import meaning_of
from gitops_rollback.sandbox.all_stories import ALL_STORIES

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NAMES = [str(page.relative_to(DOCS)) for page in PAGES]
sys.path[:0] = [str(DOCS)] if str(DOCS) not in sys.path else []
FOREIGN = frozenset({"curl", "docker", "export", "git", "helm", "kubectl", "make", "pip", "pipx", "promtool", "source"})


def reference() -> Any:
    import reference_pages

    return reference_pages


@pytest.mark.parametrize("name", sorted(page.name for page in (DOCS / "reference").glob("*.md")))
def test_the_reference_is_what_the_code_says(name: str) -> None:
    made = reference().PAGES[name]()
    assert (DOCS / "reference" / name).read_text("utf-8") == made, "python3 make.py docs writes it anew"


def test_each_page_of_the_reference_is_there() -> None:
    assert {page.name for page in (DOCS / "reference").glob("*.md")} == set(reference().PAGES)


def anchors(page: Path) -> set[str]:
    """As mkdocs makes them: those that a heading names, else its words."""
    found = set()
    for line in prose(page.read_text("utf-8")).splitlines():
        if match := re.match(r"#+ (.*)", line):
            named = re.search(r"\{ ?#(\S+) ?\}", match[1])
            words = re.sub(r"[^\w\- ]", "", match[1].lower()).strip()
            found.add(named[1] if named else re.sub(r"[ \-]+", "-", words))
    return found


def prose(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def test_each_reason_and_each_exit_code_has_a_place_that_a_message_can_lead_to() -> None:
    page, place = next(iter(Reason)), anchors(DOCS / "reference" / "reasons.md")
    assert {one.value for one in Reason} <= place
    assert {one.reason for one in errors(RollbackError)} <= set(Reason)
    meaning = meaning_of(page.value)
    assert meaning is not None
    path, _, named = meaning.anchor.partition("#")
    assert named in anchors(DOCS.parent / path)
    codes = (DOCS / "reference" / "exit-codes.md").read_text("utf-8")
    assert re.findall(r'<a id="exit-(\d+)"></a>`\1`', codes) == [str(int(code)) for code in EXIT_CODES]


def errors(kind: type[RollbackError]) -> Iterator[type[RollbackError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from errors(one)


def links() -> Iterator[tuple[str, str]]:
    for page, name in zip(PAGES, NAMES, strict=True):
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8"))):
            if not link.startswith(("https://", "http://")):
                yield name, link


@pytest.mark.parametrize("name", sorted({name for name, _ in links()}))
def test_every_link_leads_to_a_page_and_its_heading(name: str) -> None:
    for link in (link for at, link in links() if at == name):
        path, _, anchor = link.partition("#")
        target = (DOCS / name).parent / path if path else DOCS / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def commands() -> list[str]:
    """Each line of a shell block, and what stands between backticks and begins like a command."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL):
            joined = block.replace("\\\n", " ").replace(" ... ", " ")
            found += [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
        found += re.findall(r"`(gitops-rollback [^`\n]+)`", prose(text))
    return sorted(set(found))


def ours(command: str) -> list[str] | None:
    """The words after `gitops-rollback`; None where it is another program."""
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words.pop(0)
    if words[:2] == ["kubectl", "gitops-rollback"]:
        words.pop(0)
    return words[1:] if words and words[0] == "gitops-rollback" else None


@pytest.mark.parametrize("command", [one for one in commands() if ours(one) is not None])
def test_every_command_is_one_that_the_real_parser_takes(command: str) -> None:
    verb, *words = ours(command) or [""]
    if verb.startswith("-") or verb == "VERB":
        return
    assert verb in VERBS
    group = click.Context(cli, **cli.context_settings)
    made = cli.get_command(group, verb)
    assert made is not None
    while isinstance(made, click.Group):
        verb, *words = words
        made = made.get_command(click.Context(made, group), verb)
        assert made is not None
    context = click.Context(made, group, verb)
    _, left, _ = made.make_parser(context).parse_args(words)
    assert left == []


@pytest.mark.parametrize("command", [one for one in commands() if re.search(r" --(?:at|revert|since) ", one)])
def test_every_commit_is_named_in_a_way_that_is_taken(command: str) -> None:
    words = shlex.split(command, comments=True)
    given = [value for name, value in pairwise(words) if name in ("--at", "--revert")]
    given += [value for name, value in pairwise(words) if name == "--since" and "suspects" in words]
    for one in given:
        assert re.fullmatch(r"[0-9a-f]{4,64}|[A-Z]+|\$\(git rev-parse \S+\)", one), one
        assert one != "HEAD", "only `git rev-parse` knows that"


@pytest.mark.parametrize("command", [one for one in commands() if ours(one) is None])
def test_every_other_command_is_of_a_program_that_is_named(command: str) -> None:
    words = shlex.split(command, comments=True)
    if words[:2] == ["python3", "make.py"]:
        targets = re.findall(r"python3 make\.py ([a-z-]+)", (ROOT / "make.py").read_text())
        assert words[2] in targets
        return
    assert words[0] in FOREIGN
    for word in words[1:]:
        if word.startswith("deploy/") and "port-forward" not in words:
            assert (ROOT / word).exists()


def policies() -> list[tuple[str, str]]:
    blocks = []
    for page, name in zip(PAGES, NAMES, strict=True):
        blocks += [(name, one) for one in re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    return [(name, one) for name, one in blocks if "kind: RollbackPolicy" in one]


@pytest.mark.parametrize(("name", "text"), policies(), ids=[name for name, _ in policies()])
def test_every_whole_policy_is_without_an_error(name: str, text: str) -> None:
    assert [str(fault) for fault in read_policy(text.encode(), name, "c" * 40).faults if fault.is_error] == []


def test_the_menu_has_every_page_once() -> None:
    class Loader(yaml.SafeLoader):
        """mkdocs-material names Python functions by tags."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    menu = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]

    def files(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            for one in node.values() if isinstance(node, dict) else node:
                yield from files(one)

    assert sorted(files(menu)) == sorted(NAMES)


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[a-z_]+/)+[a-z_.]*)`", CONTRIBUTING))))
def test_each_place_that_a_contributor_is_sent_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_targets_and_stories_that_a_contributor_is_told_are_there() -> None:
    targets = re.findall(r"python3 make\.py ([a-z-]+)", CONTRIBUTING)
    known = re.findall(r"python3 make\.py ([a-z-]+)", (ROOT / "make.py").read_text())
    assert set(targets) <= set(known)
    assert set(re.findall(r"STORY=([a-z-]+)", CONTRIBUTING)) <= {story.name for story in ALL_STORIES}
