"""How a rollback record reads: as a row, as lines for people, and as an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gitops_rollback.cli.main import NO, OK, REFUSED, WAITING
from gitops_rollback.cli.output import ago
from gitops_rollback.core.drill import SIGN, is_drill
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.rollback import HELD_UNTIL, HINDERED_AT, Phase, RollbackOutcome, RollbackRecord

_CODES = {
    RollbackOutcome.VERIFIED: OK,
    RollbackOutcome.UNVERIFIED: NO,
    RollbackOutcome.FAILED: NO,
    RollbackOutcome.SUPERSEDED: NO,
    RollbackOutcome.REFUSED: REFUSED,
    RollbackOutcome.HELD: REFUSED,
}
_STEPS = {
    **{name: name for name in ("deployed", "fired", "decided", "pushed", "synced", "verified")},
    HINDERED_AT: "hindered",
}


def exit_code(record: RollbackRecord) -> int | None:
    """0 verified, 1 unverified, failed or superseded, 4 refused or held, 7 waits for a person; None: it goes on."""
    if record.outcome is not None:
        return _CODES[record.outcome]
    return WAITING if record.phase is Phase.AWAITING_APPROVAL else None


def state_of(record: RollbackRecord) -> str:
    """Its outcome, or the phase it is in; of a drill's rollback that it is one."""
    return f"{f'{SIGN} ' if is_drill(record) else ''}{record.outcome.value if record.outcome else record.phase.value}"


def rollback_rows(
    records: Sequence[RollbackRecord], now: datetime, wide: bool
) -> tuple[tuple[str, ...], list[list[str]]]:
    """Headers and rows of a table, in the order given."""
    headers = ("id", "application", "state", "reason", "reverts", "decided", "by")
    rows = []
    for record in records:
        row = [record.id, ", ".join(record.applications), state_of(record), record.reason]
        row += [
            ", ".join(sha[:12] for sha in record.reverts),
            ago(record.times.get("decided"), now),
            record.requested_by,
        ]
        rows.append([*row, record.message] if wide else row)
    return ((*headers, "message") if wide else headers), rows


def lines_of(record: RollbackRecord, now: datetime) -> list[str]:
    """The whole record for people, without its evidence."""
    commit = record.commit
    lines = [
        f"{record.id}  {state_of(record)}  {record.reason}",
        f"  application   {', '.join(record.applications)}",
        f"  repository    {record.repository} ({record.engine})",
        f"  bad revision  {record.bad_revision}",
        f"  restores      {record.restores}",
        *(f"  reverts       {sha}" for sha in record.reverts),
        *([f"  commit        {commit}"] if commit else []),
        *([f"  pull request  {record.offer.url}"] if record.offer and record.offer.url else []),
        f"  policy        {record.policy}",
        f"  triggers      {', '.join(record.triggers)}",
        f"  requested by  {record.requested_by}",
    ]
    if record.message:
        lines.append(f"  {record.message}")
    return lines + time_lines(record, now)


def time_lines(record: RollbackRecord, now: datetime) -> list[str]:
    """Each known step with its time, as they came, and how long after the one before.

    The end of the engine's wait for the bad revision is no step but a bound: it is told unless it was over sooner.
    """
    times = sorted((at, _STEPS[name]) for name, at in record.times.items() if name in _STEPS)
    found, before = [], None
    for at, word in times:
        gap = ago(at, now) if before is None else f"{format_duration(at - before)} later"
        found.append((at, word, gap))
        before = at
    held, synced = record.times.get(HELD_UNTIL), record.times.get("synced")
    if held is not None and (synced is None or held <= synced):
        found.append((held, "held until", "at the latest"))
    return [f"  {word:<13} {at:%Y-%m-%dT%H:%M:%SZ}  {told}" for at, word, told in sorted(found)]


def guard_lines(record: RollbackRecord) -> list[str]:
    """Each guard's answer with its reason and remedy."""
    lines = []
    for guard in record.guards:
        words = [guard.get("message", ""), f"({guard['reason']})" if guard.get("reason") else ""]
        lines.append(
            f"  {guard.get('guard', ''):<20} {guard.get('result', ''):<14} {' '.join(filter(None, words))}".rstrip()
        )
        if guard.get("remedy"):
            lines.append(f"  {'':<20} {'':<14} do: {guard['remedy']}")
    return lines
