"""What the pages of one application and of the policies say, as plain documents.

Source: product.md section 8, Application and Policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum

from gitops_rollback.app.board import Picture
from gitops_rollback.app.showing import Document, Past, Row, brief
from gitops_rollback.app.tick import Sight
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.message import for_people
from gitops_rollback.core.policy import Trigger
from gitops_rollback.core.trigger import Verdict

MOST_ENTRIES = 50
MOST_SOURCE_BYTES = 256 << 10


def application_document(picture: Picture, row: Row, past: Past) -> Document:
    """One application: how it is now, what would be done about it, and its past."""
    name, mine = row.name, picture.view.journal.records
    sight = next((one for one in (picture.tick.sights if picture.tick else ()) if one.watched.name == name), None)
    records = [one for one in past.records if name in one.applications and one.id in mine]
    entries = [one for one in picture.view.journal.decisions if one.application == name]
    look = sight.look if sight else None
    return {
        **row.document,
        "engine": row.watched.engine.instance,
        "policyPath": row.watched.policy.path,
        "triggers": [_trigger(one) for one in (look.case.verdicts if look else ())],
        "would": _would(row, sight),
        "syncs": [
            {"at": format_time(one.started_at), "revision": ", ".join(one.revisions), "by": one.initiated_by}
            for one in reversed(look.records if look else ())
        ][:MOST_ENTRIES],
        "rollbacks": [brief(one) for one in records[:MOST_ENTRIES]],
        "decisions": [
            {"at": format_time(one.at), "action": one.action, "reason": one.reason, "message": for_people(one.message)}
            for one in reversed(entries[-MOST_ENTRIES:])
        ],
    }


def _trigger(verdict: Verdict) -> Document:
    measured = verdict.measurement
    return {
        "trigger": verdict.trigger,
        "severity": verdict.severity.value,
        "phase": verdict.state.phase.value,
        "value": measured.value if measured else None,
        "threshold": verdict.threshold,
        "baseline": verdict.baseline.level.value,
        "message": for_people(verdict.message),
    }


def _would(row: Row, sight: Sight | None) -> Document:
    """What the newest look would lead to; a plan is made only once something raises an alarm."""
    look, proposal = (sight.look, sight.proposal) if sight else (None, None)
    plan = proposal.plan if proposal else None
    severities = {one.severity.value for one in row.watched.policy.triggers}
    automatic = "auto_rollback" in severities and not row.watched.policy.suspend
    return {
        "automatic": automatic,
        "delivery": row.watched.policy.delivery.mode,
        "action": look.raised.act.value if look else None,
        "message": for_people(look.raised.message) if look else "",
        "badRevision": look.bad_revision if look else "",
        "restores": plan.restores if plan else None,
        "guards": [
            {"guard": one.guard, "result": one.result.value, "message": for_people(one.message), "remedy": one.remedy}
            for one in (proposal.guards if proposal else ())
        ],
        "suspects": [
            {"commit": one.commit.sha, "subject": for_people(one.commit.subject), "evidence": list(one.evidence)}
            for one in (proposal.attribution.suspects if proposal else ())
        ],
    }


def policies_document(pictures: Mapping[str, Picture]) -> Document:
    """All policies and all files that are refused."""
    found: list[Document] = []
    for name, picture in pictures.items():
        faults = picture.view.policies.faults
        for policy in picture.view.policies.policies:
            mine = [one for one in faults if one.path == policy.path]
            found.append(
                {
                    "name": for_people(policy.name),
                    "repository": name,
                    "path": policy.path,
                    "targets": len(policy.targets),
                    "triggers": len(policy.triggers),
                    "automatic": sum(one.severity.value == "auto_rollback" for one in policy.triggers),
                    "suspended": policy.suspend,
                    "faults": len(mine),
                }
            )
        known = {policy.path for policy in picture.view.policies.policies}
        found += [
            {"name": for_people(path), "repository": name, "path": path, "refused": True}
            for path in sorted(picture.view.policies.broken - known)
        ]
    return {"policies": found}


def policy_document(picture: Picture, path: str) -> Document | None:
    """One policy file as it stands at the head, its marks, and what is in force with all defaults; None: no such."""
    policies = picture.view.policies
    policy = next((one for one in policies.policies if one.path == path), None)
    if policy is None and path not in policies.broken:
        return None
    faults = [one for one in policies.faults if one.path == path]
    return {
        "name": for_people(policy.name if policy else path),
        "repository": picture.name,
        "path": path,
        "source": _source(picture, path),
        "marks": [
            {
                "line": one.line,
                "col": one.col,
                "severity": one.severity,
                "message": for_people(one.message, 400),
                "fix": for_people(one.fix, 400),
            }
            for one in faults
        ],
        "effective": _plain(policy) if policy else None,
    }


def _source(picture: Picture, path: str) -> str:
    repo = picture.place.repo
    try:
        blob = repo.entry_id(picture.view.heads.branch, path)
        return repo.read(blob, MOST_SOURCE_BYTES).decode("utf-8", "replace") if blob is not None else ""
    except RollbackError:
        return ""


def _plain(value: object) -> object:
    """A policy's values by the keys of its file; durations as people write them, what is empty left out."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        found = {_key(value, one.name): _plain(getattr(value, one.name)) for one in fields(value)}
        return {key: one for key, one in found.items() if one not in ("", None, [], {})}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value


def _key(owner: object, name: str) -> str:
    first, *rest = name.split("_")
    return "for" if isinstance(owner, Trigger) and name == "hold_for" else first + "".join(map(str.title, rest))
