"""How many webhook deliveries are answered, and does the memory stay flat? Real sockets on loopback, real signatures.

`webhooks.py [--rate 200] [--seconds 60] [--burst 2000]`: a steady rate as a forge sends it, then a burst within one
second. The server is a process of its own; its memory is read from outside. Exits with 1 if a delivery was answered
otherwise than 202, or if the memory grew by more than 16 MiB after the first tenth.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import multiprocessing
import sys
import time
from collections import Counter as Tally
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter

from gitops_rollback.web.hooks import Door, Hooks, HookServer

SECRET = "a-secret-of-the-benchmark"
PATH = "/hooks/github/load"
SENDERS = 32
MOST_GROWTH_MIB = 16.0
LONGEST_SECONDS = 900.0


def serve(ready: Connection) -> None:
    """The doors alone, until the pipe closes."""
    counted = Counter("deliveries", "x", ["kind", "name", "result"], registry=CollectorRegistry())
    hooks = Hooks(lambda: datetime.now(UTC), counted)
    hooks.open([Door("github", "load", (SECRET,))], lambda _hint: True)
    server = HookServer(("127.0.0.1", 0), hooks)
    server.start()
    ready.send(server.address)
    ready.poll(LONGEST_SECONDS)
    server.stop()


def deliver(address: tuple[str, int], number: int) -> str:
    """One push event, unlike any other; the status, or what became of the connection."""
    repository = {"clone_url": "https://git.example/shop/config.git"}
    body = json.dumps({"ref": "refs/heads/main", "after": f"{number:040x}", "repository": repository}).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signature}"}
    link = http.client.HTTPConnection(*address, timeout=30)
    try:
        link.request("POST", PATH, body, headers)
        return str(link.getresponse().status)
    except OSError as error:
        return type(error).__name__
    finally:
        link.close()


def resident(process: int) -> float:
    """MiB of a process."""
    return int(Path(f"/proc/{process}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def send(address: tuple[str, int], first: int, count: int, rate: float, process: int) -> tuple[Tally[str], list[float]]:
    """`count` deliveries at `rate` a second; the answers, and the server's memory now and then."""
    begun, memory = time.monotonic(), list[float]()
    with ThreadPoolExecutor(SENDERS) as pool:
        waiting = []
        for number in range(first, first + count):
            time.sleep(max(0.0, begun + (number - first) / rate - time.monotonic()))
            waiting.append(pool.submit(deliver, address, number))
            if number % max(1, count // 50) == 0:
                memory.append(resident(process))
        answers = Tally(one.result() for one in waiting)
    memory.append(resident(process))
    return answers, memory


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rate", type=float, default=200.0)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--burst", type=int, default=2000)
    asked = options.parse_args()
    steady = int(asked.rate * min(asked.seconds, LONGEST_SECONDS / 2))
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    address = ours.recv()
    try:
        begun = time.monotonic()
        answers, memory = send(address, 0, steady, asked.rate, server.pid or 0)
        print(f"steady: {steady} at {asked.rate:g}/s took {time.monotonic() - begun:.1f}s: {dict(answers)}")
        begun = time.monotonic()
        burst, after = send(address, steady, asked.burst, float(asked.burst), server.pid or 0)
        print(f"burst: {asked.burst} took {time.monotonic() - begun:.1f}s: {dict(burst)}")
    finally:
        ours.send(None)
        server.join(10)
    grown = max(memory[len(memory) // 10 :] + after) - memory[len(memory) // 10]
    print(f"memory: {memory[0]:.1f} MiB at first, {after[-1]:.1f} MiB at last; grown by {grown:.1f} MiB after a tenth")
    return 0 if set(answers + burst) == {"202"} and grown <= MOST_GROWTH_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
