"""Which commits change what the failing Pods run? Known where a trigger looks at Pods, and nowhere else.

What cannot be seen or read is no evidence, for or against anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gitops_rollback.app.subject import Look
from gitops_rollback.app.workloads import workloads_of
from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.fields import Unclear, entries, part, text
from gitops_rollback.core.images import Image, image_changes, parse_image
from gitops_rollback.core.manifest import objects
from gitops_rollback.core.new_pods import new_pods
from gitops_rollback.core.pod_trouble import Symptom, judge_pods
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.ranking import Traces
from gitops_rollback.ports import ConfigRepo, Workloads

MAX_READ = 200  # files of all commits together


@dataclass(frozen=True)
class _Failing:
    """One workload whose new Pods fail, and the images that its template asks for."""

    workload: Workload
    images: frozenset[Image]


class FailingPods:
    """Reads Pods and files; keeps nothing."""

    def __init__(self, repo: ConfigRepo, workloads: Workloads) -> None:
        self._repo = repo
        self._workloads = workloads

    def traces(self, look: Look, commits: Iterable[Commit]) -> Mapping[str, Traces]:
        """By commit, what of the failing Pods it changes; only commits that change something of them."""
        failing = tuple(self._failing(look))
        found: dict[str, Traces] = {}
        left = MAX_READ
        for commit in commits if failing else ():
            changes = [change for change in commit.changes if look.watched.own.of((change.path,))]
            left -= len(changes)
            if left < 0:
                break
            traces = self._of(changes, failing)
            if traces.image or traces.workload:
                found[commit.sha] = traces
        return found

    def _failing(self, look: Look) -> Iterator[_Failing]:
        firing = {verdict.trigger: verdict for verdict in look.raised.verdicts if verdict.fires}
        triggers = [one for one in look.policy.triggers if one.type == "crashLoop" and one.name in firing]
        for trigger in triggers[:1]:
            last = firing[trigger.name].state.last
            asked = tuple(Symptom(word) for word in trigger.symptoms)
            for workload in workloads_of(look.target, look.state) if last is not None else ():
                try:
                    facts = self._workloads.read(look.state, workload)
                    symptom = judge_pods(facts, look.event_started, last.at, asked).symptom if last else None
                    template = new_pods(facts).template
                    images = [text(one, "image") for one in entries(part(template, "spec"), "containers")]
                except (RollbackError, Unclear):
                    continue
                if symptom is not None:
                    yield _Failing(workload, frozenset(parse_image(image) for image in images if image))

    def _of(self, changes: Iterable[FileChange], failing: tuple[_Failing, ...]) -> Traces:
        image = workload = ""
        for change in changes:
            try:
                before, after = (self._repo.read(blob) if blob else None for blob in (change.old_blob, change.new_blob))
            except RollbackError:
                continue
            image = image or next(_images(before, after, failing), "")
            workload = workload or next(_workloads(before, after, failing), "")
        return Traces(image, workload)


def _images(before: bytes | None, after: bytes | None, failing: tuple[_Failing, ...]) -> Iterator[str]:
    """Images that the failing Pods ask for and that one of the two contents did not name."""
    wanted = {(image.name, image.version) for one in failing for image in one.images}
    for change in image_changes(before, after) or ():
        for version in change.after:
            if version not in change.before and (change.name, version) in wanted:
                yield str(Image(change.name, version))


def _workloads(before: bytes | None, after: bytes | None, failing: tuple[_Failing, ...]) -> Iterator[str]:
    """Failing workloads whose own object is another one in the two contents."""
    old, new = (objects(content) if content is not None else () for content in (before, after))
    for one in failing if old is not None and new is not None else ():
        named = (one.workload.kind, one.workload.name)
        sides = [[each.document for each in side if (each.kind, each.name) == named] for side in (old or (), new or ())]
        if sides[0] != sides[1]:
            yield f"{named[0]} {named[1]}"
