"""The commands that make generated files: what may be configured, with faults in words that a person can act on.

Only the settings name one. Nothing of a config repository, its policies included, leads to a command.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from gitops_rollback.app.settings_values import Closed, Duration
from gitops_rollback.core.rendering import DEFAULT_TIMEOUT, Render, command_fault, glob_fault

MOST_COMMANDS = 16
MOST_WORDS = 64
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(minutes=10)


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    fault = command_fault(words)
    if fault is not None:
        raise ValueError(fault)
    return words


def _globs(globs: tuple[str, ...]) -> tuple[str, ...]:
    fault = next((fault for glob in globs if (fault := glob_fault(glob)) is not None), None)
    if not globs or fault is not None:
        raise ValueError(fault or "must name the files that the command makes")
    return globs


def _timeout(timeout: timedelta) -> timedelta:
    if not SHORTEST <= timeout <= LONGEST:
        raise ValueError("must be between 1s and 10m")
    return timeout


class RenderCommand(Closed):
    """One command, as a list of words that no shell reads, and the globs of all files that it alone makes.

    It is run at the root of a checkout from which those files were taken away, without any of our secrets.
    """

    command: Annotated[tuple[str, ...], Field(max_length=MOST_WORDS), AfterValidator(_command)]
    generates: Annotated[tuple[str, ...], AfterValidator(_globs)]
    timeout: Annotated[Duration, AfterValidator(_timeout)] = DEFAULT_TIMEOUT

    @property
    def parsed(self) -> Render:
        return Render(self.command, self.generates, self.timeout)
