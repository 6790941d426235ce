"""From an alarm to a finished plan: whom to blame, the inverse that would be pushed, the guards' answers, the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gitops_rollback.app.blame import Blame, Blamer
from gitops_rollback.app.cascading import Carried, Cascading, in_two_places
from gitops_rollback.app.directory import Directory, Listing
from gitops_rollback.app.guard_facts import GuardFactsReader
from gitops_rollback.app.half_done import HalfDone
from gitops_rollback.app.holding import Holder
from gitops_rollback.app.keeping_off import kept_off
from gitops_rollback.app.left_without import LeftWithout
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.open_runs import OpenRuns
from gitops_rollback.app.outbreaks import Alarm
from gitops_rollback.app.runs import UNSEEN
from gitops_rollback.app.staging import Staging, in_words
from gitops_rollback.app.stepping import Stepper
from gitops_rollback.app.subject import Look
from gitops_rollback.app.view import View
from gitops_rollback.app.workloads import NOBODY
from gitops_rollback.core.decision import Proposal
from gitops_rollback.core.deployments import deployments, our_revision
from gitops_rollback.core.drill import SIGN, practised
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.guards import GuardFacts, ask_guards
from gitops_rollback.core.guards.migrations import judge_migrations
from gitops_rollback.core.image_holds import HOLD
from gitops_rollback.core.incidents import Incident
from gitops_rollback.core.message import RevertText, for_people, revert_message
from gitops_rollback.core.paths import shared_paths
from gitops_rollback.core.plan import GuardAnswer, Plan, PlanOutcome, Reversal
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.rollback import rollback_id
from gitops_rollback.core.suspects import Attribution, Suspect
from gitops_rollback.core.upstream import Upstream
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import ConfigRepo, Objects, Workloads


class Proposer:
    """Builds plans; writes objects to the clone, and nothing to anybody else."""

    def __init__(
        self,
        repo: ConfigRepo,
        directory: Directory,
        observer: Observer,
        blamer: Blamer,
        facts: GuardFactsReader,
        workloads: Workloads = NOBODY,
        objects: Objects = UNSEEN,
    ) -> None:
        self._repo = repo
        self._directory = directory
        self._blamer = blamer
        self._facts = facts
        self._holder = Holder(repo)
        self._staging = Staging(repo, workloads, objects)
        self._half_done = HalfDone(Stepper(repo))
        self._open_runs = OpenRuns(repo, objects)
        self._left_without = LeftWithout(repo)
        self._cascading = Cascading(repo, directory, observer, blamer)

    @crash_point("propose")
    def propose(self, look: Look, view: View, listing: Listing, now: datetime) -> Proposal:
        """Raises: RepositoryUnavailable."""
        look = self.followed(look)
        # Whose files are whose is not for the judged change to say either.
        owned = self._directory.owned_at(listing, look.policy.revision) if look.case.in_force else listing
        blame = self._blamer.blame(look, view, owned, self._directory.feeder(look.watched))
        blame = self._within_policy(look, _unless_restored(look, blame))
        return self._proposal(look, _within_sight(look, blame, owned, view.heads.branch), view, listing, now)

    def followed(self, look: Look) -> Look:
        """The look of an alarm with everything that the application renders from among its own files."""
        return self._blamer.followed(look, self._directory.feeder(look.watched))

    def _within_policy(self, look: Look, blame: Blame) -> Blame:
        """Nothing is automatic by a policy that one of the suspects may have written."""
        blamed, judged_by = blame.attribution, look.policy.revision
        oldest = blamed.suspects[-1].commit if blamed.suspects else None
        if oldest is None or not blamed.automatic or not look.case.in_force:
            return blame
        if any(self._directory.says_the_same(look.watched.id, judged_by, parent) for parent in oldest.parents[:1]):
            return blame
        message = f"{oldest.sha[:12]} is older than the policy that judges it"
        doubted = replace(blamed, automatic=False, reason=Reason.NO_POLICY_IN_FORCE, message=message)
        return replace(blame, attribution=doubted)

    def propose_named(
        self,
        look: Look,
        view: View,
        listing: Listing,
        now: datetime,
        since: str = "",
        only: Sequence[str] = (),
        because: str = "named by a person",
        cascades: bool = True,
    ) -> Proposal:
        """The plan that undoes what a person names: commits, or all since a revision. Raises: StalledError.

        `cascades` False leaves what needs it where it is: nobody went back for its sake before.
        """
        look = self.followed(look)
        blame = self._blamer.named(look, view, self._directory.feeder(look.watched), since, only, because)
        return self._proposal(look, blame, view, listing, now, cascades)

    def _proposal(
        self, look: Look, blame: Blame, view: View, listing: Listing, now: datetime, cascades: bool = True
    ) -> Proposal:
        if blame.reversal is None:
            return Proposal(blame.attribution, came_back=blame.came_back)
        reversal = self._held(blame.reversal, look)
        migrated = self._migrated(reversal, look, blame, view, listing, now)
        stages, unfit = self._staging.planned(reversal, look, view.journal.records.values(), migrated)
        carried = Carried(replace(blame, reversal=reversal), stages, known=False)
        if cascades:
            carried = self._with_cascade(carried, look, view, listing, now)
        blame, stages, reversal = carried.blame, carried.stages, carried.blame.reversal or reversal
        facts = self._facts.read(look, blame, self._staging.whole(stages, reversal), view, listing, now)
        dependants = () if carried.known else facts.dependants
        facts = replace(facts, shifted=stages.files if stages else frozenset(), dependants=dependants)
        facts = replace(facts, skipped=stages.skipped if stages else "")
        upstream = facts.writer.upstream if facts.writer else None
        if stages is not None and stages.cascade:
            carried = replace(carried, answers=(*carried.answers, *in_two_places(upstream, stages.words)))
        earlier = self._of_earlier(look, blame, reversal, facts, view, listing)
        guards = (*ask_guards(facts), *carried.answers, *unfit, *earlier)
        text = self._text(look, blame.attribution, blame.restores, reversal, (look.name,), upstream)
        drill = practised(view.journal.decisions, reversal.reverts) if look.target.drill else None
        if drill is not None:
            text = replace(text, drill=drill.id, why=(f"This is a {SIGN}: it was broken on purpose.", *text.why))
        plan = replace(self._plan(look, blame, reversal, text), guards=guards, provision=facts.provision)
        plan = replace(plan, upstream=upstream)
        return Proposal(blame.attribution, self._staging.staged(plan, stages, look, text), guards, blame.came_back)

    def _of_earlier(
        self, look: Look, blame: Blame, reversal: Reversal, facts: GuardFacts, view: View, listing: Listing
    ) -> tuple[GuardAnswer, ...]:
        """What rollbacks before have left half way, still running, or without what it needs."""
        records, names = tuple(view.journal.records.values()), facts.applications or (look.name,)
        states = [fed.state for fed in listing.fed if fed.name in names] or [look.state]
        undone = tuple(one.commit for one in blame.attribution.undone)
        return (
            *self._half_done.answers(reversal, look.name, blame.restores, records),
            *self._open_runs.answers(facts.provision, reversal.base, records, states),
            *self._left_without.answers(look, undone, listing, records),
        )

    def _held(self, reversal: Reversal, look: Look) -> Reversal:
        """The same inverse, kept from being written back where the policy says how."""
        says = look.policy
        if says.updater is not None and says.image_automation == HOLD:
            return kept_off(self._repo, reversal, says.updater)
        return self._holder.held(reversal, says.image_automation, look.state.image_automations)

    def _with_cascade(self, found: Carried, look: Look, view: View, listing: Listing, now: datetime) -> Carried:
        """What else has to go back first, each judged as if it were to go back by itself."""

        def alone(own: Look, blame: Blame) -> Proposal:
            return self._proposal(own, self._within_policy(own, blame), view, listing, now, cascades=False)

        return self._cascading.carried(look, found.blame, found.stages, view, listing, now, alone)

    def _migrated(
        self, reversal: Reversal, look: Look, blame: Blame, view: View, listing: Listing, now: datetime
    ) -> bool:
        """What ran moved data, or nobody can tell: looked at where a migration rule of the policy asks for that."""
        if not any(one.by_what_ran for one in look.policy.strategies) or reversal.tree is None:
            return False
        answer = judge_migrations(self._facts.read(look, blame, reversal, view, listing, now))
        return answer.result is not GuardResult.ALLOW

    def moved_on(self, look: Look) -> bool:
        """True if something newer was deployed since the look; while nobody can tell, nothing is pushed either."""
        try:
            state = look.watched.engine.application(look.watched.id, look.state.project)
        except RollbackError:
            return True
        known = deployments(state) if state else ()
        return not known or our_revision(known[-1], self._directory.feeder(look.watched)) != look.live_revision

    def for_incident(self, alarm: Alarm, incident: Incident | None, listing: Listing) -> Proposal:
        """The proposal as it speaks for all applications of an incident; unchanged where there is none.

        Only for those whose inputs it changes: what a person has put back already is nobody's rollback.
        """
        proposal, plan = alarm.proposal, alarm.proposal.plan
        if plan is None or incident is None or incident.culprit is None or len(incident.applications) < 2:
            return proposal
        changed = {fed.name for fed in listing.fed if fed.touches(plan.reversal.paths, plan.reversal.base)} | {
            alarm.look.name
        }
        names = tuple(name for name in incident.applications if name in changed)
        text = self._text(alarm.look, proposal.attribution, plan.restores, plan.reversal, names, plan.upstream)
        whole = replace(plan, applications=names, message=revert_message(text))
        return replace(proposal, plan=in_words(whole, text, alarm.look))

    def signed(self, plan: Plan, look: Look, attribution: Attribution, identity: str, by: str) -> Plan:
        """The same plan with another id, asked for by a person."""
        text = self._text(look, attribution, plan.comes_back, plan.reversal, plan.applications, plan.upstream)
        words = replace(text, triggers=plan.triggers, bad_revision=plan.bad_revision, reapplies=plan.reapplies)
        words = replace(words, rollback_id=identity, requested_by=by, drill=plan.drill)
        named = replace(plan, rollback_id=identity, message=revert_message(words), requested_by=by)
        return in_words(named, words, look)

    def _plan(self, look: Look, blame: Blame, reversal: Reversal, text: RevertText) -> Plan:
        named = concerned(blame.attribution)
        evidence = tuple(told(suspect, blame.attribution) for suspect in named)
        return Plan(
            rollback_id=text.rollback_id,
            applications=(look.name,),
            bad_revision=look.bad_revision,
            restores=blame.restores,
            policy_label=look.policy.label,
            triggers=tuple(text.triggers),
            reversal=reversal,
            message=revert_message(text),
            evidence=evidence,
            ranked=tuple((suspect.commit.sha, suspect.probability) for suspect in blame.attribution.ranked),
            weighing=blame.attribution.weighing,
            repository=self._repo.name,
            drill=text.drill,
        )

    def _text(
        self,
        look: Look,
        blamed: Attribution,
        restores: str,
        reversal: Reversal,
        applications: tuple[str, ...],
        upstream: Upstream | None,
    ) -> RevertText:
        never_ran = blamed.message if blamed.automatic else ""
        return RevertText(
            rollback_id=rollback_id(self._repo.name, look.name, look.bad_revision),
            reverts=tuple(suspect.commit for suspect in blamed.undone),
            why=tuple(sentence for sentence in (_headline(look), never_ran) if sentence),
            applications=applications,
            policy=look.policy.label,
            triggers=tuple(verdict.trigger for verdict in look.raised.verdicts),
            restores=restores,
            bad_revision=look.bad_revision,
            rung=reversal.rung,
            edits=(*reversal.sentences, *([upstream.sentence] if upstream else ())),
            holds=reversal.holds,
        )


def concerned(blamed: Attribution) -> tuple[Suspect, ...]:
    """Who may be to blame, the likeliest first; then what goes back together with them."""
    named = blamed.ranked or blamed.suspects
    return (*named, *(one for one in blamed.together if one.commit.sha not in {other.commit.sha for other in named}))


def told(suspect: Suspect, blamed: Attribution) -> str:
    """A suspect as people and the journal are told of it: commit, probability, subject, evidence."""
    probability = "" if suspect.probability is None else f" {suspect.probability:.2f}"
    undone = suspect.commit.sha in {one.commit.sha for one in blamed.undone}
    evidence = [*suspect.evidence, *(() if undone else ("is not undone by this plan",))]
    return f"{suspect.commit.sha[:12]}{probability} {for_people(suspect.commit.subject)}: {'; '.join(evidence)}"


def _unless_restored(look: Look, blame: Blame) -> Blame:
    """Where the application's own files are back already, what the suspects changed beside them is no rollback."""
    reversal, own = blame.reversal, look.watched.own
    if reversal is None or reversal.outcome is not PlanOutcome.CLEAN or own.of(reversal.paths):
        return blame
    if not any(own.of(suspect.commit.paths) for suspect in blame.attribution.suspects):
        return blame
    return replace(blame, reversal=replace(reversal, outcome=PlanOutcome.EMPTY, rung=None, changes=()))


def _within_sight(look: Look, blame: Blame, listing: Listing, head: str) -> Blame:
    """What lies outside of every application's directory goes back by itself only if all that render it are known."""
    blamed, reversal = blame.attribution, blame.reversal
    if not blamed.automatic or reversal is None:
        return blame
    shared = shared_paths(reversal.paths, [own for fed in listing.fed for own in (fed.own, fed.rendered)])
    doubts = (fed.reads(head).doubt for fed in listing.fed if fed.name != look.name) if shared else ()
    doubt = next((doubt for doubt in doubts if doubt), "")
    if not doubt:
        return blame
    message = f"{shared[0]} may be an input of others too: {doubt}"
    return replace(
        blame, attribution=replace(blamed, automatic=False, reason=Reason.SHARED_INPUTS_CHANGED, message=message)
    )


def _headline(look: Look) -> str:
    """What fired, and how long after which sync; or who asked."""
    if look.raised.reason is Reason.REQUESTED:
        return f"{look.raised.message}."
    onset = look.raised.onset or look.event_started
    after = format_duration(max(onset - look.event_started, timedelta(0)))
    name = f"{look.target.engine} had synced {look.bad_revision[:12]} to {look.watched.id.short}"
    return f"{look.raised.message}; it began {after} after {name}."
