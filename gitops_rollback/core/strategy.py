"""How a policy wants a change undone: which files and fields it is for, and what is set, run and asked on the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.target import Workload

CANARY_KIND = "Canary"  # of Flagger


@dataclass(frozen=True)
class FileField:
    """One field of a file of the repository, written as `manifest_fields` has it."""

    file: str
    field: str


@dataclass(frozen=True)
class JobStep:
    """A Job that runs once `edits` is set to `to`, and must complete."""

    edits: FileField
    to: str | int | float | bool
    job: Workload


@dataclass(frozen=True)
class Coordinated:
    """How a migration goes back: what stops the traffic, what reverses it, and what shows that no row is lost.

    `traffic` set to `stopped` lets nothing through; then `quiet` triggers measure 0. `rows` are triggers that may not
    fall. `workload` is the code: without a Pod while its replicas are 0. `reverse_end`: how a failed reverse ends.
    """

    traffic: FileField | None = None
    stopped: str | int | float | bool = 0
    quiet: tuple[str, ...] = ()
    workload: Workload | None = None
    reverse: JobStep | None = None
    reverse_end: str = "finish"  # back: the Job is one transaction
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provisioning:
    """How infrastructure goes back. `mode` "" and `sync_timeout` None leave it to the policy's delivery.

    `objects` and the commit status called `status` show how a run goes; without either, the changed objects do.
    """

    mode: str = ""
    sync_timeout: timedelta | None = None
    objects: tuple[RunObject, ...] = ()
    status: str = ""


@dataclass(frozen=True)
class SkippedAnalysis:
    """Flagger promotes what goes back without analysis: `file` has the Canary. `promoted` is what it promoted last."""

    file: str
    canary: Workload
    promoted: str = ""

    @property
    def edits(self) -> FileField:
        return FileField(self.file, f"Canary/{self.canary.name}: spec.skipAnalysis")


@dataclass(frozen=True)
class Strategy:
    """How a change is undone that touches one of `paths` or `fields`, or any where both are empty.

    `edits` is the field that the strategy sets: the weight of a canary, the slot of a blue-green, a flag. Only what is
    of its `type` is filled.
    """

    name: str
    type: str  # rolling, canary, blue-green, feature-flag, migration, infrastructure
    paths: tuple[str, ...] = ()
    fields: tuple[FileField, ...] = ()
    edits: FileField | None = None
    mode: str = "steps"  # canary: steps, jump, auto
    steps: tuple[int, ...] = (50, 25, 10, 0)  # canary: per cent of all traffic, falling
    complement: str = ""  # canary: the field of the version that takes over, in the same file
    pause: timedelta = timedelta(seconds=30)
    check_each_step: bool = True
    on_check_failed: str = "jump-to-last"  # hold, page
    stable: tuple[str, ...] = ()  # triggers that measure the version that takes over
    workload: Workload | None = None  # blue-green: of a slot; $SLOT in its name is the slot
    to: str | int | float | bool | None = None  # feature-flag
    migration: Coordinated | None = None
    fixup: JobStep | None = None  # data that is put right before the old code serves
    provisioning: Provisioning | None = None
    skips: SkippedAnalysis | None = None  # rolling

    @property
    def by_what_ran(self) -> bool:
        """It undoes what moved data, whatever the files are called."""
        return self.type == "migration" and not self.paths and not self.fields

    @property
    def by_kind(self) -> bool:
        """It is for what is recognised as infrastructure, whatever the files are called."""
        return self.type == "infrastructure" and not self.paths and not self.fields
