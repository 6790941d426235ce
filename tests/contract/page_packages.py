"""The packages that CONTRIBUTING.md shows, made of its own blocks and installed as the page says, for a while."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitops_rollback.adapters.packages import names_in

ROOT = Path(__file__).resolve().parents[2]
ENGINE, FORGE, METRICS = "### A whole small engine", "### A whole small forge", "### In a package of your own"


def blocks(heading: str, language: str) -> list[str]:
    """The blocks of this language below the heading."""
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition(heading)[2].partition("\n## ")[0]
    return [str(found) for found in re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)]


def block(heading: str, language: str) -> str:
    """The one block of this language below the heading."""
    (found,) = blocks(heading, language)
    return found


@contextmanager
def installed(folder: Path, heading: str, change: Callable[[str], str] = str) -> Iterator[None]:
    """The package of this heading, with its code as `change` leaves it, beside us as pip leaves it there."""
    project = tomllib.loads(block(heading, "toml"))
    (entries,) = project["project"]["entry-points"].values()
    (module,) = {value.partition(":")[0] for value in entries.values()}
    site = folder / f"site-of-{module}"
    _write(site, project, module, change(block(heading, "python")))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        _forget(module)
        yield
    _forget(module)


def _write(site: Path, project: dict[str, dict[str, object]], module: str, code: str) -> None:
    name, version = str(project["project"]["name"]), project["project"]["version"]
    about = site / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = project["project"]["entry-points"]
    assert isinstance(points, dict)
    (group,) = points
    lines = "".join(f"{key} = {value}\n" for key, value in points[group].items())
    (about / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    (site / f"{module}.py").write_text(code)


def _forget(module: str) -> None:
    sys.modules.pop(module, None)
    names_in.cache_clear()
