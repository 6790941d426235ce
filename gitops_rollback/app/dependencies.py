"""Who needs whom among the applications of a repository, by the policies' word and the engines'?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.subject import Look
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.cascade import short
from gitops_rollback.core.strategies.stages import Stages
from gitops_rollback.core.waves import needs_by_waves

Needs = Mapping[str, Collection[str]]  # of each application by full name: those that it needs itself
SHOWN_WITHIN = timedelta(minutes=30)  # what breaks by a rollback does so by then


def needs(listing: Listing, look: Look | None = None, engines: bool = False) -> Needs:
    """Whom each application needs. `engines`: by their word as well.

    What the policy in force of a `look` says counts beside the head's, so that no change can take it away.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for one in listing.watched:
        names[one.target.name].add(one.name)
    in_force = {one.application: one.depends_on for one in look.policy.targets} if look is not None else {}
    if look is not None:
        names[look.target.name].add(look.name)
    found: dict[str, set[str]] = defaultdict(set)
    for one in listing.watched:
        for needed in (*one.target.depends_on, *in_force.get(one.target.application, ())):
            found[one.name] |= names[needed] - {one.name}
    for name, needed in _by_engines(listing) if engines else ():
        found[name].add(needed)
    return {name: frozenset(others) for name, others in found.items() if others}


def _by_engines(listing: Listing) -> Iterator[tuple[str, str]]:
    yield from ((fed.name, str(needed)) for fed in listing.fed for needed in fed.state.needs)
    yield from needs_by_waves(fed.state for fed in listing.fed)


def reached(name: str, known: Needs) -> frozenset[str]:
    """All that an application needs, itself or by way of others."""
    found, waiting = set[str](), [name]
    while waiting:
        new = set(known.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return frozenset(found)


def dependants_of(changed: Collection[str], listing: Listing) -> frozenset[str]:
    """Those that a policy says need what a rollback has changed: they may turn bad by it."""
    known = needs(listing)
    return frozenset(name for name in known if reached(name, known) & set(changed))


def broken_by(look: Look, listing: Listing, records: Iterable[RollbackRecord]) -> RollbackRecord | None:
    """The rollback of what this one needs, after which it went bad, and not after a sync of its own."""
    onset = look.raised.onset
    needed = reached(look.name, needs(listing, look, engines=True)) if onset is not None else frozenset()
    for record in records if needed else ():
        pushed = record.times.get("pushed")
        if onset is None or pushed is None or record.commit is None:
            continue
        if not look.event_started < pushed <= onset <= pushed + SHOWN_WITHIN:
            continue
        changed = changed_by(record, listing)
        if needed & changed and look.name not in changed:
            return record
    return None


def built_on(record: RollbackRecord, stages: Stages, listing: Listing, later: Iterable[Commit]) -> str:
    """Who has changed by one of these commits and needs what goes back, so that it would break; "" for nobody."""
    going, known = {*record.applications, *stages.carried}, needs(listing, engines=True)
    for commit in later:
        for one in listing.fed:
            needed = sorted(reached(one.name, known) & going)
            if needed and one.own.of(commit.paths):
                return f"{short(one.name)} has changed with {commit.sha[:12]} since, and needs {short(needed[0])}"
    return ""


def changed_by(record: RollbackRecord, listing: Listing) -> frozenset[str]:
    """The applications that its commits are about, or change beside those. Only for one that has a commit."""
    commit = str(record.commit)
    paths = {path for step in record.steps for path in step.blobs}
    touched = (fed.name for fed in listing.fed if fed.touches(paths, commit))
    return frozenset((*record.applications, *touched))
