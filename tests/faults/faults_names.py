"""DNS says nothing, takes long, or says another address from one look-up to the next."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fault_world import FaultWorld
from live_world import MINUTE
from scene import Scene, scene

METRICS = "localhost"  # a scaled clock goes with no other name; what it resolves to is ours to say
METADATA = "169.254.169.254"
ROOT = Path(__file__).resolve().parents[2]

# What the controller's process asks in place of the system's resolver; it notes every look-up and every connection.
RESOLVER = '''\
"""The resolver and the eyes of a test: answers by `names.json`, and a line for each connection in `connected`."""
import itertools, json, os, socket, sys, time

FOLDER = os.path.dirname(os.path.abspath(__file__))
system, counts = socket.getaddrinfo, {}


def look_up(host, port, *more, **words):
    with open(os.path.join(FOLDER, "names.json")) as file:
        told = json.load(file).get(host)
    if told is None:
        return system(host, port, *more, **words)
    time.sleep(told["seconds"])
    number = next(counts.setdefault(host, itertools.count()))
    address = told["answers"][number % len(told["answers"])] if told["answers"] else ""
    if not address:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def note(event, words):
    if event == "socket.connect":
        with open(os.path.join(FOLDER, "connected"), "a") as file:
            file.write(f"{words[1]!r}\\n")


socket.getaddrinfo = look_up
sys.addaudithook(note)
'''


class Names:
    """What each name resolves to for the controller; several addresses are told in turn."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "resolver"
        self.folder.mkdir(parents=True)
        (self.folder / "sitecustomize.py").write_text(RESOLVER)
        self._told: dict[str, dict[str, Any]] = {}
        self.say(METRICS, "127.0.0.1")

    def say(self, name: str, *addresses: str, seconds: float = 0.0) -> None:
        """No address: there is no such name."""
        self._told[name] = {"answers": addresses, "seconds": seconds}
        fresh = self.folder / "names.new"
        fresh.write_text(json.dumps(self._told))
        fresh.replace(self.folder / "names.json")

    def connected(self) -> str:
        """Every address that a connection was tried to, one a line."""
        return (self.folder / "connected").read_text()

    @property
    def path(self) -> str:
        return os.pathsep.join((str(self.folder), str(ROOT)))


def names_lie(folder: Path, seed: int) -> tuple[str, ...]:
    """F42: without a name nothing is done; a slow one stops no tick; only an address that was checked is reached."""
    with scene(folder, seed, kind=FaultWorld, controller=False) as it:
        names = Names(folder)
        port = urlsplit(it.live.more_environment["PROMETHEUS_URL"]).port
        it.live.start_controller(PYTHONPATH=names.path, PROMETHEUS_URL=f"http://{METRICS}:{port}")
        it.live.fail()
        it.pending()
        _no_name_and_slow(it, names)
        names.say(METRICS, METADATA)
        it.live.links.prometheus.cut_open()
        it.until(lambda: it.explained("OriginNotAllowed"), "it says that the address is not allowed")
        it.nothing_for(MINUTE, "at an address that is not allowed")
        names.say(METRICS, "127.0.0.1", METADATA)
        for _ in range(8):
            it.live.links.prometheus.cut_open()
            it.live.let_pass(timedelta(seconds=it.dice.uniform(10, 25)))
        names.say(METRICS, "127.0.0.1")
        it.verified()
        it.check("127.0.0.1" in names.connected(), "the test sees no connection at all")
        it.check(METADATA not in names.connected(), "an address that was not checked was connected to")
    return tuple(it.broken)


def _no_name_and_slow(it: Scene, names: Names) -> None:
    faults: list[tuple[str, tuple[str, ...], float]] = [("no name", (), 0.0), ("a slow name", ("127.0.0.1",), 20.0)]
    it.dice.shuffle(faults)
    for said, addresses, seconds in faults:
        names.say(METRICS, *addresses, seconds=seconds)
        it.live.links.prometheus.cut_open()
        ticks = len(it.live.world.git.requests)
        it.nothing_for(1.5 * MINUTE, f"with {said}")
        it.check(len(it.live.world.git.requests) - ticks >= 2, f"no tick went on with {said}")
        it.check(it.live.probe("/healthz")[0] == 200, f"not alive with {said}")
        names.say(METRICS, "127.0.0.1")


FAULTS = {"F42": names_lie}
