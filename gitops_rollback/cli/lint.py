"""`gitops-rollback lint PATH...`: is each policy and request file usable, and where not, which place must change?

Reads files as they lie on disk, with the mode that git would give them. Faults go to stdout, since they are the answer;
the count goes to stderr.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_rollback.adapters.policies.loading import MAX_FILES, PolicyFile, is_policy_path
from gitops_rollback.cli.lint_files import OURS, faults_of, file_at, fix_files, is_clone, is_of_others, taken_by_flux
from gitops_rollback.cli.output import print_document
from gitops_rollback.core.faults import Fault
from gitops_rollback.core.how_many import how_many

if TYPE_CHECKING:
    from gitops_rollback.cli.lint_costs import Asking

MAX_WALKED = 100_000


def carry_out(ctx: click.Context, paths: tuple[Path, ...], output: str, fix: bool, cost: bool) -> None:
    read = list(dict.fromkeys(_files(paths)))
    if fix:
        fix_files(read, paths)
    files = [file_at(path) for path in read]
    if not files:
        raise click.UsageError("there are no policy or request files here: `gitops-rollback init` writes a first one")
    found, requests = faults_of(files)
    found += tuple(fault for path in paths for fault in taken_by_flux(path))
    asking = _asking(files) if cost else None
    found += asking.faults if asking is not None else ()
    _print(found, len(files) - requests, requests, output, asking)
    ctx.exit(1 if any(fault.is_error for fault in found) else 0)


def _asking(files: Sequence[PolicyFile]) -> Asking:
    from gitops_rollback.cli.lint_costs import asking_of  # brings the settings, which faults alone do not need

    return asking_of(files)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir() or path.is_symlink():
            yield path
            continue
        own = [path / one for one in OURS if (path / one).is_dir()]
        for root in own if own or is_clone(path) else [path]:
            yield from (one for one in _below(root) if own or not is_of_others(one))


def _below(root: Path) -> Iterator[Path]:
    walked = 0
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name != ".git")
        yield from (Path(directory, name) for name in sorted(files) if is_policy_path(name))
        walked += len(files)
        if walked > MAX_WALKED:
            raise click.UsageError(f"more than {MAX_WALKED} files below {root}; name the policies' directory")


def _print(found: Sequence[Fault], policies: int, requests: int, output: str, asking: Asking | None) -> None:
    errors = sum(fault.is_error for fault in found)
    warnings = len(found) - errors
    if output == "json":
        faults = [_document(fault) for fault in found]
        files = policies + requests
        counted = {"files": files, "errors": errors, "warnings": warnings, "faults": faults}
        print_document({**counted, **({"costs": asking.documents} if asking is not None else {})}, "json")
        return
    for fault in found:
        click.echo(_annotation(fault) if output == "github" else str(fault))
    for line in asking.lines if asking is not None and output == "text" else ():
        click.echo(line)
    read = how_many(min(policies, MAX_FILES) + requests, "file")
    click.echo(f"{read}: {how_many(errors, 'error')}, {how_many(warnings, 'warning')}", err=True)


def _document(fault: Fault) -> dict[str, object]:
    return {
        "path": fault.path,
        "line": fault.line,
        "column": fault.col,
        "severity": fault.severity,
        "message": fault.message,
        "fix": fault.fix,
    }


def _annotation(fault: Fault) -> str:
    """A workflow command. Source: docs.github.com, Workflow commands, "Setting an error message"."""
    place = f"file={_property(fault.path)},line={fault.line},col={fault.col}"
    text = f"{fault.message} ({fault.fix})" if fault.fix else fault.message
    return f"::{fault.severity} {place}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
