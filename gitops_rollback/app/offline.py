"""What would undoing a commit give, on any local clone? One question, one answer; no engine, remote or ref is needed.

Objects are written into the clone's own store and nothing else is touched, so asking again gives the same commit.
Source: git-revert(1) for what a commit's message begins with.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from gitops_rollback.adapters.git.door import Git, git_dir_of
from gitops_rollback.adapters.git.rerendering import Rendering
from gitops_rollback.adapters.git.reversal import NO_RENDERING, Reverser
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.plan import PlanOutcome, Reversal, revert_message
from gitops_rollback.core.policy import ChartVersions

IDENTITY = "gitops-rollback <gitops-rollback@localhost>"
MAINLINE_LIMIT = 1 << 16

Answer = dict[str, object]
Identity = str | int | float | None  # a request's own, given back as it came


@dataclass(frozen=True)
class Request:
    """One question. `mainline` None: the first parent, but an octopus merge is refused.

    `last_good` is the state that keys go back to which were set again since; None: what stood before the culprit.
    `chart_versions` is the word of a policy.
    """

    at: str
    revert: str
    mainline: int | None = None
    id: Identity = None
    last_good: str | None = None
    chart_versions: ChartVersions = ChartVersions.AS_BEFORE


class RequestInvalid(StalledError):
    """A line of a batch is no request. `id` is the request's own, as far as it could be read."""

    reason = Reason.REQUEST_INVALID

    def __init__(self, message: str, id: Identity = None) -> None:
        super().__init__("request", message)
        self.id = id


class OfflinePlans:
    """Answers requests on one local repository, and keeps its processes between them until `close`."""

    def __init__(self, git_dir: Path, rendering: Rendering = NO_RENDERING) -> None:
        """Raises: RollbackError if git cannot read `git_dir` as a repository."""
        self._git = Git(git_dir)
        self._git.run("rev-parse", "--git-dir")
        self._reverser = Reverser(self._git, rendering=rendering)

    def close(self) -> None:
        """End the processes."""
        self._reverser.close()

    def answer(self, request: Request) -> Answer:
        """The plan for `request`, with every key; never raises for what the repository holds or lacks."""
        try:
            reversal = self._reverser.reverse(
                request.at, [request.revert], request.mainline, request.last_good, request.chart_versions
            )
            commit = self._commit(reversal, request.mainline) if reversal.outcome is PlanOutcome.CLEAN else None
        except RollbackError as exc:
            reason = Reason.REPOSITORY_UNAVAILABLE if exc.reason is Reason.INTERNAL_ERROR else exc.reason
            return refusal(reason, f"Refused: the repository cannot be read or written ({exc}).", request.id)
        return _answer(request.id, reversal, commit)

    def _commit(self, reversal: Reversal, mainline: int | None) -> str:
        """The commit of a clean reversal, one second younger than the head: the same question gives the same sha."""
        head = self._reverser.revisions.commit(reversal.base)
        culprit = self._reverser.revisions.commit(reversal.reverts[0])
        parent = self._reverser.parent(culprit, mainline).sha if len(culprit.parents) > 1 else None
        message = revert_message(culprit.subject, culprit.sha, parent, reversal.sentences, reversal.rung)
        return self._reverser.writer.commit(str(reversal.tree), [head.sha], message, head.committed + 1, IDENTITY)


def repository_of(repo: Path | None, git_dir: Path | None) -> Path:
    """The git directory that a person named as `--git-dir` or `--repo`. Raises: StalledError if it is none."""
    if git_dir is not None and (git_dir / "HEAD").is_file():
        return git_dir.absolute()
    named = git_dir or repo
    if named is None:
        raise StalledError("repository", "name a local clone with --repo or --git-dir")
    return git_dir_of(named)


def parse_request(line: bytes) -> Request:
    """One line of a batch. Raises: RequestInvalid, with the id if there is one."""
    document, id = read_line(line)
    at, revert = document.get("at"), document.get("revert")
    mainline, last_good = document.get("mainline"), document.get("last_good")
    if not isinstance(at, str) or not isinstance(revert, str):
        raise RequestInvalid("`at` and `revert` must be SHAs in quotes", id)
    if mainline is not None and (type(mainline) is not int or not 1 <= mainline <= MAINLINE_LIMIT):
        raise RequestInvalid("`mainline` must be a parent's number, counted from 1", id)
    if last_good is not None and not isinstance(last_good, str):
        raise RequestInvalid("`last_good` must be a SHA in quotes", id)
    charts = document.get("chart_versions", ChartVersions.AS_BEFORE.value)
    if not isinstance(charts, str) or charts not in [*ChartVersions]:
        raise RequestInvalid(f"`chart_versions` must be one of {', '.join(ChartVersions)}", id)
    return Request(at, revert, mainline, id, last_good, ChartVersions(charts))


def read_line(line: bytes) -> tuple[dict[str, object], Identity]:
    """The JSON object of a line, and its id as far as that is usable. Raises: RequestInvalid."""
    constants: list[str] = []  # NaN and infinities, which many writers make and JSON does not know

    def constant(name: str) -> float:
        constants.append(name)
        return math.nan

    try:
        document = json.loads(line.decode(), parse_constant=constant)
    except (ValueError, RecursionError) as exc:
        raise RequestInvalid("the line is not JSON") from exc
    if not isinstance(document, dict):
        raise RequestInvalid("the line is not a JSON object")
    given = document.get("id")
    usable = isinstance(given, (str, int, float)) and not (isinstance(given, float) and not math.isfinite(given))
    id = given if usable and not isinstance(given, bool) else None
    if constants:
        raise RequestInvalid(f"the line is not JSON: it holds {constants[0]}", id)
    return document, id


def refusal(reason: Reason, message: str, id: Identity = None) -> Answer:
    """The answer to a question that cannot be asked of this repository."""
    return _answer(id, Reversal(PlanOutcome.REFUSED, "", (), gate_reason=reason, message=message), None)


def _answer(id: Identity, reversal: Reversal, commit: str | None) -> Answer:
    reason = _reason(reversal)
    answer: Answer = {
        "id": id,
        "outcome": reversal.outcome.value,
        "tree": reversal.tree,
        "commit": commit,
        "rung": reversal.rung,
        "paths": list(reversal.paths),
        "superseded": list(reversal.superseded),
        "explained": [asdict(explanation) for explanation in reversal.explained],
        "automatic": reversal.outcome is PlanOutcome.CLEAN and reason is None,
        "reason": reason.value if reason is not None else None,
        "message": reversal.message,
    }
    if reversal.edits:
        answer["edits"] = [asdict(edit) for edit in reversal.edits]
    if reversal.rendered:
        answer["rendered"] = [asdict(one) for one in reversal.rendered]
    return answer


def _reason(reversal: Reversal) -> Reason | None:
    if reversal.outcome is PlanOutcome.EMPTY:
        return Reason.ALREADY_UNDONE
    if reversal.outcome is PlanOutcome.CLEAN and reversal.superseded:
        return reversal.gate_reason or Reason.SUPERSEDES  # no policy stands beside it that would allow that
    return reversal.gate_reason


def encode(answer: Answer) -> str:
    """One line of JSON in ASCII; a path that is not UTF-8 carries its bytes as escaped surrogates."""
    return json.dumps(answer, ensure_ascii=True, allow_nan=False)
