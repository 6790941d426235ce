"""How does the infrastructure of a plan go back: who delivers it, how long may its run take, and what shows its end?

Part of a plan, and of the record of its rollback: whoever goes on after a crash watches the same runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from gitops_rollback.core.infrastructure import Piece, RunObject, Tool, pieces_of
from gitops_rollback.core.infrastructure import Sides as File
from gitops_rollback.core.paths import is_bystander
from gitops_rollback.core.policy import MODES, Delivery, Policy, Strategy
from gitops_rollback.core.strategies.migration import Read, Sides
from gitops_rollback.core.strategies.planning import INFRASTRUCTURE, first_rule
from gitops_rollback.core.strategies.stages import texts

PROVISION = "infrastructure"  # in `evidence` of a record: see `document`
UNWATCHED = "nothing shows whether its run is over, so it is never verified"
GONE = "gone"  # how an object of the plan is to end
RUN_ELSEWHERE = (Tool.TERRAFORM, Tool.CLOUDFORMATION)  # by a tool that is no part of the cluster, or by another object
MANIFESTS = (".yaml", ".yml", ".json")  # what is no infrastructure in these the engine applies and watches
MOST_RUNS = 50
MOST_SECONDS = timedelta(days=7).total_seconds()


@dataclass(frozen=True)
class Provision:
    """The infrastructure that a plan changes, and what the policy's rules say of it.

    `mode` "" and `sync_timeout` None leave both to the policy's `delivery`. `objects` and `statuses` show how the runs
    go; `by_revision`: files outside of these objects change, so what they ran must hold our commit. `unwatched` is what
    nothing shows the run of.
    """

    found: tuple[str, ...]
    rules: tuple[str, ...] = ()
    mode: str = ""
    sync_timeout: timedelta | None = None
    objects: tuple[RunObject, ...] = ()
    statuses: tuple[str, ...] = ()
    by_revision: bool = False
    unwatched: tuple[str, ...] = ()

    @property
    def watched(self) -> bool:
        """Something shows how the runs go."""
        return bool(self.objects or self.statuses)

    @property
    def words(self) -> tuple[str, ...]:
        """For people: a line each."""
        shown = [*(f"{one.words}" for one in self.objects), *(f"commit status {one}" for one in self.statuses)]
        how = [f"rule {', '.join(self.rules)}"] if self.rules else ["no rule of the policy is for it"]
        how += [f"by {self.mode}"] if self.mode else []
        how += [f"watched: {', '.join(shown)}"] if shown else []
        unseen = (f"{UNWATCHED}: {'; '.join(self.unwatched)}",) if self.unwatched else ()
        return (*self.found, "; ".join(how), *unseen)

    @property
    def document(self) -> dict[str, object]:
        """As it stands in the evidence of a record."""
        seconds = None if self.sync_timeout is None else self.sync_timeout.total_seconds()
        return {
            "found": list(self.found),
            "rules": list(self.rules),
            "mode": self.mode,
            "syncTimeoutSeconds": seconds,
            "objects": [
                [one.api_version, one.kind, one.namespace, one.name, GONE if one.gone else ""] for one in self.objects
            ],
            "statuses": list(self.statuses),
            "byRevision": self.by_revision,
            **({"unwatched": list(self.unwatched)} if self.unwatched else {}),
        }


def provision_of(files: Iterable[File], strategies: Sequence[Strategy]) -> Provision | None:
    """What of these files is infrastructure, and the rules that the policy has for it; None where nothing is."""
    known = {one.path: one for one in files}

    def read(path: str) -> Sides:
        return Sides(known[path].after, known[path].before)

    found: dict[Piece, None] = {}
    rules: dict[str, Strategy] = {}
    own: list[RunObject] = []
    unwatched: list[str] = []
    for file in known.values():
        listed = pieces_of(file)
        rule = _rule(strategies, file.path, read)
        if rule is not None:
            rules[rule.name] = rule
        if not _shows(rule):
            own += [one.object for one in listed if one.object is not None]
            unwatched += _unseen(file.path, listed, rule)
        found.update(dict.fromkeys(listed))
    if not found and not rules:
        return None
    named = Provision(tuple(one.words for one in found), tuple(rules), unwatched=tuple(unwatched[:MOST_RUNS]))
    return _ruled(named, tuple(found), tuple(rules.values()), own) if rules else named


def delivered(delivery: Delivery, provision: Provision | None) -> Delivery:
    """The policy's delivery for a plan with this: the more careful way of both, and the longer time-out."""
    if provision is None:
        return delivery
    mode = max(delivery.mode, provision.mode or delivery.mode, key=MODES.index)
    return replace(delivery, mode=mode, sync_timeout=max(delivery.sync_timeout, provision.sync_timeout or timedelta(0)))


def provided(policy: Policy, provision: Provision | None) -> Policy:
    """The policy as it holds for a plan with this."""
    return replace(policy, delivery=delivered(policy.delivery, provision))


def provision_in(evidence: Mapping[str, object]) -> Provision | None:
    """That of a record; None where it has none, or none that can be read: whoever may push may have written it."""
    found = evidence.get(PROVISION)
    if not isinstance(found, Mapping):
        return None
    try:
        return _read(found)
    except (KeyError, TypeError, ValueError):
        return None


def _rule(strategies: Sequence[Strategy], path: str, read: Read) -> Strategy | None:
    rule = first_rule(strategies, path, read)
    return rule if rule is not None and rule.type == INFRASTRUCTURE else None


def _shows(rule: Strategy | None) -> bool:
    """The rule names itself what shows the runs of its files."""
    told = rule.provisioning if rule is not None else None
    return told is not None and bool(told.objects or told.status)


def _unseen(path: str, listed: Sequence[Piece], rule: Strategy | None) -> list[str]:
    """What of a file a tool runs that no object of the cluster speaks for: code, and what a rule alone calls so."""
    if rule is not None and not listed and not is_bystander(path) and not path.endswith(MANIFESTS):
        return [path]
    return [one.words for one in listed if one.tool in RUN_ELSEWHERE]


def _ruled(named: Provision, found: Sequence[Piece], rules: Sequence[Strategy], own: Sequence[RunObject]) -> Provision:
    """Where a file's rule names nothing to watch, its `own` changed objects are watched."""
    told = [one.provisioning for one in rules if one.provisioning is not None]
    objects = [*(one for rule in told for one in rule.objects), *own]
    statuses = [rule.status for rule in told if rule.status]
    return replace(
        named,
        mode=max((rule.mode for rule in told if rule.mode), key=MODES.index, default=""),
        sync_timeout=max((rule.sync_timeout for rule in told if rule.sync_timeout), default=None),
        objects=tuple(dict.fromkeys(objects))[:MOST_RUNS],
        statuses=tuple(dict.fromkeys(statuses)),
        by_revision=any(one.tool in RUN_ELSEWHERE for one in found),
    )


def _read(found: Mapping[str, object]) -> Provision:
    mode, seconds = found["mode"], found["syncTimeoutSeconds"]
    if mode not in ("", *MODES) or not (seconds is None or isinstance(seconds, int | float)):
        raise ValueError("no infrastructure")
    return Provision(
        found=texts(found["found"]),
        rules=texts(found["rules"]),
        mode=str(mode),
        sync_timeout=None if seconds is None else timedelta(seconds=min(max(0.0, float(seconds)), MOST_SECONDS)),
        objects=tuple(_object(one) for one in _list(found["objects"])[:MOST_RUNS]),
        statuses=texts(found["statuses"]),
        by_revision=found["byRevision"] is True,
        unwatched=texts(found.get("unwatched", ())),
    )


def _object(found: object) -> RunObject:
    api_version, kind, namespace, name, end = texts(found)
    return RunObject(api_version, kind, namespace, name, end == GONE)


def _list(found: object) -> tuple[object, ...]:
    if not isinstance(found, list | tuple):
        raise TypeError("no list")
    return tuple(found)
