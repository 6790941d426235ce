"""One request as it came over a connection: HTTP as far as a proxy must understand it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import BinaryIO

METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS")


@dataclass(frozen=True)
class Exchange:
    """What came from the client. `method` and `path` are "" where it is no HTTP; `at` is monotonic."""

    method: str = ""
    path: str = ""
    head: bytes = b""
    body: bytes = b""
    at: float = field(default_factory=time.monotonic)


def read_request(source: BinaryIO) -> Exchange | None:
    """The next HTTP request as it came, with its whole body; None at the end of the connection."""
    head, length, chunked = source.readline(), 0, False
    if not head:
        return None
    method, path = [*head.split(b" "), b""][:2]
    while (line := source.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
        chunked = chunked or (name.lower() == b"transfer-encoding" and b"chunked" in value.lower())
        head += b"" if name.lower() == b"expect" else line
    body = read_chunks(source) if chunked else source.read(length)
    return Exchange(method.decode("latin-1"), path.decode("latin-1"), head + b"\r\n", body)


def read_chunks(source: BinaryIO) -> bytes:
    """A chunked body, still in its chunks."""
    body = b""
    while (line := source.readline()) and (size := int(line.split(b";")[0], 16)):
        body += line + source.read(size) + source.readline()
    return body + line + source.readline()
