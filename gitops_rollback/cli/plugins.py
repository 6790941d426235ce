"""Whether kubectl, argocd and flux find this program as their plugin; for flux `init --plugins` sees to it.

kubectl and argocd look for `kubectl-NAME` and `argocd-NAME` along PATH, so what the wheel installs is enough. Flux
looks into one folder alone, where a link is made.
Source: kubectl docs, Extend kubectl with plugins; argo-cd docs, user-guide/plugins; Flux RFC-0013 (`~/.fluxcd/plugins`,
`FLUXCD_PLUGINS`).
"""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_rollback.adapters.extras import install

NAMES = {
    "kubectl": "kubectl-gitops_rollback",
    "argocd": "argocd-gitops-rollback",
    "flux": "flux-gitops-rollback",
}
FLUX_FOLDER = "FLUXCD_PLUGINS"


@dataclass(frozen=True)
class Plugin:
    """One tool's: is it found there now, and what is to be said of it. `remedy` mends it, "" where nothing is to do."""

    tool: str
    found: bool
    message: str
    remedy: str = ""


def linked(environ: Mapping[str, str], scripts: Path | None = None) -> Iterator[Plugin]:
    """All three, after flux's link was made. `scripts` is where the wheel's programs lie."""
    folder = scripts or Path(sysconfig.get_path("scripts"))
    for tool in ("kubectl", "argocd"):
        yield _on_path(tool, folder, environ)
    program = folder / NAMES["flux"]
    if not program.exists():
        yield Plugin("flux", False, f"{program} is not installed", install())
        return
    yield _link(program, _flux_folder(environ))


def _on_path(tool: str, folder: Path, environ: Mapping[str, str]) -> Plugin:
    name = NAMES[tool]
    at = shutil.which(name, path=environ.get("PATH", ""))
    if at is not None:
        return Plugin(tool, True, f"`{tool} gitops-rollback` finds {at}")
    if (folder / name).exists():
        return Plugin(tool, False, f"{name} lies in no folder of PATH", f'export PATH="{folder}:$PATH"')
    return Plugin(tool, False, f"{name} is not installed", install())


def _flux_folder(environ: Mapping[str, str]) -> Path:
    named = environ.get(FLUX_FOLDER, "")
    return Path(named) if named else Path(environ.get("HOME") or Path.home()) / ".fluxcd" / "plugins"


def _link(program: Path, folder: Path) -> Plugin:
    """Nothing but a link of ours that leads nowhere any more is replaced."""
    link = folder / NAMES["flux"]
    if link.is_symlink() and link.resolve() == program.resolve():
        return Plugin("flux", True, f"`flux gitops-rollback` finds {link}")
    if link.exists():
        return Plugin("flux", False, f"{link} is another program, and was kept", f"rm {link}, then run this again")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    except OSError as error:
        return Plugin("flux", False, f"{link} cannot be made: {error.strerror}", f"set {FLUX_FOLDER}")
    return Plugin("flux", True, f"`flux gitops-rollback` finds {link}, which was made now")
