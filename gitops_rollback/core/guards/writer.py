"""Does something else write the plan's paths, so that it would write them again?

Where the policy says what does, and where that reads, the rollback is made there as well; else a person is asked, with
both commits. Source: safety.md, Another writer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import GuardFacts, WriterFacts, allow, ask
from gitops_rollback.core.image_holds import ImageHold
from gitops_rollback.core.image_updater import brought_back, decided_elsewhere, kept_off, writes_git, writes_into
from gitops_rollback.core.images import image_changes, parse_image
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.promotion import Promotion
from gitops_rollback.core.upstream import COPY, HYDRATE, KARGO, MADE, MERGE, METADATA, RENDER, promote_command

WRITER = "another-writer"
COMMITS_LOOKED_AT = 10
BY_ONE_MACHINE = 9
ANY = (HYDRATE, RENDER, COPY, MERGE)

_MACHINE = re.compile(
    r"(?i)\[bot\]|\bbots?\b|-bot\b|renovate|dependabot|github-actions|gitlab-ci|image-updater|fluxcdbot|\bflux\b"
    r"|jenkins|\bautomation\b|\bci@|\bci\b|\bkargo\b|argocd|promoter|\brobot\b|service-account|svc-"
)
_GENERATED = re.compile(rb"(?i)do not edit|@generated\b|automatically generated|auto-generated")
HEADER_BYTES = 1024


@dataclass(frozen=True)
class Sign:
    """Something that speaks for another writer, what a person can do, and by which habits a policy may answer it.

    No `habits`: nothing answers it, as where it could not be seen.
    """

    message: str
    remedy: str
    habits: tuple[str, ...] = ()


def judge_writer(facts: GuardFacts) -> GuardAnswer:
    """Ask if something else writes the plan's paths, unless the plan takes it back where that reads as well."""
    writer, said = facts.writer, facts.policy.promotion
    if writer is None or facts.files is None:
        message = "whether something else writes these paths cannot be seen"
        return ask(WRITER, Reason.WRITTEN_BY_ANOTHER, message, "make sure that nothing writes them again, then approve")
    found = [sign for look in SIGNS if (sign := look(writer, facts)) is not None]
    open_sign = next((sign for sign in found if not _answered(sign, writer, said)), None)
    if open_sign is not None:
        return ask(WRITER, Reason.WRITTEN_BY_ANOTHER, *_in_words(open_sign, writer, said))
    if said is None or not (writer.upstream or writer.unreachable):
        return allow(WRITER, "people write these paths")
    if writer.upstream is None:
        message = f"the policy says that something writes this branch ({said.habit}), and where that reads nothing "
        message += f"can be taken back: {writer.unreachable}"
        return ask(WRITER, Reason.WRITTEN_BY_ANOTHER, message, "take it back there by hand, then approve the plan")
    if writer.upstream.habit == KARGO:
        return allow(WRITER, f"{writer.upstream.sentence} To do at once: {writer.upstream.commands}")
    what = "is taken back already" if writer.upstream.done else "is taken back as well, and it lasts by that"
    return allow(WRITER, f"{writer.upstream.words}, which the writer of this branch reads, {what}")


def _answered(sign: Sign, writer: WriterFacts, said: Promotion | None) -> bool:
    """By the policy, where it is known what to take back there, or that nothing of it came from there."""
    return said is not None and said.habit in sign.habits and not writer.unreachable


def _in_words(sign: Sign, writer: WriterFacts, said: Promotion | None) -> tuple[str, str]:
    """What is told of it, with both commits where the second is known."""
    up = writer.upstream
    if up is None:
        why = f"; what would be taken back there is not known: {writer.unreachable}" if writer.unreachable else ""
        return f"{sign.message}{why}", sign.remedy
    if up.done:
        return f"{sign.message}; {up.words} is taken back there already", sign.remedy
    message = f"{sign.message}, from {up.place}: one commit here, and one that takes back {up.words}"
    remedy = f"approve the plan for both commits, or do the second by hand: {up.commands}"
    if said is None:
        where = f"{{repository: {up.repository}, branch: {up.branch}}}" if up.repository else f"{{branch: {up.branch}}}"
        remedy += f"; `promotion: {{type: {up.habit}, from: {where}}}` in the policy lets us do both"
    return message, remedy


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


def _hydrated(writer: WriterFacts, _facts: GuardFacts) -> Sign | None:
    remedy = "revert the commit on the dry branch that the hydrator reads"
    if writer.hydrated:
        return Sign("a source hydrator writes this branch", remedy, (HYDRATE,))
    if writer.root_files is None:
        return Sign("whether a hydrator writes this branch cannot be seen", remedy)
    if METADATA in writer.root_files:
        return Sign(f"{METADATA} stands in the tree: a hydrator writes it", remedy, MADE)
    return None


def _promoted(writer: WriterFacts, _facts: GuardFacts) -> Sign | None:
    stage = writer.annotations.get("kargo.akuity.io/authorized-stage", "")
    if stage or writer.kargo:
        previous = writer.kargo[1].rpartition(".")[2] if writer.kargo[1:] else ""
        command = promote_command(stage or writer.kargo[0].partition(".")[0], previous)
        what = f"Kargo stage {stage}" if stage else f"Kargo's promotion {writer.kargo[0]}"
        return Sign(f"{what} writes this application's files", command, (*ANY, KARGO))
    if writer.promoter is not None:
        return Sign(writer.promoter.words, writer.promoter.remedy, (HYDRATE, MERGE))
    if writer.next_branch:
        message = f"a promoter writes this branch from {writer.next_branch}"
        return Sign(message, "revert the commit that the promoter reads", (HYDRATE, MERGE))
    return None


def _generated(_writer: WriterFacts, facts: GuardFacts) -> Sign | None:
    """What the plan renders anew goes back together with its sources: that does last."""
    anew = {path for one in facts.reversal.rendered for path in one.paths}
    for changed in facts.files or ():
        if changed.path not in anew and changed.before is not None and _GENERATED.search(changed.before[:HEADER_BYTES]):
            remedy = "revert what it is generated from, and render it again"
            return Sign(f"{changed.path} says that it is generated", remedy, MADE)
    return None


def _image_updater(writer: WriterFacts, facts: GuardFacts) -> Sign | None:
    """Argo CD's own: it looks at the registry again within minutes, and the tag that was taken back is there still."""
    held = [hold for hold in facts.reversal.holds if hold.by]
    if held:  # the plan itself keeps it from that, if it does so where the updater looks
        return next((sign for hold in held if (sign := _kept_elsewhere(hold, writer))), None)
    file = writes_into(facts.reversal.paths)
    author = facts.suspects[0].author if facts.suspects else ""
    changes = (change for one in facts.files or () for change in image_changes(one.before, one.after) or ())
    updates = writer.updates or brought_back(changes, writer.managed)
    if not (updates or file or (writes_git(writer.annotations) and is_machine(author))):
        return None
    tags = ", ".join(f"{one.image}:{one.tag}" for one in updates)
    what = f"and would write {tags} again" if tags else f"and {file or 'what it wrote'} is what the plan takes back"
    remedy = f"keep it from that by {kept_off(updates, writer.annotations, writer.managed)}; then approve the plan"
    unheld = f"; it is not held: {facts.reversal.unheld}" if facts.reversal.unheld else ""
    return Sign(f"Argo CD Image Updater writes this application's images, {what}{unheld}", remedy)


def _kept_elsewhere(hold: ImageHold, writer: WriterFacts) -> Sign | None:
    place = decided_elsewhere(parse_image(hold.kept).name, hold.field, writer.managed)
    if not place:
        return None
    message = f"Argo CD Image Updater takes its word on {hold.kept} from {place}, and not from {hold.field} of "
    return Sign(
        f"{message}{hold.path}", "name that field in `imageUpdater` of the policy, or keep it off there by hand"
    )


def _by_machine(writer: WriterFacts, _facts: GuardFacts) -> Sign | None:
    remedy = "stop or pin that automation first, then approve the plan"
    if writer.authors is None:
        return Sign("who writes these paths cannot be seen", remedy)
    others = (author for author in writer.authors[:COMMITS_LOOKED_AT] if not author.endswith(writer.held))
    machines = Counter(author for author in others if is_machine(author))
    name, count = machines.most_common(1)[0] if machines else ("", 0)
    if count < BY_ONE_MACHINE:
        return None
    return Sign(f"{count} of the last {COMMITS_LOOKED_AT} commits to these paths are by {name}", remedy, (*ANY, KARGO))


def _copied(writer: WriterFacts, _facts: GuardFacts) -> Sign | None:
    remedy = "take it back at the source of the promotion too, then approve the plan"
    if writer.copied_from is None or writer.merged_from is None:
        return Sign("whether these contents were promoted from elsewhere cannot be seen", remedy)
    if writer.copied_from:
        return Sign(f"the culprit's contents were copied from {writer.copied_from}", remedy, (COPY,))
    if writer.merged_from:
        return Sign(f"this branch gets its commits by merges of {writer.merged_from}", remedy, (MERGE, HYDRATE))
    return None


SIGNS: tuple[Callable[[WriterFacts, GuardFacts], Sign | None], ...] = (
    _hydrated,
    _promoted,
    _generated,
    _image_updater,
    _by_machine,
    _copied,
)
