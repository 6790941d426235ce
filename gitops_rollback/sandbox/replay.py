"""Which repository does a scenario's `history.yaml` describe? The same file always gives the same SHAs.

    people: {mira: Mira Okafor <mira@shop.example>}
    commits:
      - id: first            # label; the answer maps it to a SHA
        author: mira
        date: 2026-02-02T09:00:00Z
        message: Add the checkout API
        put: {apps/a/service.yaml: "..."}          # whole files; {text, mode} or {base64} where text alone will not do
        edit: {apps/a/deployment.yaml: {old: new}} # each `old` must stand there exactly once
        remove: [README.md]
        branch: fix          # default main; a new branch starts at `from`, a label, by default the head of main
        merge: [label]       # takes over what the other side changed since this branch's line

Source: git-fast-import(1).
"""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from gitops_rollback.core.errors import StalledError

MAIN = "main"
KEYS = frozenset({"id", "author", "date", "message", "put", "edit", "remove", "branch", "from", "merge"})
IMPORT_SECONDS = 120.0

File = tuple[str, bytes]  # mode, content


@dataclass(frozen=True)
class Written:
    """One commit of the scenario; `files` is its whole tree, `line` its first-parent labels from the root on."""

    label: str
    number: int
    parents: tuple[str, ...]
    author: str
    date: datetime
    message: str
    ref: str
    files: Mapping[str, File]
    line: tuple[str, ...] = field(default=())


def replay(history: Path, bare: Path) -> dict[str, str]:
    """Write the history into the bare repository `bare` (made if missing); returns label -> SHA.

    Raises: StalledError if the file is not a usable history, or git does not take it.
    """
    commits = read_history(history)
    if not (bare / "HEAD").is_file():
        _git(history, "init", "--quiet", "--bare", f"--initial-branch={MAIN}", os.fspath(bare))
    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder) / "marks"
        stream = b"feature done\n" + b"".join(_commands(commits)) + b"done\n"
        _git(history, f"--git-dir={bare}", "fast-import", "--quiet", f"--export-marks={marks}", content=stream)
        shas = dict(line.split(" ") for line in marks.read_text("ascii").splitlines())
    return {commit.label: shas[f":{commit.number}"] for commit in commits.values()}


def read_history(history: Path) -> dict[str, Written]:
    """The commits by label, in order. Raises: StalledError."""
    try:
        document = yaml.safe_load(history.read_text("utf-8"))
        people: Mapping[str, str] = document.get("people", {})
        commits: dict[str, Written] = {}
        heads: dict[str, str] = {}
        for entry in document["commits"]:
            commit = _written(entry, people, commits, heads)
            commits[commit.label] = commit
            heads[commit.ref] = commit.label
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError) as exc:
        raise StalledError(str(history), f"is not a usable history: {type(exc).__name__}: {exc}") from exc
    return commits


def _written(
    entry: Mapping[str, Any], people: Mapping[str, str], commits: Mapping[str, Written], heads: Mapping[str, str]
) -> Written:
    label = str(entry["id"])
    if label in commits or not set(entry) <= KEYS:
        raise ValueError(f"{label}: a label used twice, or unknown keys {sorted(set(entry) - KEYS)}")
    ref = f"refs/heads/{entry.get('branch', MAIN)}"
    start = heads.get(ref) or entry.get("from") or heads.get(f"refs/heads/{MAIN}")
    parents = ([start] if start else []) + list(entry.get("merge", []))
    return Written(
        label=label,
        number=len(commits) + 1,
        parents=tuple(parents),
        author=people.get(entry["author"], entry["author"]),
        date=_instant(entry["date"]),
        message=str(entry["message"]),
        ref=ref,
        files=_files(entry, [commits[parent] for parent in parents], commits),
        line=(*commits[start].line, label) if start else (label,),
    )


def _instant(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _files(entry: Mapping[str, Any], parents: Sequence[Written], commits: Mapping[str, Written]) -> Mapping[str, File]:
    files = dict(parents[0].files) if parents else {}
    for other in parents[1:]:
        shared = [label for label in other.line if label in parents[0].line]
        base = commits[shared[-1]].files if shared else {}
        for path in base.keys() | other.files.keys():
            if base.get(path) != other.files.get(path):
                _set(files, path, other.files.get(path))
    for path in entry.get("remove", []):
        del files[path]
    for path, value in entry.get("put", {}).items():
        files[path] = _file(value)
    for path, edits in entry.get("edit", {}).items():
        mode, content = files[path]
        for old, new in edits.items():
            if content.count(old.encode()) != 1:
                raise ValueError(f"{entry['id']}: {old!r} does not stand exactly once in {path}")
            content = content.replace(old.encode(), new.encode())
        files[path] = mode, content
    return files


def _set(files: dict[str, File], path: str, file: File | None) -> None:
    if file is None:
        files.pop(path, None)
    else:
        files[path] = file


def _file(value: str | Mapping[str, str]) -> File:
    if isinstance(value, str):
        return "100644", value.encode()
    content = base64.b64decode(value["base64"]) if "base64" in value else value["text"].encode()
    return value.get("mode", "100644"), content


def _commands(commits: Mapping[str, Written]) -> list[bytes]:
    return [_command(commit, commits) for commit in commits.values()]


def _command(commit: Written, commits: Mapping[str, Written]) -> bytes:
    """The whole tree each time: what the commit changes is then git's own word, not this file's."""
    person = f"{commit.author} {int(commit.date.timestamp())} +0000"
    lines = [
        f"commit {commit.ref}\nmark :{commit.number}\nauthor {person}\ncommitter {person}\n".encode(),
        _data((commit.message.rstrip("\n") + "\n").encode()),
    ]
    for word, parent in zip(("from", *("merge" for _ in commit.parents)), commit.parents, strict=False):
        lines.append(f"{word} :{commits[parent].number}\n".encode())
    lines.append(b"deleteall\n")
    for path, (mode, content) in sorted(commit.files.items()):
        quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'M {mode} inline "{quoted}"\n'.encode() + _data(content))
    return b"".join(lines)


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _git(history: Path, *args: str, content: bytes = b"") -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    done = subprocess.run(
        ["git", *args], input=content, env=environment, capture_output=True, timeout=IMPORT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise StalledError(str(history), f"git does not take it: {done.stderr.decode('utf-8', 'replace')[-500:]}")
