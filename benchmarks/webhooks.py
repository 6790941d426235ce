"""How many webhook deliveries are answered, and does the memory stay flat? Real sockets on loopback, real signatures.

`webhooks.py [--rate 200] [--seconds 60] [--burst 2000] [--forged 10000]`: a steady rate as a busy forge sends it, then
a burst within one second, then forged deliveries from another address while authentic ones go on. The server is a
process of its own; its memory and CPU time are read from outside. Exits with 1 if an authentic delivery was answered
otherwise than 202, a forged one otherwise than 401 or 429, or if the memory grew by more than 16 MiB after the first
tenth. Real time decides nothing: on a busy machine it only takes longer.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import sys
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter

from gitops_rollback.web.hooks import Door, Hooks, HookServer

SECRET, WRONG = "a-secret-of-the-benchmark", "a-guess"
PATH = "/hooks/github/load"
FORGE, STRANGER = "127.0.0.1", "127.0.0.2"  # two addresses of loopback
SENDERS = 32
MOST_WAITING = 4 * SENDERS
MOST_GROWTH_MIB = 16.0
LONGEST_SECONDS = 3600.0
AUTHENTIC_AMONG_FORGED = 20  # one in so many


def serve(ready: Connection) -> None:
    """The doors alone, until the pipe closes."""
    counted = Counter("deliveries", "x", ["kind", "name", "result"], registry=CollectorRegistry())
    hooks = Hooks(lambda: datetime.now(UTC), counted)
    hooks.open([Door("github", "load", (SECRET,))], lambda _hint: True)
    server = HookServer(("127.0.0.1", 0), hooks)
    server.start()
    ready.send(server.address)
    ready.poll(2 * LONGEST_SECONDS)
    server.stop()


def deliver(address: tuple[str, int], number: int, secret: str, source: str) -> tuple[str, str]:
    """One push event, unlike any other, from `source`; that, and the status or what became of the connection."""
    repository = {"clone_url": "https://git.example/shop/config.git"}
    body = json.dumps({"ref": "refs/heads/main", "after": f"{number:040x}", "repository": repository}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signature}"}
    link = http.client.HTTPConnection(*address, timeout=60, source_address=(source, 0))
    try:
        link.request("POST", PATH, body, headers)
        return source, str(link.getresponse().status)
    except OSError as error:
        return source, type(error).__name__
    finally:
        link.close()


def resident(process: int) -> float:
    """MiB of a process."""
    return int(Path(f"/proc/{process}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(process: int) -> float:
    """Of a process until now."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sent:
    """What was answered so far, by address, and the server's memory now and then."""

    def __init__(self, address: tuple[str, int], process: int) -> None:
        self.answers: Tally[tuple[str, str]] = Tally()
        self.memory: list[float] = []
        self._address = address
        self._process = process
        self._number = 0

    def send(self, count: int, rate: float, forged: bool = False) -> Tally[tuple[str, str]]:
        """`count` deliveries, at most `rate` a second; the answers to these."""
        begun, said, waiting = time.monotonic(), Tally[tuple[str, str]](), deque[Future[tuple[str, str]]]()
        with ThreadPoolExecutor(SENDERS) as pool:
            for number, (secret, source) in enumerate(_senders(count, forged)):
                time.sleep(max(0.0, begun + number / rate - time.monotonic()))
                waiting.append(pool.submit(deliver, self._address, self._number, secret, source))
                self._number += 1
                while len(waiting) > MOST_WAITING:
                    said[waiting.popleft().result()] += 1
                if number % max(1, count // 50) == 0:
                    self.memory.append(resident(self._process))
            for one in waiting:
                said[one.result()] += 1
        self.memory.append(resident(self._process))
        self.answers += said
        return said


def _senders(count: int, forged: bool) -> Iterator[tuple[str, str]]:
    """The secret and the address of each delivery."""
    for number in range(count):
        yield (WRONG, STRANGER) if forged and number % AUTHENTIC_AMONG_FORGED else (SECRET, FORGE)


def measure(sent: Sent, process: int, asked: argparse.Namespace) -> None:
    """All three parts, a line each."""
    steady = int(asked.rate * min(asked.seconds, LONGEST_SECONDS))
    for name, count, rate, forged in (
        (f"steady, {asked.rate:g} a second", steady, asked.rate, False),
        ("burst", asked.burst, float(max(1, asked.burst)), False),
        ("forged", asked.forged, float(max(1, asked.forged)), True),
    ):
        begun, used = time.monotonic(), cpu_seconds(process)
        said = {
            f"{source} {status}": number for (source, status), number in sorted(sent.send(count, rate, forged).items())
        }
        took, used = time.monotonic() - begun, cpu_seconds(process) - used
        each = f"{1000 * used / count:.2f} ms of the server's CPU each" if count else ""
        print(f"{name}: {count} in {took:.1f} s, {each}: {said}; {sent.memory[-1]:.1f} MiB", flush=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rate", type=float, default=200.0)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--burst", type=int, default=2000)
    options.add_argument("--forged", type=int, default=10_000)
    asked = options.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    process = server.pid or 0
    sent = Sent(ours.recv(), process)
    try:
        measure(sent, process, asked)
    finally:
        ours.send(None)
        server.join(10)
    first = sent.memory[len(sent.memory) // 10]
    grown = max(sent.memory[len(sent.memory) // 10 :]) - first
    print(f"memory: {sent.memory[0]:.1f} MiB at first; grown by {grown:.1f} MiB after the first tenth")
    wrong = [answer for answer in sent.answers if answer[1] not in (("202",) if answer[0] == FORGE else ("401", "429"))]
    if wrong:
        print(f"answered otherwise than it must be: {wrong}")
    return 1 if wrong or grown > MOST_GROWTH_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
