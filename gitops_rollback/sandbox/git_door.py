"""What may stand before a git server: accounts, rules that a push meets, and web pages at the same address.

Hooks of a running receive-pack ask this process through two named pipes, so that a rule sees the objects that a push
brings before they are let in. Source: githooks(5), git-receive-pack(1) (quarantine), gitprotocol-pack(5) (the report).
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

ZERO = "0" * 40
FOLDER = "GITOPS_ROLLBACK_SANDBOX_HOOK"  # in a hook's environment: where its pipes are
ASK = f"""
[ -n "${FOLDER}" ] || exit 0
variables=$(env | grep -E '^GIT_(QUARANTINE|OBJECT_|ALTERNATE_|PUSH_OPTION)')
printf '%s\\n%s\\n--\\n%s\\n' "$(basename "$0")" "$variables" "$updates" >"${FOLDER}/ask"
{{ read -r code; cat >&2; exit "$code"; }} <"${FOLDER}/answer"
"""
# Hooks of the server, not of the repositories: these stay as a test or a user made them. The file `refused` beside the
# hooks has a ref in its first line, or nothing for all of them, and the words for people in the others.
PRE_RECEIVE_HOOK = """#!/bin/sh
refused=$(dirname "$0")/refused
[ -f "$refused" ] && [ -z "$(head -n 1 "$refused")" ] && { tail -n +2 "$refused" >&2; exit 1; }
updates=$(cat)
"""
UPDATE_HOOK = """#!/bin/sh
refused=$(dirname "$0")/refused
[ -f "$refused" ] && [ "$(head -n 1 "$refused")" = "$1" ] && { tail -n +2 "$refused" >&2; exit 1; }
updates="$2 $3 $1"
"""
POST_RECEIVE_HOOK = """#!/bin/sh
updates=$(cat)
[ -z "$updates" ] || echo "$updates" >>"$GIT_DIR/accepted-updates"
"""
HOOKS = {"pre-receive": PRE_RECEIVE_HOOK + ASK, "update": UPDATE_HOOK + ASK, "post-receive": POST_RECEIVE_HOOK + ASK}
DECLINED = re.compile(rb"^ng (\S+) (?:pre-receive )?hook declined$")


@dataclass(frozen=True)
class RefChange:
    """One update of a push; all zeros is absence."""

    old: str
    new: str
    ref: str


@dataclass(frozen=True)
class HookCall:
    """A hook asks: which one, of whose push to which repository, with what in its environment."""

    name: str  # pre-receive | update | post-receive
    login: str
    repository: str
    changes: tuple[RefChange, ...]
    environment: Mapping[str, str]  # the quarantine's, and the push options

    @property
    def options(self) -> tuple[str, ...]:
        """The push options, in their order."""
        count = int(self.environment.get("GIT_PUSH_OPTION_COUNT", "0"))
        return tuple(self.environment.get(f"GIT_PUSH_OPTION_{number}", "") for number in range(count))


@dataclass(frozen=True)
class HookAnswer:
    """What the hook does: its exit code and what it prints; `reason` is what the report says of a ref it declined."""

    code: int = 0
    words: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Page:
    """A request that is not git's."""

    method: str
    path: str  # with the query
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True)
class PageAnswer:
    """What is sent for it. None for a status: the connection is closed without a word."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Door(Protocol):
    """Who stands before the repositories."""

    def admit(self, repository: str, user: str, password: str, writes: bool) -> str | PageAnswer:
        """The login that these credentials are, or what is answered instead."""
        ...

    def asked(self, call: HookCall) -> HookAnswer:
        """What a hook of a push is told: what the rules say, words for people."""
        ...

    def page(self, page: Page) -> PageAnswer:
        """What is at an address that is not git's."""
        ...


class Conversation:
    """While it is entered, the hooks of one push get their answers from `answer`."""

    def __init__(self, answer: Callable[[HookCall], HookAnswer], login: str, repository: str) -> None:
        self.declined: dict[str, str] = {}  # ref -> what the report shall say of it
        self.failures: list[Exception] = []
        self._answer = answer
        self._login = login
        self._repository = repository
        self._folder = Path(mkdtemp(prefix="gitops-rollback-hook-"))
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Conversation:
        for name in ("ask", "answer"):
            os.mkfifo(self._folder / name)
        self._thread.start()
        return self

    def __exit__(self, *_about: object) -> None:
        while self._thread.is_alive():  # a hook that was killed leaves the listener at either pipe
            for name in ("ask", "answer"):
                os.close(os.open(self._folder / name, os.O_RDWR))
            self._thread.join(0.02)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """What the hooks need to find us."""
        return {FOLDER: str(self._folder)}

    def _listen(self) -> None:
        while True:
            asked = (self._folder / "ask").read_bytes().decode("utf-8", "replace")
            if not asked:
                return
            call = self._call(asked)
            answer = self._answered(call)
            if answer.reason:
                self.declined.update((change.ref, answer.reason) for change in call.changes)
            (self._folder / "answer").write_bytes(f"{answer.code}\n{answer.words}".encode())

    def _answered(self, call: HookCall) -> HookAnswer:
        """A failure of ours refuses the push, and is kept: the hook must not wait for ever."""
        try:
            return self._answer(call)
        except Exception as exc:
            self.failures.append(exc)
            return HookAnswer(1, "error: internal error\n")

    def _call(self, asked: str) -> HookCall:
        head, _, changes = asked.partition("\n--\n")
        name, *variables = head.splitlines()
        environment = dict(line.split("=", 1) for line in variables if "=" in line)
        updates = tuple(RefChange(*line.split(" ", 2)) for line in changes.splitlines())
        return HookCall(name, self._login, self._repository, updates, environment)


def worded(report: bytes, reasons: Mapping[str, str]) -> bytes:
    """The answer of a receive-pack in which refs that a hook declined carry the reasons of a forge."""
    packets = list(_packets(report))
    inner = b"".join(packet[1:] for packet in packets if packet[:1] == b"\x01")
    lines = [_with_reason(line, reasons) for line in _packets(inner)]
    rest = [packet for packet in packets if packet[:1] != b"\x01" and packet]
    whole = b"".join(_framed(line) for line in lines) + b"0000"
    return b"".join(_framed(packet) for packet in rest) + _framed(b"\x01" + whole) + b"0000"


def _with_reason(line: bytes, reasons: Mapping[str, str]) -> bytes:
    found = DECLINED.fullmatch(line.rstrip(b"\n"))
    reason = reasons.get(found[1].decode()) if found else None
    return line if found is None or reason is None else b"ng %s %s\n" % (found[1], reason.encode())


def _packets(stream: bytes) -> list[bytes]:
    found, at = [], 0
    while at + 4 <= len(stream):
        size = int(stream[at : at + 4], 16)
        if size >= 4:
            found.append(stream[at + 4 : at + size])
        at += max(size, 4)
    return found


def _framed(packet: bytes) -> bytes:
    return b"%04x%s" % (len(packet) + 4, packet)
