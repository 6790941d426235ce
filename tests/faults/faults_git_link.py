"""Faults on the way to the git remote: lost replies, errors, silence, drips, and doors that close (F1-F4, F9, F10)."""

from __future__ import annotations

import shutil
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import trustme
from fault_world import UNHURRIED, FaultWorld, fault_world, history_faults
from live_world import MAIN, MINUTE
from machine import lacks
from proxy import (
    Condition,
    Exchange,
    Fault,
    Verb,
    asks_for,
    black_hole,
    cut_before_reply,
    drop_after,
    pushes_to,
    silent_reply,
    slow,
    status,
)
from ssh_server import SSHD, ssh_key, ssh_server

from gitops_rollback.sandbox.git_server import GitServer

SLOW_WORLD = 10.0  # git needs half a real minute to see that nothing comes: the world must not run away meanwhile
GIT_PATIENCE_SECONDS = 75.0  # one deadline of a git command, and some
READS, WRITES = "git-upload-pack", "git-receive-pack"
UNAVAILABLE, REJECTED, UNTRUSTED = "RepositoryUnavailable", "CredentialsRejected", "not the one that we trust"


def since(world: FaultWorld, moment: float) -> list[Exchange]:
    """What the controller asked of git after a moment."""
    return [one for one in world.links.git.seen if one.at >= moment]


def after_push(world: FaultWorld, fault: Fault) -> list[Exchange]:
    """What came after the push that was struck, without that one itself: curl sends it again over a new connection."""
    seen = list(world.links.git.seen)
    pushed = next(index for index, one in enumerate(seen) if fault.when(one))
    return [one for one in seen[pushed + 1 :] if one.body != seen[pushed].body]


def read_after(world: FaultWorld, fault: Fault) -> list[str]:
    """After a push without success the next word with the remote is a read."""
    following = after_push(world, fault)[:1]
    if following and READS in following[0].path:
        return []
    return [f"after the push without an answer came {[(one.method, one.path) for one in following]}"]


def said(world: FaultWorld, words: str) -> bool:
    """The controller's log has this."""
    return any(line.get("msg") == words for line in world.logged())


def verified(world: FaultWorld) -> list[str]:
    """The story ends well, with one commit."""
    world.until_verified()
    return list(history_faults(world))


# F1

LOST = (cut_before_reply(), drop_after(60), status(502, after=True))


def reply_lost(folder: Path, seed: int) -> list[str]:
    """F1: the ref moved and nobody says so: found by reading again, no second commit."""
    with fault_world(folder, speed=UNHURRIED) as world:
        fault = world.links.git.strike(LOST[seed % len(LOST)], pushes_to(MAIN), times=1)
        world.fail()
        broken = verified(world)
        if fault.struck != 1:
            return [*broken, "the fault did not strike"]
        pushes = {one.body for one in world.links.git.seen if pushes_to(MAIN)(one)}  # curl may send one again itself
        broken += [f"the branch was pushed {len(pushes)} times"] if len(pushes) != 1 else []
        return broken + read_after(world, fault)


# F2

CODES = (503, 429, 500, 502)
RETRY_AFTER_SECONDS = 6
LONGEST_OUTAGE_TRIES = 14


def server_errors(folder: Path, seed: int) -> list[str]:
    """F2: refused for long: it waits longer and longer, as long as it is told to, and then tells a person."""
    code = CODES[seed % len(CODES)]
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if code in (429, 503) else {}
    with fault_world(folder, speed=UNHURRIED) as world:
        world.fail()
        world.until(world.deployed, "the controller has seen the bad release")
        world.links.git.strike(status(code, headers))
        began = time.monotonic()
        world.until(lambda: bool(world.pages(UNAVAILABLE)), "a person is paged")
        broken = list(history_faults(world, reverts=0, settled=False))
        tries = [one.at for one in since(world, began)]
        if len(tries) > LONGEST_OUTAGE_TRIES:
            broken.append(f"{len(tries)} requests until a person was told")
        gaps = [later - earlier for earlier, later in pairwise(tries)]
        early = [gap for gap in gaps if 0.5 < gap < RETRY_AFTER_SECONDS - 0.5]
        if headers and early:
            broken.append(f"told to wait {RETRY_AFTER_SECONDS} s, it came after {early}")
        world.heal()
        return broken + verified(world)


# F3, F4


def struck_push(folder: Path, verb: Verb, when: Condition) -> list[str]:
    """One exchange of the push is struck; git gives up by its limits, the remote is read, and the story ends well."""
    with fault_world(folder, speed=SLOW_WORLD) as world:
        fault = world.links.git.strike(verb, when, times=1)
        world.fail()
        world.until(lambda: fault.struck == 1, "the push is struck")
        world.until(lambda: _read_since(world, fault), "the remote is read again", GIT_PATIENCE_SECONDS)
        broken = [f"left running: {line}" for line in processes(world, "push")]
        broken += read_after(world, fault) + verified(world)
        broken += [] if world.stop_controller() == 0 else ["the controller did not end well"]
        return broken + [f"left running: {line}" for line in processes(world)]


def struck_reading(folder: Path, verb: Verb, when: Condition) -> list[str]:
    """The remote cannot be read for a while; the controller lives, and goes on once it can."""
    with fault_world(folder, speed=SLOW_WORLD) as world:
        world.fail()
        world.until(world.deployed, "the controller has seen the bad release")
        fault = world.links.git.strike(verb, when, open_too=True)
        world.until(lambda: fault.struck >= 1, "the reading is struck")
        world.until(lambda: said(world, "a tick failed"), "the tick ends by itself", GIT_PATIENCE_SECONDS)
        broken = list(history_faults(world, reverts=0, settled=False))
        broken += [] if world.probe("/healthz")[0] == 200 else ["it is not alive by its own word"]
        broken += [] if world.probe("/readyz")[0] == 503 else ["it is ready by its own word"]
        world.heal()
        return broken + verified(world)


def _read_since(world: FaultWorld, fault: Fault) -> bool:
    return any(READS in one.path for one in after_push(world, fault))


def processes(world: FaultWorld, word: str = "") -> list[str]:
    """Command lines of git processes on the controller's clone, those with this word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue  # it has just ended
        mine = any(str(world.folder / "state") in one or f":{world.links.git.port}/" in one for one in words)
        if mine and words[0].endswith("git") and (not word or word in words):
            found.append(" ".join(words))
    return found


SILENCES = (
    partial(struck_push, verb=black_hole(), when=pushes_to(MAIN)),
    partial(struck_push, verb=silent_reply(), when=pushes_to(MAIN)),
    partial(struck_reading, verb=black_hole(), when=lambda _one: True),
)
DRIPS = (
    partial(struck_push, verb=slow(), when=pushes_to(MAIN)),
    partial(struck_reading, verb=slow(), when=asks_for(READS)),
)


def silence(folder: Path, seed: int) -> list[str]:
    """F3: the server takes the connection and says nothing."""
    return SILENCES[seed % len(SILENCES)](folder)


def dripping(folder: Path, seed: int) -> list[str]:
    """F4: one byte a second."""
    return DRIPS[seed % len(DRIPS)](folder)


# F9

LOOKS = 2 * 24 + 8  # a tick is 15 s, and a look needs two requests
USER, FIRST, SECOND = "deployer", "first-token-of-an-hour", "second-token-of-an-hour"


def locked_door(world: FaultWorld, token_file: Path) -> None:
    """The git server wants a name and a token, and the controller reads the token from a file."""
    world.world.git.user, world.world.git.password = USER, FIRST
    token_file.write_text(FIRST)
    world.more_environment |= {
        "GITOPS_ROLLBACK_GIT_USERNAME": USER,
        "GITOPS_ROLLBACK_GIT_TOKEN_FILE": str(token_file),
    }


def expired(world: FaultWorld, token_file: Path) -> list[str]:
    """Then somebody puts the next token where it belongs: it is used without a restart."""
    world.world.git.password = SECOND
    broken = paged_and_quiet(world, REJECTED)
    token_file.write_text(SECOND)
    return broken


def rotated(world: FaultWorld, token_file: Path) -> list[str]:
    """The next token is there while the old one still counts: nobody is disturbed."""
    world.world.git.user = ""  # takes anybody, and so both of them
    token_file.write_text(SECOND)
    world.until(lambda: said(world, "reloaded the settings"), "it is read")
    world.world.git.user, world.world.git.password = USER, SECOND
    world.let_pass(MINUTE)
    return [f"a page for nothing: {line}" for line in world.pages()]


def read_only(world: FaultWorld, _token_file: Path) -> list[str]:
    """The token may read still, and write no more."""
    world.world.git.read_only = True
    broken = paged_and_quiet(world, REJECTED)
    world.world.git.read_only = False
    return broken


def paged_and_quiet(world: FaultWorld, reason: str) -> list[str]:
    """A person is told once, and the remote is not asked in a loop."""
    world.until(lambda: bool(world.pages(reason)), "a person is paged")
    began, pages = time.monotonic(), len(world.pages(reason))
    world.let_pass(6 * MINUTE)
    broken = list(history_faults(world, reverts=0, settled=False))
    asked = Counter(READS if READS in one.path else WRITES for one in since(world, began))
    if asked[READS] > LOOKS or asked[WRITES] > LONGEST_OUTAGE_TRIES:
        broken.append(f"{asked} requests in six minutes with a door that stays shut")
    if (more := len(world.pages(reason)) - pages) > 0:
        broken.append(f"{more} more pages of the same")
    return broken


TURNS: tuple[Callable[[FaultWorld, Path], list[str]], ...] = (expired, rotated, read_only)


def credentials(folder: Path, seed: int) -> list[str]:
    """F9: the token ends in the middle, is renewed in time, or may only read."""
    token_file = folder / "token"
    with fault_world(folder, speed=UNHURRIED, prepare=lambda world: locked_door(world, token_file)) as world:
        world.fail()
        world.until(world.deployed, "the controller has seen the bad release")
        broken = TURNS[seed % len(TURNS)](world, token_file) + verified(world)
        return broken + [f"a token stands in the log: {one}" for one in (FIRST, SECOND) if one in world.log.read_text()]


# F10

SSH_SPEED = 15.0  # each word over SSH begins with a handshake


@contextmanager
def over_tls(folder: Path) -> Iterator[tuple[GitServer, Callable[[trustme.LeafCert], None], trustme.CA]]:
    """The world's repositories over TLS; the server shows whatever certificate it was given last."""
    ours, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    ours.cert_pem.write_to_path(str(folder / "ca.pem"))
    server = GitServer(folder / "world", tls=context).start()
    try:
        yield server, lambda certificate: certificate.configure_cert(context), ours
    finally:
        server.stop()


def certificate(folder: Path, bad: Callable[[trustme.CA], trustme.LeafCert]) -> list[str]:
    """The server shows a certificate that is not to be trusted, and later a good one again."""
    with over_tls(folder) as (server, show, ours):

        def prepare(world: FaultWorld) -> None:
            world.git_door = world.world.url.replace(world.world.git.url, server.url)
            world.more_environment["GITOPS_ROLLBACK_GIT_CA_FILE"] = str(folder / "ca.pem")

        with fault_world(folder, speed=UNHURRIED, prepare=prepare) as world:
            world.fail()
            world.until(world.deployed, "the controller has seen the bad release")
            show(bad(ours))
            broken = distrusted(world)
            show(ours.issue_cert("127.0.0.1"))
            return broken + verified(world)


def host_key(folder: Path) -> list[str]:
    """The SSH server shows another host key, and later the known one again."""
    if SSHD is None:
        lacks("sshd is not installed")
    with ssh_server(folder / "ssh") as server:
        known = Path(shutil.copy(server.folder / "host", server.folder / "known"))

        def prepare(world: FaultWorld) -> None:
            world.git_door = server.url(world.world.bare)
            world.more_environment |= {
                "GITOPS_ROLLBACK_SSH_KEY_FILE": str(server.user_key),
                "GITOPS_ROLLBACK_SSH_KNOWN_HOSTS_FILE": str(server.known_hosts),
            }

        with fault_world(folder, controller=False, prepare=prepare, speed=SSH_SPEED) as world:
            server.trust(server.folder / "host", world.links.git.port)
            world.start_controller()
            world.fail()
            world.until(world.deployed, "the controller has seen the bad release")
            server.show(ssh_key(server.folder / "other"))
            broken = distrusted(world)
            server.show(known)
            return broken + verified(world)


def distrusted(world: FaultWorld) -> list[str]:
    """A person is told that this is not the server that we trust; nothing is sent to it."""
    world.until(lambda: any(UNTRUSTED in str(line) for line in world.pages()), "a person is paged")
    world.let_pass(2 * MINUTE)
    return list(history_faults(world, reverts=0, settled=False))


def _expired(ours: trustme.CA) -> trustme.LeafCert:
    return ours.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))


STRANGERS: tuple[Callable[[Path], list[str]], ...] = (
    partial(certificate, bad=_expired),
    host_key,
    partial(certificate, bad=lambda _ours: trustme.CA().issue_cert("127.0.0.1")),
)


def stranger(folder: Path, seed: int) -> list[str]:
    """F10: the certificate or the host key is another one."""
    return STRANGERS[seed % len(STRANGERS)](folder)


FAULTS: Mapping[str, Callable[[Path, int], list[str]]] = {
    "F1": reply_lost,
    "F2": server_errors,
    "F3": silence,
    "F4": dripping,
    "F9": credentials,
    "F10": stranger,
}
