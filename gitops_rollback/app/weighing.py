"""Gathers what the costs of an alarm are made of: measured harm, the others, the journal, the policy, a person's word.

Source: detection.md 5.1, the table of inputs.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from gitops_rollback.app.outbreaks import Outbreak
from gitops_rollback.app.subject import Look
from gitops_rollback.core.costs import Inputs, Weighed, harm_of, likelihood_of, shared_cause
from gitops_rollback.core.decision import Decision
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.track_record import track_record
from gitops_rollback.core.trigger import Verdict

SHARE = "share"
POLICY = "the policy"
KNOWN_FIX_SUCCEEDS = 0.9
MINUTE = timedelta(minutes=1)
# By how much a tick of a counted trigger moves its log evidence, and how long after it fired it still does.
GAIN, GAINS_FOR = 2.0, 2 * MINUTE


class _Sheet:
    """Inputs by name, each with where it comes from; what is said later outranks what was said before."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.sources: dict[str, str] = {}

    def say(self, source: str, **values: float) -> None:
        self.values.update(values)
        self.sources.update(dict.fromkeys(values, source))


def weighed(
    look: Look, outbreak: Outbreak, records: Collection[RollbackRecord], fixed_by: datetime | None, now: datetime
) -> Weighed | None:
    """The costs of each way out of this alarm; None without a verdict. `fixed_by`: when a person promised a fix."""
    strongest = _strongest(look.raised)
    if not strongest:
        return None
    sheet, said = _Sheet(), dict(look.policy.costs)
    share = said.pop(SHARE, 1.0)
    _harm(sheet, look, outbreak, share)
    _evidence(sheet, strongest, look.policy.timing.interval, now)
    _others(sheet, look, outbreak)
    _history(sheet, look, records)
    sheet.say(POLICY, **said)
    promised = _promise(sheet, fixed_by, now)
    return Weighed.of(Inputs(**sheet.values), sheet.sources, look.policy.by_cost, promised)


def _strongest(raised: Decision) -> tuple[Verdict, ...]:
    """The verdicts of the severity that decides."""
    return tuple(one for one in raised.verdicts if one.severity is raised.severity)


def _harm(sheet: _Sheet, look: Look, outbreak: Outbreak, share: float) -> None:
    """The worst that a trigger says. Of an incident with one culprit each application's adds up."""
    harm, source = _harm_of(look.raised, look.policy, share)
    incident = outbreak.incident_of(look.name)
    together = incident.applications if incident is not None and incident.culprit is not None else ()
    others = [one.look for one in outbreak.alarms if one.look.name in together and one.look.name != look.name]
    more = sum(_harm_of(one.raised, one.policy, dict(one.policy.costs).get(SHARE, 1.0))[0] for one in others)
    source += f", and of {len(others)} other applications with the same commit" if others else ""
    sheet.say(source, harm=harm + more)


def _harm_of(raised: Decision, policy: Policy, share: float) -> tuple[float, str]:
    triggers = {trigger.name: trigger for trigger in policy.triggers}
    found = (harm_of(verdict, triggers.get(verdict.trigger), share) for verdict in _strongest(raised))
    return max(found, default=(0.0, "nothing fires"), key=lambda one: one[0])


def _evidence(sheet: _Sheet, strongest: Collection[Verdict], tick: timedelta, now: datetime) -> None:
    sheet.say("the policy's interval", tick_minutes=tick / MINUTE)
    counted = [one.measurement.log_evidence if one.measurement is not None else None for one in strongest]
    told = [likelihood_of(evidence) for evidence in counted if evidence is not None]
    if len(told) < len(counted):
        sheet.say("a convention for triggers that count no requests", likelihood=max(Inputs.likelihood, *told, 0.0))
        return
    sheet.say("measured: the evidence of the counts", likelihood=max(told))
    fired = min((one.state.fired_at for one in strongest if one.state.fired_at is not None), default=now)
    if now - fired < GAINS_FOR:
        sheet.say("what one more tick of counts may tell", gain=GAIN)


def _others(sheet: _Sheet, look: Look, outbreak: Outbreak) -> None:
    """Red ones that have not the suspect speak for a cause that is nobody's commit."""
    me = next((one for one in outbreak.observed if one.application == look.name), None)
    if me is None:
        return
    beside = [
        one
        for one in outbreak.observed
        if one.metric_source == me.metric_source and one is not me and one.suspects.isdisjoint(me.suspects)
    ]
    red, quiet = sum(one.red for one in beside), sum(one.quiet and not one.red for one in beside)
    if red or quiet:
        sheet.say(f"measured: {red} others red, {quiet} quiet", shared=shared_cause(red, quiet))


def _history(sheet: _Sheet, look: Look, records: Collection[RollbackRecord]) -> None:
    """The application's own times and habits, where there are any."""
    earlier = [one.revisions for one in look.records if one.started_at < look.event_started]
    known = track_record(look.name, earlier, records)
    if known.deployments:
        bad = f"the journal: {known.bad} of {known.deployments} deployments were taken back"
        sheet.say(bad, bad_syncs=known.bad_syncs)
    if known.ended:
        sheet.say(f"the journal: {known.failed} of {known.ended} did not help", rollback_fails=known.rollback_fails)
    if known.rollback_minutes is not None:
        median = f"the journal: the median of {len(known.minutes)}, from commit to healthy"
        sheet.say(median, rollback_minutes=known.rollback_minutes)


def _promise(sheet: _Sheet, fixed_by: datetime | None, now: datetime) -> bool:
    """A fix that is promised comes at its time, and is then deployed; once that has passed too, it is not believed."""
    deploy = timedelta(minutes=sheet.values.get("deploy_minutes", Inputs.deploy_minutes))
    if fixed_by is None or now >= fixed_by + deploy:
        return False
    left = min(deploy, fixed_by + deploy - now)
    source = f"a person: a fix by {fixed_by:%H:%M:%S} UTC"
    fix = max(fixed_by - now, timedelta(0))
    sheet.say(source, fix_minutes=fix / MINUTE, deploy_minutes=left / MINUTE, fix_succeeds=KNOWN_FIX_SUCCEEDS)
    return True
