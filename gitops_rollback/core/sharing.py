"""Which of the living replicas is to act for which config repository? Each repository is always one replica's.

Rendezvous hashing: every replica weighs every pair of replica and repository alike, so all come to the same order
without a word, and a replica that comes or goes moves only what is its own.
Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998; safety.md, Ownership.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

INSTALLATION_DIGITS = 12


def preferred(repository: str, replicas: Collection[str]) -> tuple[str, ...]:
    """`replicas` in the order in which they are to have `repository`."""
    return tuple(sorted(set(replicas), key=lambda replica: (_weight(replica, repository), replica), reverse=True))


def seconds_to_stand_back(repository: str, identity: str, replicas: Collection[str], step: float) -> float:
    """How long `identity` leaves a free lease to those before it, `step` seconds for each; 0 for the first."""
    order = preferred(repository, {*replicas, identity})
    return step * order.index(identity)


def _weight(replica: str, repository: str) -> bytes:
    return hashlib.sha256(f"{len(replica)}:{replica}{repository}".encode()).digest()


@dataclass(frozen=True)
class Beat:
    """What a replica said last, and the monotonic second at which we first saw it say so."""

    word: str
    seen_at: float


def installation_of(repositories: Collection[str]) -> str:
    """Whose replicas share repositories out: all that look after the same ones, and nobody else in the namespace."""
    return hashlib.sha256("\n".join(sorted(set(repositories))).encode()).hexdigest()[:INSTALLATION_DIGITS]


def said_word(at: str, installation: str) -> str:
    """What a replica says of itself; an older version passes it on as it is."""
    return f"{at} {installation}"


def is_beside(beat: Beat, installation: str) -> bool:
    """Whoever said it is of our installation. An older version says no name, and may be ours."""
    return beat.word.partition(" ")[2] in ("", installation)


def hear(known: Mapping[str, Beat], said: Mapping[str, str], now: float) -> dict[str, Beat]:
    """All that `said` names: whoever says the same as before was heard then, whatever the clock of theirs says."""
    return {
        replica: known[replica] if replica in known and known[replica].word == word else Beat(word, now)
        for replica, word in said.items()
    }


def living(heard: Mapping[str, Beat], patience: float, now: float) -> frozenset[str]:
    """Those who said something new within `patience` seconds."""
    return frozenset(replica for replica, beat in heard.items() if now - beat.seen_at <= patience)
