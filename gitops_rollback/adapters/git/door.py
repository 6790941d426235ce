"""How does one git command run: hardened, bounded in time and output, and without leaving a process behind?

The only module that imports GitPython, and of it only `Git.execute` with argument lists. Every command names its
`--git-dir`, sees none of the machine's git configuration, and dies as a whole process group at its deadline.
Source: git(1), git-config(1), GitPython 3.2 `git/cmd.py` (its environment can only be added to; `kill_after_timeout`
misses children; a missing directory silently becomes the process's own).
"""

from __future__ import annotations

import functools
import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import git

from gitops_rollback.adapters.git import headers
from gitops_rollback.adapters.git.disk import FULL, DiskFull, meaning_of
from gitops_rollback.adapters.git.login import Login
from gitops_rollback.adapters.git.scratch import Scratch
from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.repository_url import without_credentials

OLDEST_GIT = (2, 38)  # merge-tree --write-tree
ERROR_OUTPUT_LIMIT = 64 << 10
MESSAGE_LIMIT = 2000
CHUNK = 1 << 16
SPEAKING = frozenset({"fetch", "push", "ls-remote"})  # the commands that ask the remote
SYSTEM_SCRATCH = Scratch()
LOSSLESS = ("utf-8", "surrogateescape")  # for decode() and encode(): any bytes survive the way there and back

HARDENED_ENVIRONMENT: Mapping[str, str] = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "https:ssh",
    "LC_ALL": "C",
}
HARDENED_CONFIG: tuple[str, ...] = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "transfer.fsckObjects=true",
    # Faults of ancient history that harm nobody; servers of large public repositories carry them.
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "http.followRedirects=false",
    "http.lowSpeedLimit=10",
    "http.lowSpeedTime=30",
)

HEADER = re.compile(r"(?i)\b(authorization|proxy-authorization|cookie|private-token)\s*:[^\r\n]*")
CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[^\x20-\x7e\n\xa0-\U0010ffff]|[\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class GitResult:
    """What one command left: its exit code, its whole output, and its redacted error output."""

    code: int
    stdout: bytes
    stderr: str


class GitFailed(RepositoryUnavailable):
    """A git command ended with a code that its caller did not expect; a negative one is the signal that ended it."""

    def __init__(self, subject: str, code: int, stderr: str, retry_after: float = 0.0) -> None:
        last = stderr.strip().splitlines()[-1] if stderr.strip() else "no message"
        super().__init__(subject, f"exit code {code}: {last}")
        self.retry_after = retry_after
        self.code = code
        self.stderr = stderr


class GitTimeout(RepositoryUnavailable):
    """A git command did not end by its deadline; it and all its children were killed. What it sent may have landed."""


class RepositoryUnusable(StalledError):
    """A person must change something about git, the clone or its remote before trying again is worth it."""

    reason = Reason.REPOSITORY_UNAVAILABLE


class GitOutputTooLarge(RepositoryUnusable):
    """A git command wrote more than its caller can take."""


class Git:
    """git on one repository. Cheap to make; safe to use from several threads."""

    def __init__(
        self,
        git_dir: Path,
        *,
        config: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        on_complaint: Callable[[str], None] | None = None,
        scratch: Scratch | None = None,
        login: Login | None = None,
    ) -> None:
        """`config` are further `key=value`s, never secret; `secrets` are texts that no message may hold.
        `login` is the way in where it does not last.

        `on_complaint` hears the redacted error output of each command that wrote some, failed or not. `scratch` is
        where its temporary files go; left out: the system's place for them.
        """
        self.git_dir = Path(os.path.abspath(git_dir))
        self.config = tuple(config)
        self.environment = {**HARDENED_ENVIRONMENT, **(environment or {})}
        self.secrets = tuple(secret for secret in secrets if secret)
        self.on_complaint = on_complaint
        self.scratch = scratch or SYSTEM_SCRATCH
        self.login = login
        self._prefix = tuple(word for entry in (*HARDENED_CONFIG, *self.config) for word in ("-c", entry))

    def also(self, config: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Git:
        """The same with more configuration and environment."""
        return Git(
            self.git_dir,
            config=(*self.config, *config),
            environment={**self.environment, **(environment or {})},
            secrets=self.secrets,
            on_complaint=self.on_complaint,
            scratch=self.scratch,
            login=self.login,
        )

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        deadline: float = 30.0,
        ok: Collection[int] = (0,),
        limit: int = 64 << 20,
    ) -> GitResult:
        """Run `git <args>` to its end; `deadline` in real seconds, `limit` in bytes of output.

        Raises: GitFailed for a code that is not in `ok`; DiskFull; GitTimeout; GitOutputTooLarge; RepositoryUnusable.
        """
        subject = f"git {args[0]}"
        try:
            with _input_file(stdin) as source, headers.recorded(self.scratch) as heard:
                process = self.open(*args, stdin=source, more=heard.environment)
                code, stdout, raw = _finish(process, subject, deadline, limit)
                retry_after = heard.retry_after() if code else 0.0
        except OSError as exc:
            self.complain(str(exc.strerror))
            raise meaning_of(subject, exc) from exc
        stderr = raw.decode("utf-8", "replace")
        if code not in ok:
            complaint = self.complain(stderr)
            raise DiskFull(subject) if FULL.search(complaint) else GitFailed(subject, code, complaint, retry_after)
        # git that found another way says so: a pack that cannot be used, an object that it had to load again.
        return GitResult(code, stdout, self.complain(stderr) if stderr else "")

    def text(
        self,
        *args: str,
        stdin: bytes | None = None,
        deadline: float = 30.0,
        ok: Collection[int] = (0,),
        limit: int = 64 << 20,
    ) -> str:
        """The output of `run` as text without outer white space; bytes that are not UTF-8 are surrogate-escaped."""
        return self.run(*args, stdin=stdin, deadline=deadline, ok=ok, limit=limit).stdout.decode(*LOSSLESS).strip()

    def open(
        self, *args: str, stdin: BinaryIO | int | None = None, more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start `git <args>` in its own process group; the caller reads it and ends it with `end_group`.

        `more` is added to the environment.

        Raises: RepositoryUnusable if git is missing or too old; what `Login.environment` does.
        """
        require_git()
        way = self.login.environment(not SPEAKING.isdisjoint(args)) if self.login is not None else {}
        environment = {**self.environment, **way, **(more or {})}
        return _start([f"--git-dir={self.git_dir}", *self._prefix, *args], self.git_dir, environment, stdin)

    def complain(self, stderr: str) -> str:
        """Tell `on_complaint` what a command wrote; returns it redacted."""
        redacted = self.redact(stderr)
        if self.on_complaint is not None:
            self.on_complaint(redacted)
        return redacted

    def redact(self, text: str) -> str:
        """`text` without our secrets, credentials and queries of URLs, header values and control characters; cut."""
        for secret in (*self.secrets, *(self.login.secrets if self.login is not None else ())):
            text = text.replace(secret, "***")
        text = without_credentials(HEADER.sub(r"\1: ***", text))
        return CONTROL.sub("", text.replace("\r", "\n"))[:MESSAGE_LIMIT]


def git_dir_of(path: Path) -> Path:
    """The git directory of a local clone: a bare one, one with a work tree, or a linked work tree (`.git` file).

    Raises: RepositoryUnusable if `path` is none of these.
    """
    for candidate in (path / ".git", path):
        if candidate.is_file():
            content = candidate.read_bytes()[:4096].decode(*LOSSLESS)
            if content.startswith("gitdir: "):
                return Path(os.path.abspath(path / content.removeprefix("gitdir: ").rstrip("\n")))
        if (candidate / "HEAD").is_file() and (candidate / "objects").is_dir():
            return Path(os.path.abspath(candidate))
    raise RepositoryUnusable(str(path), "is not a git repository")


@functools.lru_cache(maxsize=1)
def require_git() -> tuple[int, int]:
    """The installed git's (major, minor). Raises: RepositoryUnusable if it is missing, does not run, or is too old."""
    process = _start(["version"], Path("/"), HARDENED_ENVIRONMENT, None)
    code, stdout, _ = _finish(process, "git version", 10.0, ERROR_OUTPUT_LIMIT)
    found = re.match(rb"git version (\d+)\.(\d+)", stdout)
    if code != 0 or found is None:
        raise RepositoryUnusable("git", f"`git version` does not work (exit code {code})")
    version = int(found[1]), int(found[2])
    if version < OLDEST_GIT:
        raise RepositoryUnusable("git", f"version {version[0]}.{version[1]} is too old: install git 2.38 or newer")
    return version


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that `Git.open` started, with all its children, and reap it. Ending it twice is no error."""
    if process.returncode is None:  # not reaped: the number cannot belong to anybody else yet
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()


def _start(
    args: Sequence[str], directory: Path, environment: Mapping[str, str], stdin: BinaryIO | int | None
) -> subprocess.Popen[bytes]:
    if not directory.is_dir():  # else GitPython would run git in the process's own directory
        raise RepositoryUnavailable(str(directory), "the clone's directory is missing")
    inherited = [name for name in os.environ if _unwanted(name) and name not in environment]
    command = ["env", *(word for name in inherited for word in ("-u", name)), "git"] if inherited else ["git"]
    try:
        interruptible = git.Git(directory).execute(
            [*command, *args], istream=stdin, as_process=True, env=environment, start_new_session=True
        )
    except git.GitCommandNotFound as exc:
        raise RepositoryUnusable("git", "is not installed, or not in PATH") from exc
    except OSError as exc:  # no more files, processes or memory for us
        raise meaning_of("git", exc) from exc
    if not isinstance(interruptible, git.Git.AutoInterrupt) or interruptible.proc is None:
        raise RepositoryUnusable("git", "could not be started")
    process = interruptible.proc
    interruptible.proc = None  # else GitPython signals the process once the wrapper is collected
    return process


def _unwanted(name: str) -> bool:
    return (name.startswith("GIT_") and not name.startswith("GIT_PYTHON_")) or name == "SSH_ASKPASS"


def _finish(process: subprocess.Popen[bytes], subject: str, deadline: float, limit: int) -> tuple[int, bytes, bytes]:
    """Read `process` to its end. Raises: GitTimeout, GitOutputTooLarge; no process of the group survives either."""
    try:
        stdout, stderr = _drain(process, subject, time.monotonic() + deadline, limit)
        _await_exit(process, max(0.1, deadline))
    except subprocess.TimeoutExpired as exc:
        raise GitTimeout(subject, f"did not end within {deadline:g} s") from exc
    finally:
        end_group(process)
    return process.returncode, stdout, stderr


def _await_exit(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Raises: subprocess.TimeoutExpired. `Popen.wait` alone polls with sleeps, each as long as a whole git command."""
    if hasattr(os, "pidfd_open"):  # Linux
        handle = os.pidfd_open(process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(handle, selectors.EVENT_READ)
                selector.select(seconds)
        finally:
            os.close(handle)
        seconds = 0.1
    process.wait(timeout=seconds)


def _drain(process: subprocess.Popen[bytes], subject: str, until: float, limit: int) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, stdout)
        selector.register(process.stderr, selectors.EVENT_READ, stderr)
        while selector.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(subject, 0)
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.data is stdout or len(stderr) < ERROR_OUTPUT_LIMIT:  # further complaints are dropped
                    key.data.extend(chunk)
            if len(stdout) > limit:
                raise GitOutputTooLarge(subject, f"wrote more than {limit} bytes")
    return bytes(stdout), bytes(stderr)


@contextmanager
def _input_file(content: bytes | None) -> Iterator[BinaryIO | None]:
    """A real file: GitPython passes it on as it is, while it would send nothing into a pipe."""
    if content is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file
