"""`gitops-rollback lint PATH...`: is each policy and request file usable, and where not, which place must change?

Reads files as they lie on disk, with the mode that git would give them. Faults go to stdout, since they are the answer;
the count goes to stderr.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from gitops_rollback.adapters.policies.loading import MAX_FILES, PolicyFile, is_policy_path, load_policies
from gitops_rollback.adapters.requests.reader import is_request, load_request
from gitops_rollback.cli.output import print_document
from gitops_rollback.core.faults import Fault
from gitops_rollback.core.request import REQUESTS
from gitops_rollback.core.sourceignore import LINE, SOURCE_IGNORE
from gitops_rollback.core.written import MAX_BYTES

OURS = (Path(".gitops-rollback", "policies"), Path(REQUESTS))
WORKING_COPY = "working-copy"
MAX_WALKED = 100_000


@click.command
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Choice(("text", "json", "github")),
    default="text",
    show_default=True,
    help="Form of the answer; github makes annotations of a pull request.",
)
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...], output: str) -> None:
    """Check policy and request files; all faults at once, as file:line:col.

    A directory that holds .gitops-rollback/policies or .gitops-rollback/requests stands for those, a whole clone
    without them for nothing; any other one for all YAML files below it. A file below .gitops-rollback/requests, or of
    kind RollbackRequest, is read as a request.
    Exit code 0: usable (warnings allowed), 1: errors, 2: nothing to check.

    \b
    Examples:
      gitops-rollback lint .
      gitops-rollback lint .gitops-rollback/policies/payments.yaml
      gitops-rollback lint .gitops-rollback/requests/2026-11-23-checkout-api.yaml
      gitops-rollback lint . -o github
    """
    files = [_file(path) for path in dict.fromkeys(_files(paths))]
    if not files:
        raise click.UsageError("there are no policy or request files here: `gitops-rollback init` writes a first one")
    requests = [file for file in files if _is_request(file)]
    policies = load_policies([file for file in files if file not in requests], WORKING_COPY)
    found = (*policies.faults, *(fault for file in requests for fault in load_request(file).faults))
    found += tuple(fault for path in paths for fault in _taken_by_flux(path))
    _print(found, len(files) - len(requests), len(requests), output)
    ctx.exit(1 if any(fault.is_error for fault in found) else 0)


def _is_request(file: PolicyFile) -> bool:
    below = f"/{REQUESTS}/" in f"/{file.path}"
    return below or (file.text is not None and is_request(file.text, file.path))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir() or path.is_symlink():
            yield path
            continue
        own = [path / one for one in OURS if (path / one).is_dir()]
        for root in own if own or _is_clone(path) else [path]:
            yield from _below(root)


def _is_clone(path: Path) -> bool:
    return (path / ".git").exists()


def _taken_by_flux(path: Path) -> Iterator[Fault]:
    """A warning where Flux would apply our files; a clone alone shows that."""
    if not _is_clone(path) or not any((path / own).is_dir() for own in OURS):
        return
    from gitops_rollback.app.beginning import unignored  # brings all of git, which mere files do not need

    name = unignored(path)
    if name:
        message = f"Flux's Kustomization {name} takes every file of the repository, and would try to apply ours"
        place = (path / SOURCE_IGNORE).as_posix()
        yield Fault(place, 1, 1, message, f"add the line `{LINE.strip()}`", "warning")


def _below(root: Path) -> Iterator[Path]:
    walked = 0
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name != ".git")
        yield from (Path(directory, name) for name in sorted(files) if is_policy_path(name))
        walked += len(files)
        if walked > MAX_WALKED:
            raise click.UsageError(f"more than {MAX_WALKED} files below {root}; name the policies' directory")


def _file(path: Path) -> PolicyFile:
    """The file as git would have it. One that was named on the command line is read whatever its name is."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return PolicyFile(path.as_posix(), "120000" if stat.S_ISLNK(status.st_mode) else "040000", b"")
        mode = "100755" if status.st_mode & stat.S_IXUSR else "100644"
        if status.st_size > MAX_BYTES:
            return PolicyFile(path.as_posix(), mode, None)
        with path.open("rb") as file:
            return PolicyFile(path.as_posix(), mode, file.read(MAX_BYTES + 1))
    except OSError as exc:
        raise click.UsageError(f"{path}: {exc.strerror or type(exc).__name__}") from exc


def _print(found: Sequence[Fault], policies: int, requests: int, output: str) -> None:
    errors = sum(fault.is_error for fault in found)
    warnings = len(found) - errors
    if output == "json":
        faults = [_document(fault) for fault in found]
        files = policies + requests
        print_document({"files": files, "errors": errors, "warnings": warnings, "faults": faults}, "json")
        return
    for fault in found:
        click.echo(_annotation(fault) if output == "github" else str(fault))
    read = _count(min(policies, MAX_FILES) + requests, "file")
    click.echo(f"{read}: {_count(errors, 'error')}, {_count(warnings, 'warning')}", err=True)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


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
