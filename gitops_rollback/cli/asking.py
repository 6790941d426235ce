"""What the verbs of a person's rollback share: opening the way, showing a plan, and the exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta

import click

from gitops_rollback.app.diffing import diff_of
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.offline_suspects import MOST_INPUTS
from gitops_rollback.app.proposing import concerned, told
from gitops_rollback.app.repositories import open_repository
from gitops_rollback.app.requesting import Prepared, Requests
from gitops_rollback.app.runtime import PauseNow, Runtime
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import prepare_state_dir
from gitops_rollback.app.settings_repositories import Repository
from gitops_rollback.app.subject import Look
from gitops_rollback.app.wiring import wire
from gitops_rollback.cli.main import CONFLICT, OK, REFUSED
from gitops_rollback.cli.output import shown
from gitops_rollback.core.closure.finding import Scope
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import RollbackError, StalledError
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.plan import Plan, PlanOutcome
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.strategies.finding import Found, editable
from gitops_rollback.core.strategies.stages import PlannedStep, Stages
from gitops_rollback.ports import ConfigRepo

REVERT = "the revert"
MANIFESTS, PLAIN_FILE, MOST_MANIFESTS = (".yaml", ".yml", ".json"), "100644", 200
EXITS = {PlanOutcome.CLEAN: OK, PlanOutcome.EMPTY: OK, PlanOutcome.CONFLICT: CONFLICT, PlanOutcome.REFUSED: REFUSED}


@dataclass(frozen=True)
class Asked:
    """One repository's requests, ready to use."""

    repository: Repository
    requests: Requests


@contextmanager
def opened_requests(settings: Settings) -> Iterator[tuple[Asked, ...]]:
    """The way of each repository of the settings, without threads. Raises: SettingsInvalid."""
    prepare_state_dir(settings)
    runtime = Runtime(wire(settings), PauseNow(settings.pause))
    opened = [open_repository(settings, repository) for repository in settings.repositories]
    asked: list[Asked] = []
    for one in opened:
        reconciler = runtime.reconciler(one)
        executor = Executor(one.repo, one.journal_repo, one.journal, runtime.parts.notifier, runtime.parts.clock, False)
        reconciler.executor = executor
        asked.append(Asked(one.settings, Requests(one.repo, reconciler, executor, runtime.parts.clock)))
    try:
        yield tuple(asked)
    finally:
        for one in opened:
            one.repo.close()
            one.journal_repo.close()
        runtime.close()


def first_that_knows(
    asked: tuple[Asked, ...], application: str, prepare: Callable[[Asked], Prepared]
) -> tuple[Asked, Prepared]:
    """The repository that watches `application`, with what is prepared there. Raises: what the last one raised."""
    failure: RollbackError | None = None
    for one in asked:
        try:
            return one, prepare(one)
        except StalledError as error:
            failure = error
    raise failure or click.UsageError(f"{application!r} is no watched application.")


def plan_document(prepared: Prepared, repo: ConfigRepo) -> dict[str, object]:
    """The plan as `plan -o json` prints it; all keys always there."""
    blamed, plan = prepared.proposal.attribution, prepared.plan
    return {
        "application": prepared.look.name,
        "badRevision": prepared.look.bad_revision,
        "restores": plan.restores if plan else None,
        "id": plan.rollback_id if plan else None,
        "outcome": plan.reversal.outcome.value if plan else None,
        "reason": blamed.reason.value if blamed.reason else None,
        "message": blamed.message,
        "automatic": automatic(prepared),
        "stopped": prepared.stopped or None,
        "triggers": [
            {"name": one.trigger, "phase": one.state.phase.value, "message": one.message}
            for one in prepared.look.case.verdicts
        ],
        "suspects": [
            {
                "commit": one.commit.sha,
                "subject": one.commit.subject,
                "probability": None if one.probability is None else round(one.probability, 6),
                "evidence": list(one.evidence),
            }
            for one in blamed.suspects
        ],
        "certainty": blamed.weighing.document if blamed.weighing else None,
        "others": [{"commit": commit.sha, "subject": commit.subject, "why": why} for commit, why in blamed.others],
        "guards": [
            {
                "guard": one.guard,
                "result": one.result.value,
                "reason": one.reason.value if one.reason else None,
                "message": one.message,
                "remedy": one.remedy,
            }
            for one in (plan.guards if plan else ())
        ],
        "steps": _steps(plan),
        "infrastructure": plan.provision.document if plan and plan.provision else None,
        "couldBe": [asdict(one) for one in could_be(prepared, repo)],
        "paths": list(plan.reversal.paths) if plan else [],
        "rendered": [asdict(one) for one in plan.reversal.rendered] if plan else [],
        "diff": diff_of(plan, repo) if plan else "",
        "commitMessage": plan.message if plan else "",
    }


def could_be(prepared: Prepared, repo: ConfigRepo) -> Iterator[Found]:
    """Weights, slots and flags in the application's files that no strategy of its policy sets yet."""
    look, head = prepared.look, prepared.plan.reversal.base if prepared.plan else ""
    named = {one.edits.file for one in look.policy.strategies if one.edits is not None}
    named |= {one.skips.file for one in look.policy.strategies if one.skips is not None}
    listed = repo.files(head) if head else ()
    own = [one for one in listed if one.path in look.watched.own and one.path not in named]
    files = [one for one in own if one.mode == PLAIN_FILE and one.path.endswith(MANIFESTS)][:MOST_MANIFESTS]
    repo.bring([one.blob for one in files])
    for one in files:
        try:
            yield from editable(repo.read(one.blob), one.path)
        except StalledError:
            continue  # larger than any manifest


def _steps(plan: Plan | None) -> list[dict[str, object]]:
    """The commits of a plan of several; none for one of a single commit."""
    stages = plan.staged.stages if plan and plan.staged else None
    if stages is None:
        return []
    revert: list[dict[str, object]] = [{"title": REVERT, "sets": [asdict(value) for value in stages.setting]}]
    before, after = ([_step(one) for one in steps] for steps in (stages.steps, stages.after))
    return [*before, *(revert if stages.closes else []), *after]


def _step(one: PlannedStep) -> dict[str, object]:
    reverts = {"application": one.application, "reverts": list(one.reverts)} if one.reverts else {}
    return {"title": one.title, "sets": [asdict(value) for value in one.sets], **reverts}


def suspects_document(prepared: Prepared) -> dict[str, object]:
    """Who can be to blame for what runs now, as `suspects` tells it of a local clone, with what was asked."""
    look, blamed = prepared.look, prepared.proposal.attribution
    chances = [round(one.probability or 0.0, 6) for one in blamed.ranked]
    inputs = look.inputs.why if look.inputs is not None else dict.fromkeys(look.target.paths, "named by the policy")
    return {
        "application": look.name,
        "at": look.bad_revision,
        "suspects": [
            {"commit": one.commit.sha, "probability": chance, "evidence": list(one.evidence)}
            for one, chance in zip(blamed.ranked, chances, strict=True)
        ],
        "none": round(1 - sum(chances), 6),
        "inputs": [{"path": path, "why": why} for path, why in [*inputs.items()][:MOST_INPUTS]],
        "scope": (Scope.PATHS if look.target.paths else Scope.DIRECTORY if _doubtful(look) else Scope.CLOSURE).value,
        "reason": blamed.reason.value if blamed.reason else None,
        "message": blamed.message,
    }


def _doubtful(look: Look) -> bool:
    return look.inputs is None or bool(look.inputs.doubt)


def automatic(prepared: Prepared) -> bool:
    """True if nothing but a firing trigger would be needed for the controller to do this by itself."""
    plan = prepared.plan
    allowed = plan is not None and plan.answer is GuardResult.ALLOW and plan.reversal.outcome is PlanOutcome.CLEAN
    return allowed and prepared.proposal.attribution.automatic and not prepared.stopped


def plan_lines(prepared: Prepared, repo: ConfigRepo) -> Iterator[str]:
    """The plan for people."""
    blamed, plan, look = prepared.proposal.attribution, prepared.plan, prepared.look
    yield f"{look.name} runs {look.bad_revision[:12]}, deployed {look.event_started:%F %T}Z"
    for verdict in look.case.verdicts:
        yield f"trigger   {verdict.trigger}: {verdict.state.phase.value}: {verdict.message}"
    if prepared.stopped:
        yield f"stopped   {prepared.stopped}"
    for suspect in concerned(blamed):
        yield f"suspect   {told(suspect, blamed)}"
    if blamed.weighing is not None:
        yield f"certain   {blamed.weighing.sentence}"
    if blamed.message:
        yield f"blame     {blamed.reason.value if blamed.reason else ''} {blamed.message}".rstrip()
    if plan is None:
        yield "plan      none"
        return
    for answer in plan.guards:
        yield f"guard     {answer.guard}: {answer.result.value}: {answer.message}"
    yield f"plan      {plan.reversal.outcome.value}, restores {plan.restores[:12]}, id {plan.rollback_id}"
    yield from (f"runs      {line}" for line in (plan.provision.words if plan.provision else ()))
    if plan.upstream is not None:
        yield f"upstream  {plan.upstream.sentence} By hand: {plan.upstream.commands}"
    if plan.staged is not None:
        yield from _stage_lines(plan.staged.stages, prepared)
    yield from (f"could be  {one.words}" for one in could_be(prepared, repo))
    yield ""
    yield from plan.message.splitlines()
    yield ""
    yield from diff_of(plan, repo).splitlines()


def _stage_lines(stages: Stages, prepared: Prepared) -> Iterator[str]:
    """The commits of a plan, what each of them waits for, and what they cost."""
    yield f"strategy  {', '.join(stages.strategies)}: {how_many(stages.total, 'commit')}, each applied before the next"
    for n in range(1, stages.total + 1):
        yield f"step      {n}/{stages.total} {stages.title(n) or REVERT}"
    gates = [(n, gate) for n in range(1, stages.total + 1) if (gate := stages.gate(n)) is not None]
    yield from (f"held at {n} {gate.words}" for n, gate in gates)
    if gates and stages.coordinated:
        yield f"wrote     the bad version has been writing for {format_duration(_wrote_for(prepared))}"
    least = format_duration(len(stages.steps) * stages.pause)
    yield f"costs     {stages.total - 1} more pushes and syncs than a plain revert, and at least {least} of pauses"


def _wrote_for(prepared: Prepared) -> timedelta:
    """How long what the plan undoes has been there, in whole seconds: what it wrote since is what is at stake."""
    passed = prepared.look.state.observed_at - prepared.look.event_started
    return timedelta(seconds=int(max(passed, timedelta(0)).total_seconds()))


def print_plan(prepared: Prepared, repo: ConfigRepo) -> None:
    for line in plan_lines(prepared, repo):
        click.echo(shown(line))


def plan_exit(prepared: Prepared) -> int:
    """0 clean or empty, 5 conflict, 4 refused or no plan."""
    return EXITS[prepared.plan.reversal.outcome] if prepared.plan else REFUSED
