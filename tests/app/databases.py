"""A real database for a test: SQLite in a file, or a PostgreSQL of its own on a socket."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

SERVERS = Path("/usr/lib/postgresql")  # where Debian keeps what is not for everybody's path


class Database(Protocol):
    def run(self, sql: str) -> list[str]:
        """All of it in one transaction; the rows of the last statement as texts. Raises: RuntimeError."""
        ...


class Sqlite:
    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, sql: str) -> list[str]:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("begin")
            found: list[tuple[object, ...]] = []
            for statement in filter(None, (one.strip() for one in sql.split(";"))):
                found = connection.execute(statement).fetchall()
            connection.execute("commit")
            return ["|".join(map(str, row)) for row in found]
        except sqlite3.Error as error:
            raise RuntimeError(str(error)) from error
        finally:
            connection.close()


class Postgres:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, sql: str) -> list[str]:
        command = ["psql", "-h", str(self._folder), "-U", "shop", "-d", "postgres"]
        command += ["-XAtq", "-1", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.split("\n")[:-1]


def server_program(name: str) -> str:
    """The path of one of PostgreSQL's server programs; "" where it is not installed."""
    listed = sorted(SERVERS.glob(f"*/bin/{name}"))
    return str(listed[-1]) if listed else shutil.which(name) or ""


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A server that listens on a socket in `folder` alone. It refuses to run as root, so root gives way."""
    data, way = folder / "data", ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if way:
        shutil.chown(folder, "postgres")
    _done([*way, server_program("initdb"), "-D", str(data), "-U", "shop", "-A", "trust", "--no-sync"])
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    control = [*way, server_program("pg_ctl"), "-D", str(data), "-w"]
    _done([*control, "-l", str(folder / "log"), "-o", options, "start"])
    try:
        yield Postgres(folder)
    finally:
        _done([*control, "-m", "immediate", "stop"])


def _done(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
