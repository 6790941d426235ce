"""Refs of a config repository as they were read, and what is known after they were to be moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Heads:
    """What a fetch found. `branch` is the followed branch's head; the others are None where the ref does not exist."""

    branch: str
    journal: str | None = None
    control: str | None = None


@dataclass(frozen=True)
class TreeEntry:
    """One file of a tree; `mode` as git prints it (100644, 100755, 120000, 160000)."""

    path: str
    mode: str
    blob: str


@dataclass(frozen=True)
class RefUpdate:
    """Move `ref` (full name) to its descendant `new`; `old` is the head that was read, None to create the ref."""

    ref: str
    new: str
    old: str | None

    @property
    def refspec(self) -> str:
        """What is said to git: a plain one, by which a server moves the ref only to a descendant."""
        return f"{self.new}:{self.ref}"


class PushOutcome(StrEnum):
    """What is known after a push *and* the look at the remote that follows each push without success."""

    LANDED = "landed"  # the remote has our commit, whatever the client said
    REJECTED = "rejected"  # someone was faster: fetch and decide anew
    PROTECTED = "protected"  # a hook or branch rule says no: retrying is pointless
    LOCKED = "locked"  # a server-side ref lock: retry, then a person
    REWOUND = "rewound"  # it landed on another old head than the one that was read: page
    UNKNOWN = "unknown"  # the remote cannot be read now; our commit may have landed


@dataclass(frozen=True)
class PushResult:
    """`refs` has one outcome for each ref; `outcome` is that of the first update (the branch).

    `bypassed`: rules of the server that it let us past, in its words.
    """

    outcome: PushOutcome
    refs: Mapping[str, PushOutcome]
    message: str = ""  # the server's words, cut and without secrets
    bypassed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Landing:
    """How a push of ours ended. `waits`: refused, and the forge merges the plan's pull request instead, later."""

    outcome: PushOutcome
    message: str = ""
    waits: bool = False
