"""The infrastructure of a simulated world: objects whose runs take their time, fail, hang, wait, or destroy.

A run begins when what the engine applied differs, and what it ran is remembered: only that is ever done.
Source: flux-iac/tofu-controller api/v1alpha2; crossplane-runtime apis/common/condition.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.sandbox.simulation.cloud_files import code_file, database_file, destroys, is_manual, queue_file
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.schedule import Schedule

Json = dict[str, object]
LOOKS_EVERY = 4.0  # seconds
OK, RETRIED, FAILS, HANGS = "ok", "retried", "fails", "hangs"
FATES = {OK: 6.0, RETRIED: 1.5, FAILS: 1.0, HANGS: 1.0}
TERRAFORM, QUEUE = ("infra.contrib.fluxcd.io/v1alpha2", "Terraform"), ("sqs.aws.upbound.io/v1beta1", "Queue")

REVERSIBLE = frozenset((version.partition("/")[0], kind) for version, kind in (TERRAFORM, QUEUE))  # by the settings


@dataclass
class Run:
    """One run of an object: of which contents, at which revision, and what came of it."""

    contents: tuple[str | None, ...]  # of the object, and of the code that it runs
    revision: str
    began: datetime
    fate: str
    done: datetime | None = None
    failed: bool = False
    pending: bool = False  # a plan of it waits for a person
    destroying: bool = False


@dataclass
class Thing:
    """An object of an application that stands in `path`, with all its runs, oldest first."""

    application: str
    path: str
    code: str  # the file that it runs, "" for none
    spec: bytes | None = None
    generation: int = 1
    observed: int = 1
    runs: list[Run] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.application}-{'db' if self.code else 'queue'}"

    @property
    def open(self) -> Run | None:
        """The run that is not over."""
        newest = self.runs[-1] if self.runs else None
        return newest if newest is not None and newest.done is None else None


@dataclass
class Cloud:
    """All of it; one for all replicas. `live` tells what an application runs."""

    schedule: Schedule
    objects: Objects
    live: Callable[[str], str]
    tell: Callable[[str, str], None]
    random: Random
    things: dict[str, Thing] = field(default_factory=dict)  # by path
    is_calm: Callable[[], bool] = lambda: False

    def start(self, names: Sequence[str]) -> None:
        """Each of these applications has a database that was made long ago, and may get a queue."""
        for name in names:
            for path, code in ((database_file(name), code_file(name)), (queue_file(name), "")):
                thing = Thing(name, path, code)
                thing.spec = self.objects.text(self.live(name), path)
                revision = self.live(name)
                made = Run(self._contents(thing, revision), revision, self.schedule.now, OK, self.schedule.now)
                thing.runs.append(made)
                self.things[path] = thing
        self.schedule.after(LOOKS_EVERY, self._turn)

    def _contents(self, thing: Thing, revision: str) -> tuple[str | None, ...]:
        paths = (thing.path, thing.code) if thing.code else (thing.path,)
        return tuple(self.objects.entry(revision, path) for path in paths)

    def _turn(self) -> None:
        for thing in self.things.values():
            self._see(thing)
        self.schedule.after(LOOKS_EVERY, self._turn)

    def _see(self, thing: Thing) -> None:
        """What the engine has applied stands in the cluster at once, whoever looks."""
        revision = self.live(thing.application)
        contents = self._contents(thing, revision)
        if contents != thing.runs[-1].contents:
            self._begin(thing, contents, revision)

    def _begin(self, thing: Thing, contents: tuple[str | None, ...], revision: str) -> None:
        text = self.objects.text(revision, thing.path)
        if text != thing.spec:
            thing.generation, thing.spec = thing.generation + 1, text
        fate = self.random.choices(list(FATES), list(FATES.values()))[0]
        run = Run(contents, revision, self.schedule.now, fate)
        thing.runs.append(run)
        self.tell("cloud", f"{thing.name} begins to run {revision[:8]}")
        self.schedule.after(self.random.uniform(1, 20), lambda: self._look(thing, run))

    def _look(self, thing: Thing, run: Run) -> None:
        """It has seen its newest specification, and has a plan."""
        if thing.runs[-1] is not run:
            return
        thing.observed = thing.generation
        run.destroying = destroys(thing.spec)
        if thing.code and thing.spec is not None and is_manual(thing.spec):
            run.pending = True
            self.tell("cloud", f"the plan of {thing.name} waits for a person")
            return
        self._go_on(thing, run)

    def approve(self, thing: Thing) -> None:
        """A person lets the plan run that waits."""
        run = thing.open
        if run is not None and run.pending:
            run.pending = False
            self.tell("cloud", f"the plan of {thing.name} may run")
            self._go_on(thing, run)

    def _go_on(self, thing: Thing, run: Run) -> None:
        if run.fate != HANGS:
            self.schedule.after(self.random.uniform(10, 150), lambda: self._end(thing, run))

    def _end(self, thing: Thing, run: Run) -> None:
        if thing.runs[-1] is not run:
            return
        if run.fate in (FAILS, RETRIED) and not run.failed:
            run.failed = True
            self.tell("cloud", f"the run of {thing.name} fails")
            if run.fate == RETRIED:
                self.schedule.after(self.random.uniform(20, 120), lambda: self._end(thing, run))
            return
        run.done, run.failed = self.schedule.now, False
        self.tell("cloud", f"the run of {thing.name} is over")

    # What the API shows

    def document(self, thing: Thing) -> Json | None:
        """The object as it is; None where there is none."""
        self._see(thing)
        spec = thing.spec if thing.spec is not None else self._going(thing)
        if spec is None:
            return None
        api_version, kind = TERRAFORM if thing.code else QUEUE
        metadata: Json = {"name": thing.name, "generation": thing.generation}
        if thing.code:
            metadata["namespace"] = "shop"
        if thing.spec is None:
            metadata["deletionTimestamp"] = f"{thing.runs[-1].began:%Y-%m-%dT%H:%M:%SZ}"
        said: Json = {"approvePlan": "" if is_manual(spec) else "auto", "destroy": destroys(spec)}
        status = self._terraform(thing) if thing.code else self._crossplane(thing)
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": said, "status": status}

    def _going(self, thing: Thing) -> bytes | None:
        """What is taken out of git is there until all that it managed has gone: a finalizer keeps it."""
        before = next((one for one in reversed(thing.runs[:-1]) if one.contents[0] is not None), None)
        return self.objects.text(before.revision, thing.path) if before is not None and thing.open else None

    def _terraform(self, thing: Thing) -> Json:
        run, seen = thing.runs[-1], thing.observed == thing.generation
        before = thing.runs[-2] if len(thing.runs) > 1 else run
        shown = run if seen else before
        state = ("True", "TerraformAppliedSucceed") if shown.done else ("Unknown", "Progressing")
        state = ("False", "TFExecApplyFailed") if shown.failed else state
        applied = next((one.revision for one in reversed(thing.runs) if one.done), "")
        plan: Json = {"pending": f"plan-main-{run.revision[:10]}" if run.pending else ""}
        if run.pending:
            state, plan["isDestroyPlan"] = ("Unknown", "TerraformPlannedWithChanges"), run.destroying
        ready = {"type": "Ready", "status": state[0], "reason": state[1], "message": state[1]}
        return {
            "observedGeneration": thing.observed, "conditions": [ready], "plan": plan,
            "lastAttemptedRevision": f"main@sha1:{shown.revision}", "lastAppliedRevision": f"main@sha1:{applied}",
        }  # fmt: skip

    def _crossplane(self, thing: Thing) -> Json:
        run, number = thing.runs[-1], thing.observed
        over, failed = run.done is not None, run.failed
        said = [("Synced", "False" if failed else "True"), ("Ready", "True" if over else "False")]
        listed: list[Json] = [
            {"type": kind, "status": status, "reason": "Said", "observedGeneration": number} for kind, status in said
        ]
        if not over and not failed:
            listed.append({"type": "AsyncOperation", "status": "False", "reason": "Ongoing"})
        return {"observedGeneration": number, "conditions": listed}

    def documents(self, application: str) -> Iterator[Json]:
        """All objects of an application."""
        for thing in self.things.values():
            found = self.document(thing) if thing.application == application else None
            if found is not None:
                yield found

    # What the oracles ask

    def has_run(self, path: str, sha: str, by: datetime) -> bool:
        """A run of what this commit says, or of something later, was over by then; or there was nothing to run."""
        runs = self.things[path].runs
        later = [run for run in runs if self.objects.is_ancestor(sha, run.revision)]
        if runs[-1].contents == self._contents(self.things[path], sha):
            later.append(runs[-1])
        return any(run.done is not None and run.done <= by for run in later)


@dataclass(frozen=True)
class SimObjects:
    """One replica's way to these objects: the port `Objects`."""

    gate: Gate
    cloud: Cloud

    def find(
        self, application: ApplicationState, named: Sequence[RunObject]
    ) -> Mapping[RunObject, Mapping[str, object]]:
        """As in `ports.Objects`."""
        struck = self.gate.enter("objects.find")
        known = {str(_named(one)): one for one in self.cloud.documents(application.id.name)}
        self.gate.leave("objects.find")
        if struck:
            raise EngineUnavailable(application.id.short, "its objects cannot be seen")
        return {one: known[str((one.kind, one.name))] for one in named if str((one.kind, one.name)) in known}

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None:
        """As in `ports.Objects`."""
        return True


def _named(document: Json) -> tuple[object, object]:
    metadata = document["metadata"]
    return document["kind"], metadata["name"] if isinstance(metadata, dict) else None
