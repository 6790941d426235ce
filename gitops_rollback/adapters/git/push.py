"""Did the push land, and if not, why?

What the client says is only a hint: a push that failed may have landed, so every outcome but success is judged after
the remote was read again. Source: git-push(1), OUTPUT and `--porcelain`; the messages of git 2.38 and later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gitops_rollback.adapters.git import faults
from gitops_rollback.adapters.git.door import Git, GitFailed, GitTimeout, RepositoryUnusable
from gitops_rollback.adapters.git.refusals import Refusals
from gitops_rollback.adapters.git.remote import is_branch_name
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import CredentialsRejected, RollbackError, StalledError
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import PushOutcome, PushResult, RefUpdate

LINE = re.compile(r"(?P<flag>[ +\-*!=])\t(?P<source>[^\t:]*):(?P<ref>refs/[^\t]+)\t(?P<summary>.*)")
MOVED = re.compile(r"(?P<old>[0-9a-f]{40,64})\.\.(?P<new>[0-9a-f]{40,64})")
RACED = re.compile(r"fetch first|non-fast-forward|stale info|but expected|reference already exists|incorrect old value")
REF_LOCKED = re.compile(r"cannot lock ref|failed to update ref|atomic transaction failed|Unable to create '.*\.lock'")
ATOMIC_COMPANION = re.compile(r"atomic push fail")
TOO_LARGE = re.compile(r"returned error: 413|HTTP 413|exceeds (GitHub's|the maximum)|pack exceeds maximum allowed size")
BYPASSED = "Bypassed rule violations for"
MOST_RULES, MOST_WORDS = 20, 200
NO_ATOMIC = "does not support --atomic"


@dataclass(frozen=True)
class Answer:
    """What one run of `git push` said. `lines` has flag and summary of each ref that was mentioned."""

    code: int
    lines: Mapping[str, tuple[str, str]]
    stderr: str

    @property
    def failure(self) -> GitFailed:
        return GitFailed("git push", self.code, self.stderr)


def require_updates(updates: Sequence[RefUpdate]) -> None:
    """Raises: RepositoryUnusable unless every update is a full branch name and full ids, none of them twice."""
    refs = [update.ref for update in updates]
    if not updates or len(set(refs)) != len(refs):
        raise RepositoryUnusable("push", "needs at least one ref, each once")
    for update in updates:
        branch = update.ref.removeprefix("refs/heads/")
        if branch == update.ref or not is_branch_name(branch):
            raise RepositoryUnusable("push", f"{update.ref[:200]!r} is not the full name of a branch")
        if not is_sha(update.new) or (update.old is not None and not is_sha(update.old)):
            raise RepositoryUnusable("push", "ids must be full object ids")


@crash_point("send")
def send(git: Git, remote: str, updates: Sequence[RefUpdate], atomic: bool, deadline: float) -> Answer:
    """One `git push` with plain refspecs. Raises: GitTimeout, and then anything may have landed."""
    refspecs = [update.refspec for update in updates]
    options = ["--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"]
    options += ["--atomic"] if atomic else ["--no-atomic"]
    words = ["-c", "core.abbrev=no", "push", *options, "--end-of-options", remote, *refspecs]
    result = git.run(*words, deadline=deadline, ok=range(-64, 256), limit=1 << 20)
    if result.code != 0:
        git.complain(result.stderr)
    return Answer(result.code, parse_porcelain(result.stdout.decode("utf-8", "surrogateescape")), result.stderr)


def parse_porcelain(output: str) -> dict[str, tuple[str, str]]:
    """ref -> (flag, summary)."""
    found = (LINE.fullmatch(line) for line in output.splitlines())
    return {line["ref"]: (line["flag"], line["summary"]) for line in found if line is not None}


def bypassed(stderr: str) -> tuple[str, ...]:
    """The rules that the server let us past. GitHub says so, and takes the push: a list below each ref's name."""
    found: list[str] = []
    inside = False
    for line in stderr.splitlines():
        words = line.removeprefix("remote:").strip()
        if line.startswith("remote:") and words.startswith(BYPASSED):
            inside = True
        elif inside and words.startswith("- "):
            found.append(words.removeprefix("- ")[:MOST_WORDS])
        elif words:
            inside = False
    return tuple(dict.fromkeys(found))[:MOST_RULES]


def accepted(update: RefUpdate, answer: Answer) -> PushOutcome | None:
    """LANDED or REWOUND if the server said that it moved the ref (or has our commit already); else None."""
    flag, summary = answer.lines.get(update.ref, ("!", ""))
    if answer.code != 0 or flag not in " *=":
        return None
    if flag == "=":
        return PushOutcome.LANDED
    if flag == "*":
        return PushOutcome.LANDED if update.old is None else PushOutcome.REWOUND
    moved = MOVED.match(summary)
    return PushOutcome.LANDED if moved is not None and moved["old"] == update.old else PushOutcome.REWOUND


def refused(update: RefUpdate, answer: Answer, head: str | None) -> PushOutcome:
    """Why a ref did not move; `head` is where it stands now. A ref refused only for another's sake: REJECTED."""
    flag, summary = answer.lines.get(update.ref, ("", ""))
    if head != update.old or RACED.search(summary):
        return PushOutcome.REJECTED
    if flag == "!" and ATOMIC_COMPANION.search(summary):
        return PushOutcome.REJECTED
    if REF_LOCKED.search(summary):
        return PushOutcome.REJECTED if "but expected" in answer.stderr else PushOutcome.LOCKED
    if flag == "!" and summary.startswith("[remote rejected]"):
        return PushOutcome.PROTECTED
    return PushOutcome.PROTECTED if TOO_LARGE.search(answer.stderr) else PushOutcome.REJECTED


@dataclass(frozen=True)
class Pusher:
    """Pushes, and looks at the remote after every push without success.

    `look` reads the remote and returns the head of a full ref name now; `contains` says whether a head holds a commit.
    """

    name: str
    git: Git
    remote: str
    deadline: float
    look: Callable[[Sequence[str]], Mapping[str, str | None]]
    contains: Callable[[str, str], bool]
    refusals: Refusals = field(default_factory=Refusals)

    def push(self, updates: Sequence[RefUpdate], atomic: bool) -> PushResult | None:
        """None if the server cannot do an atomic push.

        Raises: CredentialsRejected and other StalledErrors, once it is known that nothing landed.
        """
        self.refusals.check()
        try:
            answer = send(self.git, self.remote, updates, atomic, self.deadline)
        except GitTimeout as exc:
            answer = Answer(-9, {}, exc.message)
        if answer.code != 0 and NO_ATOMIC in answer.stderr:
            return None
        outcomes = {update.ref: accepted(update, answer) for update in updates}
        trouble: RollbackError | None = None
        if not all(outcomes.values()):
            outcomes, trouble = self._judge(updates, answer)
        refs = {ref: outcome or PushOutcome.UNKNOWN for ref, outcome in outcomes.items()}
        if trouble is not None and not set(refs.values()) & {PushOutcome.LANDED, PushOutcome.REWOUND}:
            if isinstance(trouble, CredentialsRejected):
                self.refusals.note(trouble)
            raise trouble
        self.refusals.clear()
        passed = bypassed(self.git.redact(answer.stderr))
        return PushResult(refs[updates[0].ref], refs, self._words(answer), passed)

    def _judge(
        self, updates: Sequence[RefUpdate], answer: Answer
    ) -> tuple[dict[str, PushOutcome | None], RollbackError | None]:
        """Outcomes after the remote was read again, and the error that it was, if no push can ever do better."""
        try:
            heads = self.look([update.ref for update in updates])
        except RollbackError:
            # Its own word, ref by ref, still stands; where it gave none, nobody knows.
            said = {
                u.ref: refused(u, answer, u.old) if answer.lines.get(u.ref, " ")[0] == "!" else None for u in updates
            }
            return said, None
        outcomes: dict[str, PushOutcome | None] = {}
        for update in updates:
            head = heads.get(update.ref)
            landed = head is not None and self.contains(update.new, head)
            outcomes[update.ref] = PushOutcome.LANDED if landed else refused(update, answer, head)
        meaning = faults.meaning(self.name, answer.failure)
        stuck = isinstance(meaning, StalledError) and not answer.lines
        return outcomes, meaning if stuck else None

    def _words(self, answer: Answer) -> str:
        """The server's own words, or git's; "" after plain success."""
        if answer.code == 0:
            return ""
        spoken = [
            line.removeprefix("remote:").strip() for line in answer.stderr.splitlines() if line.startswith("remote:")
        ]
        reasons = [summary for flag, summary in answer.lines.values() if flag == "!"]
        words = [word for word in (*reasons, *spoken) if word] or answer.stderr.splitlines()[-3:]
        return self.git.redact(" / ".join(words))[:1000]
