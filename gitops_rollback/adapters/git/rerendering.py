"""Undoing a commit that changed generated files, where the operator named the command that makes them.

The generated files are taken out of the question: the commit and what stood before it are read as if they had those of
the head. Then the command is run on what the sources came back to. It is trusted only if it makes the head's own
generated files from the head's sources, byte for byte; they are taken away before it runs, so that doing nothing does
not count. Nothing but the files that it is named for may change.
Source: git.md 5.5, Generated.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from gitops_rollback.adapters.git import gates
from gitops_rollback.adapters.git.conflicts import RENDER
from gitops_rollback.adapters.git.difference import Differences
from gitops_rollback.adapters.git.door import Git, RepositoryUnusable
from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.adapters.git.ladder import NOBODY
from gitops_rollback.adapters.git.objects import Entry, ObjectReader, find_entry, list_files, put_entries, write_blob
from gitops_rollback.adapters.git.plain_files import Plain, Unusable, blob_id, lay_out, read_in
from gitops_rollback.adapters.git.revisions import RawCommit
from gitops_rollback.adapters.git.undoing import Step, Undoing
from gitops_rollback.adapters.git.writer import ObjectWriter
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import Explanation
from gitops_rollback.core.rendering import Render, Rendered, concerned
from gitops_rollback.ports import Renderer

KEPT_RUNS, KEPT_BYTES = 64, 64 << 20
MOST_MADE = 32 << 20  # bytes
SEE = "See whether the right version of the tool is installed here, and whether what is committed is up to date."


def nothing(_blobs: Collection[str]) -> None:
    """All blobs are here."""


@dataclass(frozen=True)
class Rendering:
    """What the settings say: the commands, who runs them, and how the blobs of a whole tree are brought here."""

    commands: tuple[Render, ...] = ()
    renderer: Renderer | None = None
    bring: Callable[[Collection[str]], None] = nothing


@dataclass(frozen=True)
class Output:
    """What a command made of one tree: its files by path, or why it did not."""

    files: Mapping[str, Plain] = field(default_factory=dict)
    path: str = ""
    fault: str = ""

    def __len__(self) -> int:
        return 1 + sum(len(file.content) for file in self.files.values())


class _Unrendered(Exception):
    def __init__(self, path: str, why: str, todo: str = RENDER) -> None:
        super().__init__(path, why, todo)
        self.path, self.todo = path, todo
        self.why = why.encode("utf-8", "replace").decode()  # it may name a path that is no UTF-8


class Rerenderer:
    """For one repository. One command at a time; keeps what was made of the last trees, since a tick asks again."""

    def __init__(self, git: Git, reader: ObjectReader, writer: ObjectWriter, given: Rendering) -> None:
        self._git = git
        self._reader = reader
        self._writer = writer
        self._given = given
        self._runs: Kept[Output] = Kept(KEPT_RUNS, KEPT_BYTES)
        self._turn = threading.Lock()

    def close(self) -> None:
        """End what runs; nothing is rendered any more."""
        if self._given.renderer is not None:
            self._given.renderer.close()

    def of(self, works: Sequence[Undoing]) -> tuple[Render, ...]:
        """The commands that make a file which one of the commits changed; () if nobody can run them."""
        if self._given.renderer is None:
            return ()
        return concerned(self._given.commands, [path for work in works for path in work.undone])

    def sources(self, work: Undoing, renders: Sequence[Render]) -> Undoing:
        """The same commit as if it had left all that `renders` make alone."""
        own = {path: find_entry(self._reader, work.tree, path) for path in work.undone if _makes(renders, path)}
        own = {path: entry for path, entry in own.items() if entry is None or entry.kind == "blob"}
        if not own:
            return work
        before, after = (put_entries(self._git, self._reader, tree, own) for tree in (work.before, work.after))
        base = self._writer.commit(after, (work.culprit.sha,), "base of a merge\n", work.culprit.committed, NOBODY)
        undone = {change.path: change for change in work.differences.between(before, after)}
        return replace(work, before=before, after=after, undone=undone, base=base)

    def without_sources(self, work: Undoing, renders: Sequence[Render]) -> Step:
        """Of a commit that changed nothing but generated files: nothing of it can be undone by itself."""
        path = next(path for path in work.undone if _makes(renders, path))
        names = " and ".join(f"`{render.name}`" for render in concerned(renders, work.undone))
        why = f"the commit changed nothing but what {names} makes from other files, and would make again"
        return Step(work.tree, reason=Reason.REVERT_CONFLICT, explained=(Explanation(path, None, None, why, RENDER),))

    def anew(self, head: RawCommit, step: Step, renders: Sequence[Render]) -> Step:
        """The step with all that `renders` make made anew from its sources; or why a person is needed.

        Raises: RepositoryUnavailable, also when we are asked to stop meanwhile.
        """
        differences, tree, made = Differences(self._reader), str(step.tree), []
        try:
            for render in renders:
                self._prove(render, head.tree, head.sha)
            for render in renders if tree != head.tree else ():
                before, tree = tree, self._put(tree, render, self._run(render, tree), head.tree)
                paths = tuple(change.path for change in differences.between(before, tree))
                made += [Rendered(render.name, paths)] if paths else []
        except _Unrendered as failed:
            told = Explanation(failed.path or None, None, None, failed.why, failed.todo)
            return Step(None, reason=Reason.GATE_FAILED, explained=(told,))
        return replace(step, tree=tree, rendered=tuple(made))

    def proved(self, head: RawCommit) -> Iterator[tuple[str, str]]:
        """(command, why it may not be trusted at the head; "" if it may) of each command."""
        for render in self._given.commands if self._given.renderer is not None else ():
            try:
                self._prove(render, head.tree, head.sha)
            except _Unrendered as failed:
                yield render.name, failed.why
            else:
                yield render.name, ""

    def _prove(self, render: Render, tree: str, sha: str) -> None:
        """Raises: _Unrendered unless the command makes the committed files from the committed sources."""
        output = self._run(render, tree)
        width = len(tree)
        committed = {path: (one.mode, one.sha) for path, one in list_files(self._git, tree) if render.makes(path)}
        made = {path: (one.mode, blob_id(one.content, width)) for path, one in output.files.items()}
        differing = sorted(path for path in committed.keys() | made.keys() if committed.get(path) != made.get(path))
        if differing:
            more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
            why = f"`{render.name}` does not make {differing[0]}{more} as committed in {sha[:12]}"
            raise _Unrendered(differing[0], f"{why}, from the sources there", SEE)
        if not committed:
            raise _Unrendered("", f"`{render.name}` makes none of the files in {sha[:12]}", SEE)

    def _run(self, render: Render, tree: str) -> Output:
        """What the command makes of the tree. Raises: _Unrendered."""
        with self._turn:
            output = self._runs.get((render, tree))
            if output is None:
                output = self._runs.put((render, tree), self._fresh(render, tree))
        if output.fault:
            raise _Unrendered(output.path, f"`{render.name}` {self._git.redact(output.fault)}")
        return output

    def _fresh(self, render: Render, tree: str) -> Output:
        """Raises: _Unrendered for what may be another time; all that hangs on tree and command is an answer."""
        listed = list_files(self._git, tree)
        generated = [path for path, _ in listed if render.makes(path)]
        sources = {path: entry for path, entry in listed if not render.makes(path)}
        self._given.bring([entry.sha for entry in sources.values() if entry.kind == "blob"])
        first = generated[0] if generated else ""
        try:
            parent = self._git.scratch.folder()
            with tempfile.TemporaryDirectory(prefix="render-", dir=parent, ignore_cleanup_errors=True) as made:
                return self._made(render, sources, generated, Path(made))
        except Unusable as exc:
            return Output(path=exc.path or first, fault=f"cannot be used here: {exc.why}")
        except RepositoryUnusable as exc:
            return Output(path=first, fault=f"cannot be used here: {exc.message}")
        except OSError as exc:
            raise _Unrendered(first, f"`{render.name}` cannot be run here: {exc.strerror}") from exc

    def _made(self, render: Render, sources: Mapping[str, Entry], generated: Sequence[str], made: Path) -> Output:
        folder, home = made / "tree", made / "home"
        folder.mkdir()
        home.mkdir()
        left_out = lay_out(self._reader, sources.items(), folder)
        for path in generated:  # the folders stay: a program may take them for granted
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
        fault = self._renderer.run(render.command, folder, home, render.timeout)
        if fault:
            return Output(path=generated[0] if generated else "", fault=fault)
        known = {path: entry for path, entry in sources.items() if path not in left_out}
        return _taken(render, known, read_in(folder))

    @property
    def _renderer(self) -> Renderer:
        assert self._given.renderer is not None
        return self._given.renderer

    def _put(self, tree: str, render: Render, output: Output, head: str) -> str:
        """The tree with what the command made in place of what it had made. Raises: _Unrendered."""
        old = {path: entry for path, entry in list_files(self._git, tree) if render.makes(path)}
        new: dict[str, Entry | None] = dict.fromkeys(old)
        for path, file in output.files.items():
            known = old.get(path)
            sha = blob_id(file.content, len(tree))
            if known is not None and (known.mode, known.sha) == (file.mode, sha):
                del new[path]
                continue
            self._check(render, file, head)
            new[path] = Entry(file.mode, "blob", write_blob(self._git, file.content), PurePosixPath(path).name)
        return put_entries(self._git, self._reader, tree, new)

    def _check(self, render: Render, file: Plain, head: str) -> None:
        found = find_entry(self._reader, head, file.path)
        before = self._reader.read(found.sha, MOST_MADE)[1] if found and found.kind == "blob" else None
        fault = gates.rendered_fault(file.path, file.content, before)
        if fault is not None:
            raise _Unrendered(file.path, f"what `{render.name}` made cannot be taken: {fault}")


def _makes(renders: Sequence[Render], path: str) -> bool:
    return any(render.makes(path) for render in renders)


def _taken(render: Render, sources: Mapping[str, Entry], found: Iterator[Plain]) -> Output:
    """The generated files among those `found`, if the sources are all as they were and nothing else came."""
    files: dict[str, Plain] = {}
    left = {path for path, entry in sources.items() if entry.kind == "blob"}
    for file in found:
        path = file.path
        left.discard(path)
        if not render.makes(path):
            if not _is_same(sources.get(path), file):
                return Output(path=path, fault=f"changed {path}, which it is not said to generate")
        elif file.mode == gates.SYMLINK_MODE:
            return Output(path=path, fault=f"made {path} a symbolic link")
        else:
            files[path] = file
    if left:
        return Output(path=min(left), fault=f"removed {min(left)}, which it is not said to generate")
    output = Output(files)
    return output if len(output) <= MOST_MADE else Output(fault=f"made more than {MOST_MADE >> 20} MiB")


def _is_same(known: Entry | None, file: Plain) -> bool:
    return known is not None and (known.mode, known.sha) == (file.mode, blob_id(file.content, len(known.sha)))
