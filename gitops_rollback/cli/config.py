"""`gitops-rollback config --effective`: the settings as they are in force, whichever of their sources said so."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta

from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_environment import VARIABLES
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.cli.bundle import redacted
from gitops_rollback.cli.main import ENVIRONMENT_PREFIX
from gitops_rollback.cli.output import print_document, say
from gitops_rollback.core.duration import format_duration

_DURATION = re.compile(
    r"P(?=.)(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)  # as pydantic dumps it
FOUND = frozenset({"configFile", "watched", "enginesFound"})  # what was found, and nobody set


def carry_out(effective: bool, config: str | None, output: str) -> None:
    settings = load_settings(os.environ, {"config": config})
    say(f"from {settings.config_file or 'no file'}; variables: {', '.join(_variables()) or 'none'}")
    print_document(_document(settings, effective), "yaml" if output == "table" else output)


def _document(settings: Settings, effective: bool) -> dict[str, object]:
    document = redacted(settings, by_alias=True, exclude_defaults=not effective)
    return {key: _as_written(value) for key, value in document.items() if key not in FOUND}


def _as_written(value: object) -> object:
    """With durations as the settings file spells them."""
    if isinstance(value, Mapping):
        return {key: _as_written(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_written(one) for one in value]
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    days, hours, minutes, seconds = (float(one or 0) for one in found.groups())
    lasts = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return format_duration(lasts) if lasts.microseconds == 0 else f"{round(lasts.total_seconds() * 1000)}ms"


def _variables() -> list[str]:
    """By name alone: a value may be a secret."""
    known = {name for name in os.environ if name.startswith(f"{ENVIRONMENT_PREFIX}_")}
    return sorted(known | {name for name in os.environ if name.removesuffix("_FILE") in VARIABLES})
