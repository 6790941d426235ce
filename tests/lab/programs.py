"""The real programs of the lab, built from Go's module proxy: a Kubernetes API server, Flux, Argo CD, Gitea.

A release is a module of many; where its `go.mod` replaces one by a folder beside it, the released module takes its
place. Nothing of them is kept in this repository. The first build takes about half an hour on two cores, and 16 GB
in Go's caches.
Source: go.dev/ref/mod (replace, GOTOOLCHAIN).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KUBERNETES = "v1.34.4"
ONLY_FOR_THEIR_TESTS = ("go.etcd.io/etcd", "go.etcd.io/etcd/v3", "go.etcd.io/tests/v3")


@dataclass(frozen=True)
class Program:
    """One binary: `package` of `module` at `version`, and folders of its release that are kept beside it.

    `pinned`: modules that are to be had in another version only.
    """

    name: str
    module: str
    version: str
    package: str
    toolchain: str = ""
    pinned: Mapping[str, str] = field(default_factory=dict)
    also_called: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


PROGRAMS = (
    Program("etcd", "go.etcd.io/etcd/server/v3", "v3.6.14", "go.etcd.io/etcd/server/v3"),
    Program("kube-apiserver", "k8s.io/kubernetes", KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver"),
    Program(
        "kube-controller-manager", "k8s.io/kubernetes", KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    Program(
        "source-controller", "github.com/fluxcd/source-controller", "v1.9.4", "github.com/fluxcd/source-controller",
        pinned={"github.com/fluxcd/pkg/artifact": "v0.18.0"}, kept=("config/crd/bases",),
    ),
    Program(
        "kustomize-controller", "github.com/fluxcd/kustomize-controller", "v1.9.5",
        "github.com/fluxcd/kustomize-controller", kept=("config/crd/bases",),
    ),
    Program(
        "argocd", "github.com/argoproj/argo-cd/v3", "v3.6.1", "github.com/argoproj/argo-cd/v3/cmd",
        toolchain="go1.27.3",
        also_called=("argocd-server", "argocd-repo-server", "argocd-application-controller"),
        kept=("manifests/crds", "hack"),
    ),
    Program(
        "gitea", "code.gitea.io/gitea", "v1.26.0", "code.gitea.io/gitea", kept=("options", "templates", "public"),
        tags=("sqlite", "sqlite_unlock_notify"),
    ),
)  # fmt: skip


# Where the programs are kept between runs. Read here: tests have no home.
_USERS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("LAB_CACHE") or _USERS / "gitops-rollback" / "lab")


def path_of(name: str) -> Path:
    return CACHE / "bin" / name


def released(name: str) -> Path:
    """The folder with what is kept of a program's release."""
    return CACHE / "released" / name


def missing() -> tuple[str, ...]:
    """Names of the programs that are not built yet."""
    return tuple(one.name for one in PROGRAMS if not path_of(one.name).exists())


def build(program: Program) -> None:
    """Build it and link its other names; raises CalledProcessError with Go's own words on the terminal."""
    folder = CACHE / program.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(f"module lab/{program.name}\n")
    downloaded = json.loads(_go(program, folder, "mod", "download", "-json", f"{program.module}@{program.version}"))
    release = json.loads(_go(program, folder, "mod", "edit", "-json", str(Path(downloaded["Dir"]) / "go.mod")))
    edits = [f"-go={release['Go']}", f"-require={program.module}@{program.version}"]
    _go(program, folder, "mod", "edit", *edits, *(f"-replace={one}" for one in _replaced(program, release)))
    (folder / "lab.go").write_text(f'//go:build tools\n\npackage lab\n\nimport _ "{program.package}"\n')
    target = path_of(program.name)
    _keep(program, Path(downloaded["Dir"]))
    made = ["-mod=mod", "-trimpath", f"-tags={','.join(program.tags)}", "-ldflags=-s -w", "-o", str(target)]
    _go(program, folder, "build", *made, program.package)
    for name in program.also_called:
        path_of(name).unlink(missing_ok=True)
        path_of(name).symlink_to(target.name)


def _keep(program: Program, module: Path) -> None:
    for folder in program.kept:
        target = released(program.name) / folder
        shutil.copytree(module / folder, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
        target.chmod(0o755)


def _replaced(program: Program, release: Mapping[str, Any]) -> Iterator[str]:
    """What the release's own `go.mod` replaces; folders beside it by the module that was released with it."""
    required = {one["Path"]: one["Version"] for one in release.get("Require") or ()}
    for one in release.get("Replace") or ():
        old, new = one["Old"], one["New"]
        if old["Path"] in ONLY_FOR_THEIR_TESTS:
            continue
        name = old["Path"] + (f"@{old['Version']}" if old.get("Version") else "")
        if new["Path"].startswith("."):
            yield f"{name}={old['Path']}@{_released_with(program, old['Path'], required)}"
        else:
            yield f"{name}={new['Path']}" + (f"@{new['Version']}" if new.get("Version") else "")
    yield from (f"{name}={name}@{version}" for name, version in program.pinned.items())


def _released_with(program: Program, module: str, required: Mapping[str, str]) -> str:
    """Kubernetes numbers its parts v0 where the whole is v1; the others number all alike."""
    if module.startswith("k8s.io/"):
        return f"v0{program.version[2:]}"
    same = module.startswith(("go.etcd.io/", "github.com/fluxcd/"))
    return program.version if same else required.get(module, program.version)


def _go(program: Program, folder: Path, *arguments: str) -> str:
    environment = os.environ | ({"GOTOOLCHAIN": program.toolchain} if program.toolchain else {})
    command = ["go", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Build what is missing, one after the other."""
    for program in PROGRAMS:
        if not path_of(program.name).exists():
            print(f"building {program.name} {program.version} ...", file=sys.stderr, flush=True)
            build(program)
    print(f"the programs of the lab are in {path_of('')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
