"""Leaves what was pressed below checks on its pull request, where this replica stands by: the leader finds it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.app.chat_door import Presses
from gitops_rollback.app.comment_door import YOUNG
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.left_press import left, marker_of
from gitops_rollback.core.press import CheckPress
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports.forge import Forge


@dataclass(frozen=True)
class CheckDoor:
    """For one repository at one forge."""

    forge: Forge
    presses: Presses[CheckPress]

    def turn_away(self, _records: Mapping[str, RollbackRecord], now: datetime, why: str) -> None:
        """Leave all of them; what the forge does not take now is tried at the next look."""
        for press in self.presses.take():
            if press.by_bot or now - press.at > YOUNG:
                continue
            try:
                self.forge.comment(press.number, marker_of(press), left(press, why))
            except RollbackError:
                self.presses.add(press)
