"""Would a rollback work now? Each part that one needs is tried, in the order in which it would be needed.

What fails says what a person can do. Only `try_push` writes: one empty commit to the journal. Nothing else proves that
branch rules and hooks let the controller push; a dry run passes where a hook refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.adapters.packages import metric_providers
from gitops_rollback.app.circumstances import Surroundings
from gitops_rollback.app.owners import owners_at
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.repositories import Opened
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_engines import NAME_ONE, NO_ENGINE, NONE_INSTALLED
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.trying_places import Wanted, checked, places_of
from gitops_rollback.app.view import View
from gitops_rollback.app.wiring import Parts, Sources
from gitops_rollback.app.wiring_alerts import Alertmanagers
from gitops_rollback.app.wiring_kubernetes import Election, events_of
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.heartbeat import Outcome as BeatOutcome
from gitops_rollback.core.heartbeat import Rhythm, is_automatic, newest_beat
from gitops_rollback.core.measurement import Outcome
from gitops_rollback.core.policy import MetricSettings, Policy
from gitops_rollback.core.pull_request import BranchRules, ForgeFacts, MergeMethod
from gitops_rollback.core.stop import stopped
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.ports import Advising, Demanding, Engine, Forge, Installable, PushOutcome, RefUpdate

ANSWERS = "vector(1)"  # which every metric store answers, whatever it holds
OTHERS_ANSWER = {  # likewise: no series is an answer
    "datadog": "avg:datadog.agent.running{*}",
    "cloudwatch": 'SELECT MAX(CallCount) FROM SCHEMA("AWS/Usage", Service)',
}
WITHOUT_METRICS = {"health", "crashLoop", "event", "alert", "engine", "http", "kubernetes"}  # triggers and checks
REMEDIES = {
    PushOutcome.PROTECTED: "let the controller's account push there, past the rule that refused",
    PushOutcome.REJECTED: "somebody pushed at the same moment: run this again",
    PushOutcome.LOCKED: "the server keeps the ref locked: see there",
    PushOutcome.UNKNOWN: "the remote did not say whether it landed: run this again",
    PushOutcome.REWOUND: "the ref was moved back meanwhile: see there",
}


@dataclass(frozen=True)
class Finding:
    """One part. `remedy`: what a person can do about it, "" where it is well. Advice is `well`, and says more.

    `checked` False: nothing is known of it, and the message says why.
    """

    part: str
    well: bool
    message: str
    remedy: str = ""
    checked: bool = True


def of_repository(opened: Opened, reconciler: Reconciler, parts: Parts) -> Iterator[Finding]:
    """Git, policies, journal, what is watched or stopped, and the metrics that it asks for.

    Engines that do not answer are told by themselves.
    """
    name, now = opened.repo.name, parts.clock.now()
    try:
        view = reconciler.viewer.look()
    except RollbackError as error:
        yield Finding(f"repository {name}", False, error.message, "mend the address, the credentials or the network")
        return
    yield Finding(f"repository {name}", True, f"{opened.repo.branch} is at {view.heads.branch[:12]}")
    yield _policies(name, view, opened.settings.policies_path)
    yield _journal(name, view)
    yield from of_heartbeat(name, view, parts.settings.heartbeat.rhythm, now)
    yield from _rendering(opened, view.heads.branch)
    listing = reconciler.directory.look(view, now)
    for watched in listing.watched:
        yield _watched(watched, reconciler.surroundings, view, now)
        yield from of_obstacles(watched.state, opened.settings.signing_key_file is not None)
    for problem in listing.problems:
        unseen = not parts.engines and problem.reason is Reason.ENGINE_UNCLEAR  # that there is none is said by itself
        if not unseen and problem not in listing.silent:  # an engine says for itself what is wrong
            yield Finding(problem.subject, False, f"{problem.reason.value}: {problem.message}", "see its policy")
    yield from _of_events(parts, [watched.name for watched in listing.watched])
    yield from _of_places(parts.settings, places_of(parts.settings, view.policies.policies), own=False)
    wanted = [one.metrics for one in view.policies.policies if is_measured(one)]
    if wanted or not view.policies.policies or parts.settings.metrics:
        yield from of_metrics(parts.sources, wanted or [MetricSettings()], now)
    else:
        remedy = "set PROMETHEUS_URL before you add one that does"
        yield Finding("metrics", True, "not asked: no trigger and no check needs a metric store", remedy, checked=False)


def _of_events(parts: Parts, watched: Iterable[str]) -> Iterator[Finding]:
    """Whether something could be said on the applications' own objects; nothing where that is off."""
    channel = events_of(parts.settings, parts.kubernetes, parts.clock)
    for complaint in channel.missing_rights(watched) if channel is not None else ():
        remedy = "grant it, as deploy/components/events/rbac.yaml does, or set `kubernetes: {events: false}`"
        yield Finding("Kubernetes Events", False, complaint, remedy)


def of_places(settings: Settings) -> Iterator[Finding]:
    """The settings' own places that are told of everything."""
    return _of_places(settings, places_of(settings, ()), own=True)


def _of_places(settings: Settings, places: Iterable[Wanted], own: bool) -> Iterator[Finding]:
    """Whether a message would arrive, as far as that can be asked; nothing is sent."""
    for tried in checked(settings, [place for place in places if place.own is own]):
        remedy = "" if tried.well else f"mend what `gitops-rollback notify-test` says of {tried.by}"
        message = tried.said if tried.asked else f"{tried.said}: gitops-rollback notify-test"
        yield Finding(f"telling {tried.place}", tried.well, message, remedy)


def _watched(watched: Watched, surroundings: Surroundings, view: View, now: datetime) -> Finding:
    part = watched.id.short
    stop = stopped(watched.name, now, surroundings.settings_pause(), *view.pauses, (watched.target.name,))
    if stop is not None:
        return Finding(part, False, stop.message, f"gitops-rollback resume {part}, or --all")
    return Finding(part, True, f"is watched by {watched.policy.path}")


def of_obstacles(state: ApplicationState, signs: bool) -> Iterator[Finding]:
    """What keeps a revert from being applied to it now. `signs`: our commits bear a signature."""
    for one in state.obstacles:
        signed = one.reason is Reason.SIGNED_COMMITS_ONLY and signs
        well = signed or one.reason is Reason.IMAGE_AUTOMATION  # which asks a person, and stops nothing
        remedy = "see that it trusts our key" if signed else one.remedy
        yield Finding(state.id.short, well, one.message, remedy)


def _rendering(opened: Opened, head: str) -> Iterator[Finding]:
    """Each command that makes generated files, run on the head as it is."""
    part = f"render of {opened.repo.name}"
    remedy = "install that version of the tool here that made what is committed, or commit what it makes"
    try:
        tried = opened.repo.rendering(head)
    except RollbackError as error:
        yield Finding(part, False, error.message, "mend the network, or the disk")
        return
    for command, fault in tried:
        well = f"`{command}` makes what is committed in {head[:12]}"
        yield Finding(part, not fault, fault or well, remedy if fault else "")


def _policies(name: str, view: View, folder: str) -> Finding:
    part, found = f"policies of {name}", view.policies
    if found.errors:
        return Finding(part, False, str(found.errors[0]), f"mend what `gitops-rollback lint` says of {folder}")
    if not found.policies:
        return Finding(part, False, "there are none", f"put one into {folder}; README.md shows one to start from")
    return Finding(part, True, f"{len(found.policies)} loaded")


def _journal(name: str, view: View) -> Finding:
    part, found = f"journal of {name}", view.journal
    trouble = found.trouble or next(iter(found.damaged), "")
    if trouble:
        return Finding(part, False, trouble, "restore the journal's branch")
    number = len(found.records)
    records = "1 rollback of late" if number == 1 else f"{number} rollbacks of late"
    return Finding(part, True, records if found.head else "not there yet: the first decision makes it")


def of_heartbeat(name: str, view: View, rhythm: Rhythm, now: datetime) -> Iterator[Finding]:
    """The newest proof that a commit of ours lands, and reaches the engine; nothing where nothing is automatic."""
    part, beat = f"heartbeat of {name}", newest_beat(view.journal.decisions)
    again = "gitops-rollback heartbeat"
    if beat is None:
        if any(is_automatic(policy) for policy in view.policies.policies):
            yield Finding(part, True, f"there was none in the last month; try one: {again}")
        return
    age = f"{format_duration(now - beat.begun)} ago"
    if beat.outcome is BeatOutcome.SEEN:
        late = bool(rhythm.overdue(view.journal.decisions, now))
        yield Finding(part, not late, f"{beat.words}, {age}", f"it is overdue: {again}" if late else "")
    elif beat.open:
        yield Finding(part, True, f"is under way, begun {age}: {beat.words}")
    else:
        yield Finding(part, False, f"{beat.reason.value}, {age}: {beat.words}", f"mend what it says, then {again}")


def of_lease(election: Election | None, repository: str) -> Iterator[Finding]:
    """Whether a replica may lead for the repository; nothing where the settings want no Lease."""
    if election is None:
        return
    part, missing = f"lease of {repository}", election.missing_rights(repository)
    for complaint in missing:
        yield Finding(part, False, complaint, "grant it (gitops-rollback doctor --rbac), or set leaderElection off")
    if not missing:
        yield Finding(part, True, f"may be held in the namespace {election.client.namespace}")


def of_forge(forge: Forge | None, name: str, branch: str, signs: bool = False) -> Iterator[Finding]:
    """Who we are at the repository's forge, what is missing there, and what the branch's rules do to a rollback.

    `branch` "" is one that could not be found out. `signs`: our commits bear a signature.
    """
    if forge is None:
        return
    part = f"forge of {name}"
    try:
        facts, rules = forge.facts(), forge.rules(branch) if branch else BranchRules()
    except RollbackError as error:
        yield Finding(part, False, error.message, "see `forge` of this repository in the settings, and its token")
        return
    for sentence in facts.trouble:
        yield Finding(part, False, sentence, "docs/how-to/forges.md says what the account needs there")
    if not facts.trouble:
        known = f"{facts.kind} {facts.version}".strip()
        yield Finding(part, True, f"{known} knows us as {facts.login}, who may {facts.permission.value}")
    yield from _branch_rules(f"rules of {branch} of {name}", rules)
    yield from _rules_of_commits(f"rules of {branch} of {name}", rules, facts, signs)


def _branch_rules(part: str, rules: BranchRules) -> Iterator[Finding]:
    """No trouble: a plan waits as a pull request then. What would spare it the wait is said."""
    if rules.we_may_push is not False and not rules.remedies:
        return
    asks = [f"{rules.approvals} approvals"] if rules.approvals else []
    asks += [f"the checks {', '.join(rules.checks)}"] if rules.checks else []
    asks += ["a word of the code owners"] if rules.code_owners else []
    refuses = "refuse a push of ours" if rules.we_may_push is False else "may refuse a push of ours"
    needs = f", which needs {', '.join(asks)}" if asks else ""
    yield Finding(part, True, f"they {refuses}: a rollback waits as a pull request{needs}", "; ".join(rules.remedies))


def _rules_of_commits(part: str, rules: BranchRules, facts: ForgeFacts, signs: bool) -> Iterator[Finding]:
    """What they ask of the commit itself, however it lands."""
    if rules.signed and not signs:
        remedy = "set `signingKeyFile` of this repository, and register its public key at the forge for our account"
        yield Finding(part, False, "they want signed commits, and ours bear no signature", remedy)
    elif rules.signed:
        yield Finding(part, True, "they want signed commits, and ours are; the forge must know our key")
    if rules.linear:
        taken = [one.value for one in facts.methods if one is not MergeMethod.MERGE] or ["squash", "rebase"]
        yield Finding(
            part, True, "they refuse merge commits: a rollback by pull request cannot land by `mergeMethod: merge`",
            f"set `delivery.pullRequest.mergeMethod` of the policies to {' or '.join(taken)}",
        )  # fmt: skip
    if rules.queue:
        yield Finding(part, True, "a pull request waits in a merge queue: `heartbeat` tells how long that takes")


def of_owners(opened: Opened, kind: str) -> Iterator[Finding]:
    """Does a change of a policy need the word of somebody who answers for it? Whoever changes one may widen it."""
    folder, repo = opened.settings.policies_path.strip("/"), opened.repo
    try:
        head = repo.head_of(repo.branch) if repo.branch else None
    except RollbackError:
        return  # what keeps us from the repository is said already
    if head is None:
        return
    owners = owners_at(repo, kind, head, [f"{folder}/a-policy.yaml"])
    part = f"owners of {folder}"
    if owners:
        yield Finding(part, True, f"{', '.join(owners)} own them by CODEOWNERS")
    else:
        words = "nobody owns them: who may push may widen a policy"
        yield Finding(part, True, words, f"a line in CODEOWNERS: /{folder}/ @your-team")


def of_engines(engines: Sequence[Engine], found: bool) -> Iterator[Finding]:
    """Each engine. `found`: nobody named them; then one that the cluster does not have is no fault beside another."""
    absent = [one for one in engines if found and not _is_there(one)]
    for engine in engines:
        if engine in absent:
            part = f"engine {engine.instance}"
            yield Finding(part, True, "is not in this cluster, and no setting names it", checked=False)
        else:
            yield from of_engine(engine)
    if len(absent) == len(engines):
        yield Finding("engine", False, NONE_INSTALLED if absent else NO_ENGINE, NAME_ONE)


def _is_there(engine: Engine) -> bool:
    try:
        return not isinstance(engine, Installable) or engine.installed()
    except RollbackError:
        return True  # what is wrong is said as its own fault


def of_engine(engine: Engine) -> Iterator[Finding]:
    """Its rights, each that is missing, and what would make a rollback slow."""
    part = f"engine {engine.instance}"
    try:
        complaints = engine.probe()
    except RollbackError as error:
        yield Finding(part, False, error.message, "mend the address, the credentials or the network")
        return
    for complaint in complaints:
        yield Finding(part, False, complaint, "grant it; docs/how-to/access.md has the list")
    if not complaints:
        yield Finding(part, True, "answers, and allows what is needed")
    yield from _demands(engine, part)
    yield from _advice(engine, part)


def _demands(engine: Engine, part: str) -> Iterator[Finding]:
    remedy = (
        "let its policy leave this repository out, or set `delivery.mode: pull-request` where the forge signs merges"
    )
    if isinstance(engine, Demanding):
        try:
            yield from (Finding(part, False, sentence, remedy) for sentence in engine.demands())
        except RollbackError:
            return  # the complaints say it


def _advice(engine: Engine, part: str) -> Iterator[Finding]:
    if isinstance(engine, Advising):
        try:
            for sentence in engine.advice():
                yield Finding(part, True, f"a rollback may be slow: {sentence}")
        except RollbackError:
            return  # the complaints say it


def is_measured(policy: Policy) -> bool:
    """Whether a metric store must answer for it: it names one, or a trigger or a check asks one."""
    types = {one.type for one in policy.triggers} | {one.type for one in policy.verification.checks}
    return not types <= WITHOUT_METRICS or policy.metrics != MetricSettings()


def of_metrics(sources: Sources, wanted: Iterable[MetricSettings], now: datetime) -> Iterator[Finding]:
    """Each place that a policy asks, once. An answer shows that it may be asked, not that it has the data."""
    for one in dict.fromkeys(wanted):
        part = f"metrics {one.url or 'of the settings'}"
        if one.provider == "web" or one.provider in metric_providers():
            yield Finding(part, True, "not asked: each of its queries has a path of its own", checked=False)
            continue
        try:
            asked = OTHERS_ANSWER.get(one.provider, ANSWERS)
            answer = sources.of(one).query(asked, now, one.timeout)
        except RollbackError as error:
            yield Finding(part, False, error.message, "see `metrics` in the settings and the policies")
            continue
        well = answer.outcome is Outcome.VALUE
        yield Finding(part, well, "answers" if well else answer.detail, "" if well else "see whether it is reachable")


def of_alerts(alerts: Alertmanagers) -> Iterator[Finding]:
    """Each Alertmanager's each peer, for an alert that there is nowhere."""
    for name, fault in alerts.tried():
        remedy = "see `alertmanagers` in the settings, and whether it is reachable" if fault else ""
        yield Finding(f"alerts {name}", not fault, fault or "answers", remedy)


def try_push(opened: Opened, now: datetime) -> Finding:
    """Push an empty commit to the journal, by the way that each rollback's record goes."""
    part, repo, ref = f"push to {opened.journal_repo.name}", opened.journal_repo, opened.journal.ref
    try:
        with repo.exclusive():
            old = repo.fetch().journal
            new = repo.write_files(old, {}, "Try whether the journal can be pushed\n", now)
            result = repo.push([RefUpdate(ref, new, old)])
    except RollbackError as error:
        return Finding(part, False, error.message, "mend the credentials or the network")
    if result.outcome is PushOutcome.LANDED:
        return Finding(part, True, f"{ref} took an empty commit; whether the branch takes one shows only there")
    return Finding(part, False, result.message or result.outcome.value, REMEDIES[result.outcome])
