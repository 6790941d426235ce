"""Replays the corpus: its cases as commits of one repository, its requests, and what a result must not be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("billimek", "bjw-s", "jenkins-infra", "operate-first", "phalanx", "thoth")
PERSON = b"A Developer <developer@example.com>"


@dataclass(frozen=True)
class Case:
    """One line of a corpus file, and the commits that it became."""

    folder: str
    fields: Mapping[str, object]
    shas: tuple[str, ...]  # base, culprit, state, and human where there is one
    trees: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.fields['id']}"

    @property
    def files(self) -> Mapping[str, Mapping[str, str | None]]:
        files = self.fields["files"]
        assert isinstance(files, dict)
        return files


def load(corpus: Path, file: str, git_dir: Path) -> list[Case]:
    """All cases of `<folder>/<file>` as commits in the new bare repository `git_dir`."""
    lines = [
        (folder, json.loads(line))
        for folder in FOLDERS
        for line in (corpus / folder / file).read_text(encoding="utf-8").splitlines()
    ]
    subprocess.run(["git", "init", "-q", "--bare", str(git_dir)], check=True)
    marks = git_dir / "corpus-marks"
    stream = b"".join(_commits(lines))
    command = ["git", f"--git-dir={git_dir}", "fast-import", "--quiet", f"--export-marks={marks}"]
    subprocess.run(command, input=stream, check=True)
    shas = dict(line[1:].split(" ") for line in marks.read_text().splitlines())
    trees = _trees(git_dir, shas)
    cases, mark = [], 0
    for folder, fields in lines:
        own = [str(mark + n + 1) for n in range(len(_versions(fields)))]
        mark += len(own)
        cases.append(Case(folder, fields, tuple(shas[m] for m in own), tuple(trees[m] for m in own)))
    return cases


def _versions(fields: Mapping[str, object]) -> tuple[str, ...]:
    files = fields["files"]
    assert isinstance(files, dict)
    human = any("human" in texts for texts in files.values())
    return ("base", "culprit", "state", "human") if human else ("base", "culprit", "state")


def _commits(lines: list[tuple[str, dict[str, object]]]) -> Iterator[bytes]:
    mark = 0
    for number, (_, fields) in enumerate(lines):
        for place, version in enumerate(_versions(fields)):
            mark += 1
            message = f"{version}\n".encode()
            yield b"commit refs/heads/case-%d\nmark :%d\n" % (number, mark)
            yield b"committer %s %d +0000\n" % (PERSON, 1_700_000_000 + 60 * mark)
            yield b"data %d\n%s" % (len(message), message)
            if place:
                yield b"from :%d\ndeleteall\n" % (mark - 1)
            yield from _files(fields, version)


def _files(fields: Mapping[str, object], version: str) -> Iterator[bytes]:
    files = fields["files"]
    assert isinstance(files, dict)
    for path, texts in files.items():
        if texts[version] is not None:
            content = texts[version].encode()
            quoted = path.replace("\\", "\\\\").replace('"', '\\"').encode()
            yield b'M 100644 inline "%s"\ndata %d\n%s\n' % (quoted, len(content), content)


def _trees(git_dir: Path, shas: Mapping[str, str]) -> dict[str, str]:
    names = "".join(f"{sha}^{{tree}}\n" for sha in shas.values())
    command = ["git", f"--git-dir={git_dir}", "cat-file", "--batch-check=%(objectname)"]
    answer = subprocess.run(command, input=names.encode(), check=True, capture_output=True).stdout.decode().split()
    return dict(zip(shas, answer, strict=True))


def ask(git_dir: Path, requests: list[dict[str, object]], python: str) -> list[dict[str, object]]:
    """The answers of one batch process, in order."""
    script = (
        "import sys; from pathlib import Path; from gitops_rollback.cli.offline import run_offline; "
        f"sys.exit(run_offline(None, Path({str(git_dir)!r}), None, None, None, True, 'json'))"
    )
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([python, "-c", script], input=text.encode(), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
