"""Can a commit on this branch reach this application, and will what it writes stay?

Asked before a plan is offered as automatic, each with its own reason. Source: safety.md, Is the branch the lever, and
Another writer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import BranchFacts, ChangedFile, GuardFacts, WriterFacts, allow, ask
from gitops_rollback.core.image_holds import HOLD
from gitops_rollback.core.image_marks import is_marked, written_again
from gitops_rollback.core.plan import GuardAnswer

LEVER = "branch-is-lever"
WRITER = "another-writer"
CLAIMS = "one-application"
COMMITS_LOOKED_AT = 10
BY_ONE_MACHINE = 9

_MACHINE = re.compile(
    r"(?i)\[bot\]|\bbots?\b|-bot\b|renovate|dependabot|github-actions|gitlab-ci|image-updater|fluxcdbot|\bflux\b"
    r"|jenkins|\bautomation\b|\bci@|\bci\b|\bkargo\b|argocd|promoter|\brobot\b|service-account|svc-"
)
_GENERATED = re.compile(rb"(?i)do not edit|@generated\b|automatically generated|auto-generated")
HEADER_BYTES = 1024


def judge_branch(facts: GuardFacts) -> GuardAnswer:
    """Ask unless a commit on our branch reaches the application, nothing undeployed rides along, and we may sync."""
    branch = facts.branch
    if branch is None:
        message = "what the application follows cannot be seen"
        return ask(LEVER, Reason.NOT_ON_THIS_BRANCH, message, "look at the application's sources in the engine")
    met = _met(branch, facts)
    found = _nothing_in_the_way(branch, met, facts.reversal.unheld)
    if found is not None:
        return found
    for check in (_follows, _same_spec, _nothing_pending):
        found = check(branch)
        if found is not None:
            return found
    held = "".join(f"; {hold.words()} is held: its mark is taken off" for hold in facts.reversal.holds)
    return allow(LEVER, f"the application follows this branch{held}")


def judge_claims(facts: GuardFacts) -> GuardAnswer:
    """Ask where another application applies the same files to the same place: which of both has its way is open."""
    if not facts.claimed_by:
        return allow(CLAIMS, "no other application applies these files to the same place")
    message = f"{', '.join(facts.claimed_by[:3])} applies the same directory to the same namespace"
    return ask(CLAIMS, Reason.CLAIMED_TWICE, message, "let one application alone apply it, then approve the plan")


def judge_writer(facts: GuardFacts) -> GuardAnswer:
    """Ask if something else writes the plan's paths: it would write them again."""
    writer = facts.writer
    if writer is None or facts.files is None:
        message = "whether something else writes these paths cannot be seen"
        return ask(WRITER, Reason.WRITTEN_BY_ANOTHER, message, "make sure that nothing writes them again, then approve")
    for sign in (_hydrated, _promoted, _generated, _by_machine, _copied):
        found = sign(writer, facts)
        if found is not None:
            return ask(WRITER, Reason.WRITTEN_BY_ANOTHER, *found)
    return allow(WRITER, "people write these paths")


def is_machine(author: str) -> bool:
    """True if an author, as `Name <mail>`, looks like an automaton's."""
    return _MACHINE.search(author) is not None


def copied_from(changes: Iterable[FileChange], elsewhere: Callable[[str], Sequence[str]]) -> str:
    """The folder that all of the culprit's new contents were copied from; "" if they were not.

    `elsewhere` gives the paths where a blob stood before the culprit. A copy promotion takes whole files from a path
    that differs in one folder only (`staging` and `prod`).
    """
    folders: set[str] | None = None
    for change in changes:
        if change.new_blob is None:
            continue
        found = {folder for path in elsewhere(change.new_blob) if (folder := _sibling(change.path, path))}
        folders = found if folders is None else folders & found
    return min(folders) if folders else ""


def _sibling(path: str, other: str) -> str:
    """The folder of `other` that stands where another one stands in `path`; "" unless that is the only difference."""
    mine, theirs = path.split("/"), other.split("/")
    if len(mine) != len(theirs):
        return ""
    differing = [index for index, (one, two) in enumerate(zip(mine, theirs, strict=True)) if one != two]
    if len(differing) != 1 or differing[0] == len(mine) - 1:
        return ""
    return "/".join(theirs[: differing[0] + 1])


def _met(branch: BranchFacts, facts: GuardFacts) -> set[Reason]:
    """Obstacles of these reasons are none for this plan: we sign, and an automation writes marked values alone."""
    met = {Reason.SIGNED_COMMITS_ONLY} if branch.signs else set()
    if facts.files is not None and all(_stays(one, facts.policy.image_automation) for one in facts.files):
        met.add(Reason.IMAGE_AUTOMATION)
    return met


def _stays(file: ChangedFile, word: str) -> bool:
    """No automation writes back what the plan changes in this file. A policy that asks wants a look at any mark."""
    if file.unread:
        return False
    if word == HOLD:
        return written_again(file.before, file.after) == ()
    return not is_marked(file.before) and not is_marked(file.after)


def _nothing_in_the_way(branch: BranchFacts, met: set[Reason], unheld: str) -> GuardAnswer | None:
    if branch.obstacles is None:
        message = "whether the engine would apply a commit now cannot be seen"
        return ask(LEVER, Reason.WINDOW_CLOSED, message, "look at the application in the engine, then approve the plan")
    found = [one for one in branch.obstacles if one.reason not in met]
    if not found:
        return None
    remedies = dict.fromkeys(one.remedy for one in found)
    message, remedy = "; ".join(one.message for one in found), "; ".join(remedies)
    if unheld and any(one.reason is Reason.IMAGE_AUTOMATION for one in found):
        message = f"{message}; it is not held: {unheld}"
    return ask(LEVER, found[0].reason, message, f"{remedy}; then approve the plan")


def _follows(branch: BranchFacts) -> GuardAnswer | None:
    if branch.follows:
        return None
    decides = branch.decided_by or "something that cannot be seen"
    message = f"the application does not follow this branch; {decides} decides"
    return ask(LEVER, Reason.NOT_ON_THIS_BRANCH, message, f"change it there: {decides}")


def _same_spec(branch: BranchFacts) -> GuardAnswer | None:
    if branch.spec_changed is False:
        return None
    if branch.spec_changed is None:
        message = "whether the deployment changed the application's spec cannot be seen"
    else:
        message = (
            "the deployment changed the application's own spec (parameters, images, path); the plan undoes that only "
            "where the spec stands in a file that it changes"
        )
    return ask(LEVER, Reason.NO_COMMIT, message, "compare the application's spec with that of the last good deployment")


def _nothing_pending(branch: BranchFacts) -> GuardAnswer | None:
    if branch.auto_sync:
        return None
    remedy = "sync or revert the waiting commits first, then approve the plan"
    if branch.auto_sync is None or branch.pending is None:
        return ask(LEVER, Reason.PENDING_CHANGES, "whether commits wait to be deployed cannot be seen", remedy)
    if not branch.pending:
        return None
    waiting = ", ".join(sha[:12] for sha in branch.pending[:3])
    message = (
        f"auto-sync is off, and {len(branch.pending)} commit(s) were never deployed ({waiting}): we never sync them"
    )
    return ask(LEVER, Reason.PENDING_CHANGES, message, remedy)


def _hydrated(writer: WriterFacts, _facts: GuardFacts) -> tuple[str, str] | None:
    remedy = "revert the commit on the dry branch that the hydrator reads"
    if writer.hydrated:
        return "a source hydrator writes this branch", remedy
    if writer.root_files is None:
        return "whether a hydrator writes this branch cannot be seen", remedy
    if "hydrator.metadata" in writer.root_files:
        return "hydrator.metadata stands in the tree: a hydrator writes it", remedy
    return None


def _promoted(writer: WriterFacts, _facts: GuardFacts) -> tuple[str, str] | None:
    stage = writer.annotations.get("kargo.akuity.io/authorized-stage")
    if stage is not None:
        project, _, name = stage.partition(":")
        command = f"kargo promote --project {project or 'PROJECT'} --stage {name or 'STAGE'} --freight PREVIOUS"
        return f"Kargo stage {stage} writes this application's files", command
    if writer.next_branch:
        return f"a promoter writes this branch from {writer.next_branch}", "revert the commit that the promoter reads"
    return None


def _generated(_writer: WriterFacts, facts: GuardFacts) -> tuple[str, str] | None:
    """What the plan renders anew goes back together with its sources: that does last."""
    anew = {path for one in facts.reversal.rendered for path in one.paths}
    for changed in facts.files or ():
        if changed.path not in anew and changed.before is not None and _GENERATED.search(changed.before[:HEADER_BYTES]):
            return f"{changed.path} says that it is generated", "revert what it is generated from, and render it again"
    return None


def _by_machine(writer: WriterFacts, _facts: GuardFacts) -> tuple[str, str] | None:
    remedy = "stop or pin that automation first, then approve the plan"
    if writer.authors is None:
        return "who writes these paths cannot be seen", remedy
    others = (author for author in writer.authors[:COMMITS_LOOKED_AT] if not author.endswith(writer.held))
    machines = Counter(author for author in others if is_machine(author))
    name, count = machines.most_common(1)[0] if machines else ("", 0)
    if count < BY_ONE_MACHINE:
        return None
    return f"{count} of the last {COMMITS_LOOKED_AT} commits to these paths are by {name}", remedy


def _copied(writer: WriterFacts, _facts: GuardFacts) -> tuple[str, str] | None:
    remedy = "take it back at the source of the promotion too, then approve the plan"
    if writer.copied_from is None or writer.merged_from is None:
        return "whether these contents were promoted from elsewhere cannot be seen", remedy
    if writer.copied_from:
        return f"the culprit's contents were copied from {writer.copied_from}", remedy
    if writer.merged_from:
        return f"this branch gets its commits by merges of {writer.merged_from}", remedy
    return None
