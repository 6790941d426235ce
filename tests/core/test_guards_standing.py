"""Ground, quarantine, branch, other writers, capacity, budgets: what stands around the plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from plan_facts import (
    APPLICATION,
    DEPLOYMENT,
    FILE,
    NOW,
    a_change,
    a_commit,
    a_file,
    a_live_deployment,
    a_policy,
    a_reversal,
    facts,
    live,
)

from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.ground import Ground, LivedTree, judge_ground
from gitops_rollback.core.guards.branch import judge_branch
from gitops_rollback.core.guards.budget import judge_budgets, judge_cooldown
from gitops_rollback.core.guards.capacity import judge_capacity, quantity
from gitops_rollback.core.guards.facts import (
    BranchFacts,
    ChangedFile,
    CountedRollback,
    GuardFacts,
    TakenBack,
    WriterFacts,
)
from gitops_rollback.core.guards.known_ground import judge_ground_of_plan, judge_quarantine
from gitops_rollback.core.guards.standing import (
    judge_conflict,
    judge_delivery,
    judge_gate,
    judge_superseded,
    judge_unbuilt,
)
from gitops_rollback.core.guards.writer import copied_from, is_machine, judge_writer
from gitops_rollback.core.image_holds import ImageHold
from gitops_rollback.core.image_updater import ImageUpdate
from gitops_rollback.core.plan import Explanation, GuardAnswer, PlanOutcome
from gitops_rollback.core.policy import Delivery, GuardResult, GuardRule, Timing
from gitops_rollback.core.promoter import Promoting
from gitops_rollback.core.promotion import Promotion
from gitops_rollback.core.rendering import Rendered
from gitops_rollback.core.sync import Obstacle
from gitops_rollback.core.upstream import Upstream


def reason_of(found: GuardAnswer) -> Reason | None:
    """The reason of an answer that asks, and says what a person can do; None for one that allows."""
    assert found.message
    if found.result is GuardResult.ALLOW:
        assert found.reason is None
        return None
    assert found.result is GuardResult.ASK
    assert found.remedy
    return found.reason


TWO = (a_commit(), a_commit("d" * 40))
GROUNDS: dict[str, tuple[dict[str, Any], Reason | None]] = {
    "known": ({"ground": Ground.KNOWN, "suspects": TWO}, None),
    "one-that-never-ran": ({"ground": Ground.NEW}, None),
    "two-that-never-ran": ({"ground": Ground.NEW, "suspects": TWO}, Reason.UNKNOWN_GROUND),
    "taken-back": ({"ground": Ground.BAD}, Reason.UNKNOWN_GROUND),
    "cannot-see": ({"ground": None}, Reason.UNKNOWN_GROUND),
}


@pytest.mark.parametrize(("given", "reason"), GROUNDS.values(), ids=GROUNDS)
def test_a_plan_ends_on_known_ground_or_undoes_one_commit(given: dict[str, Any], reason: Reason | None) -> None:
    assert reason_of(judge_ground_of_plan(facts(**given))) is reason


def lived(hours: float, quiet: bool | None, taken_back: bool = False, inputs: str = "a") -> LivedTree:
    return LivedTree(inputs, NOW - timedelta(hours=hours), quiet, taken_back)


TREES: dict[str, tuple[tuple[LivedTree, ...], Ground | None]] = {
    "quiet": ((lived(2, True),), Ground.KNOWN),
    "firing": ((lived(2, False),), Ground.BAD),
    "newest-time-decides": ((lived(9, False), lived(2, True)), Ground.KNOWN),
    "cannot-tell": ((lived(2, None),), None),
    "taken-back-once": ((lived(9, True, taken_back=True), lived(2, True)), Ground.BAD),
    "only-after-the-onset": ((lived(-1, True),), Ground.NEW),
    "another-tree": ((lived(2, True, inputs="b"),), Ground.NEW),
}


@pytest.mark.parametrize(("trees", "expected"), TREES.values(), ids=TREES)
def test_ground_is_known_where_it_was_live_and_quiet(trees: tuple[LivedTree, ...], expected: Ground | None) -> None:
    assert judge_ground("a", trees, NOW) is expected
    assert judge_ground(None, trees, NOW) is None


def taken(hours: float, inputs: str | None = "other", blob: str = "c" * 40) -> tuple[TakenBack, ...]:
    return (TakenBack(NOW - timedelta(hours=hours), "rb-1", inputs, {FILE: blob}),)


QUARANTINED: dict[str, tuple[dict[str, Any], Reason | None]] = {
    "never-taken-back": ({}, None),
    "other-contents": ({"taken_back": taken(1)}, None),
    "same-tree": ({"taken_back": taken(1, inputs="tree-bad")}, Reason.CAME_BACK),
    "same-tree-a-week-later": ({"taken_back": taken(168, inputs="tree-bad")}, Reason.CAME_BACK),
    "same-file-at-24-hours": ({"taken_back": taken(24, blob="b" * 40)}, Reason.CAME_BACK),
    "same-file-later": ({"taken_back": taken(24.01, blob="b" * 40)}, None),
    "tree-not-known-then": ({"taken_back": taken(1, inputs=None)}, None),
    "cannot-see-the-journal": ({"taken_back": None}, Reason.QUARANTINE),
    "cannot-see-the-inputs": ({"inputs": None}, Reason.QUARANTINE),
    "nothing-left-to-undo": ({"taken_back": None, "reversal": a_reversal(outcome=PlanOutcome.EMPTY)}, None),
}


@pytest.mark.parametrize(("given", "reason"), QUARANTINED.values(), ids=QUARANTINED)
def test_what_was_taken_back_and_returns_is_held(given: dict[str, Any], reason: Reason | None) -> None:
    assert reason_of(judge_quarantine(facts(**given))) is reason


REACHES = BranchFacts(True, spec_changed=False, auto_sync=True, obstacles=())
CLOSED = Obstacle(Reason.WINDOW_CLOSED, "a sync window forbids it", "wait for it")
HELD = Obstacle(Reason.SUSPENDED_APPLICATION, "Kustomization flux-system/cart is suspended", "resume it")
SIGNED = Obstacle(Reason.SIGNED_COMMITS_ONLY, "it takes only commits signed by a trusted key", "sign them")
PINNED = Obstacle(Reason.PINNED_SOURCE, "it follows refs/tags/v1 and no branch", "move the tag")
BRANCHES: dict[str, tuple[BranchFacts | None, Reason | None]] = {
    "reaches": (REACHES, None),
    "cannot-see": (None, Reason.NOT_ON_THIS_BRANCH),
    "follows-a-tag": (replace(REACHES, follows=False, decided_by="tag v1.4 in app.yaml"), Reason.NOT_ON_THIS_BRANCH),
    "sources-unknown": (replace(REACHES, follows=None), Reason.NOT_ON_THIS_BRANCH),
    "spec-changed": (replace(REACHES, spec_changed=True), Reason.NO_COMMIT),
    "spec-unknown": (replace(REACHES, spec_changed=None), Reason.NO_COMMIT),
    "pending-but-auto-sync": (replace(REACHES, pending=("1" * 40,)), None),
    "pending": (replace(REACHES, auto_sync=False, pending=("1" * 40,)), Reason.PENDING_CHANGES),
    "nothing-pending": (replace(REACHES, auto_sync=False, pending=()), None),
    "pending-unknown": (replace(REACHES, auto_sync=False), Reason.PENDING_CHANGES),
    "auto-sync-unknown": (replace(REACHES, auto_sync=None, pending=()), Reason.PENDING_CHANGES),
    "window-closed": (replace(REACHES, obstacles=(CLOSED,)), Reason.WINDOW_CLOSED),
    "obstacles-unknown": (replace(REACHES, obstacles=None), Reason.WINDOW_CLOSED),
    "suspended-says-so-before-what-waits": (
        replace(REACHES, auto_sync=False, pending=("1" * 40,), obstacles=(HELD,)),
        Reason.SUSPENDED_APPLICATION,
    ),
    "pinned-says-so-before-not-this-branch": (
        replace(REACHES, follows=False, obstacles=(PINNED, SIGNED)),
        Reason.PINNED_SOURCE,
    ),
    "signed-only": (replace(REACHES, obstacles=(SIGNED,)), Reason.SIGNED_COMMITS_ONLY),
    "signed-only-and-we-sign": (replace(REACHES, obstacles=(SIGNED,), signs=True), None),
    "signed-only-among-others-and-we-sign": (
        replace(REACHES, obstacles=(SIGNED, HELD), signs=True),
        Reason.SUSPENDED_APPLICATION,
    ),
}


@pytest.mark.parametrize(("branch", "reason"), BRANCHES.values(), ids=BRANCHES)
def test_a_commit_on_the_branch_must_reach_the_application(branch: BranchFacts | None, reason: Reason | None) -> None:
    assert reason_of(judge_branch(facts(branch=branch))) is reason


def test_a_person_is_told_all_that_is_in_the_way_and_how_it_goes_away() -> None:
    answer = judge_branch(facts(branch=replace(REACHES, obstacles=(HELD, SIGNED))))
    assert answer.message == f"{HELD.message}; {SIGNED.message}"
    assert answer.remedy == "resume it; sign them; then approve the plan"


REWRITTEN = Obstacle(Reason.IMAGE_AUTOMATION, "an image automation would write it again", "suspend it")
MARKED = b'image: shop/cart:v2 # {"$imagepolicy": "flux-system:cart"}\n'


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ((ChangedFile("a.yaml", MARKED, MARKED.replace(b"v2", b"v1")),), Reason.IMAGE_AUTOMATION),
        ((ChangedFile("a.yaml", None, MARKED),), Reason.IMAGE_AUTOMATION),
        ((ChangedFile("a.yaml", b"replicas: 2\n", b"replicas: 1\n"),), None),
        ((ChangedFile("a.yaml", None, None, unread="too large"),), Reason.IMAGE_AUTOMATION),
        (None, Reason.IMAGE_AUTOMATION),
    ],
)
def test_an_image_automation_is_in_the_way_of_what_it_would_write(
    files: tuple[ChangedFile, ...] | None, reason: Reason | None
) -> None:
    rewritten = replace(REACHES, obstacles=(REWRITTEN,))
    assert reason_of(judge_branch(facts(branch=rewritten, files=files))) is reason


UNMARKED = b"image: shop/cart:v1\n"
HOLDING = a_policy(image_automation="hold")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (MARKED, UNMARKED, None),  # the mark is taken off
        (MARKED, MARKED.replace(b"v2", b"v1"), Reason.IMAGE_AUTOMATION),
        (MARKED + b"replicas: 2\n", MARKED + b"replicas: 1\n", None),  # what is marked stays as it is
        (MARKED, b"image: {{ tag }} " + MARKED, Reason.IMAGE_AUTOMATION),
    ],
)
def test_a_policy_that_holds_asks_only_of_marks_that_are_left_on_what_is_changed(
    before: bytes, after: bytes, reason: Reason | None
) -> None:
    rewritten = replace(REACHES, obstacles=(REWRITTEN,))
    files = (ChangedFile("a.yaml", before, after),)
    assert reason_of(judge_branch(facts(branch=rewritten, files=files, policy=HOLDING))) is reason
    assert reason_of(judge_branch(facts(branch=rewritten, files=files))) is Reason.IMAGE_AUTOMATION


def test_a_person_is_told_what_is_held_and_why_something_is_not() -> None:
    rewritten = replace(REACHES, obstacles=(REWRITTEN,))
    marked = (ChangedFile("a.yaml", MARKED, MARKED.replace(b"v2", b"v1")),)
    unheld = a_reversal(unheld="which image flux-system:cart selects is not known")
    found = judge_branch(facts(branch=rewritten, files=marked, policy=HOLDING, reversal=unheld))
    assert found.message.endswith("it is not held: which image flux-system:cart selects is not known")
    hold = ImageHold("a.yaml", "image", ' # {"$imagepolicy": "flux-system:cart"}', "shop/cart:v2", "shop/cart:v1")
    taken_off = (ChangedFile("a.yaml", MARKED, UNMARKED),)
    held = judge_branch(facts(branch=rewritten, files=taken_off, policy=HOLDING, reversal=a_reversal(holds=(hold,))))
    assert "shop/cart:v2 by flux-system:cart in a.yaml is held" in held.message


ANN, BOT = "Ann <ann@example.com>", "argocd-image-updater <noreply@argoproj.io>"
PEOPLE = WriterFacts(root_files=(), authors=(ANN,) * 10, copied_from="", merged_from="")
WRITERS: dict[str, tuple[dict[str, Any], str]] = {
    "people": ({}, ""),
    "hydrated": ({"hydrated": True}, "hydrator"),
    "hydrator-metadata": ({"root_files": ("hydrator.metadata",)}, "hydrator.metadata"),
    "root-unseen": ({"root_files": None}, "cannot be seen"),
    "kargo": ({"annotations": {"kargo.akuity.io/authorized-stage": "shop:prod"}}, "Kargo stage shop:prod"),
    "promoter": ({"next_branch": "main-next"}, "main-next"),
    "promoter-by-its-objects": (
        {"promoter": Promoting("ChangeTransferPolicy shop/prod", "env/prod", "env/prod-next")},
        "GitOps Promoter (ChangeTransferPolicy shop/prod) writes env/prod from env/prod-next",
    ),
    "nine-of-ten-by-one-machine": ({"authors": (ANN, *(BOT,) * 9)}, "9 of the last 10"),
    "nine-of-ten-by-a-machine-that-is-held": ({"authors": (ANN, *(BOT,) * 9), "held": ("<noreply@argoproj.io>",)}, ""),
    "nine-of-ten-while-another-is-held": ({"authors": (ANN, *(BOT,) * 9), "held": ("<flux@x.org>",)}, "9 of the last"),
    "eight-of-ten": ({"authors": (ANN, ANN, *(BOT,) * 8)}, ""),
    "nine-by-one-person": ({"authors": ("Bob <b@example.com>", *(ANN,) * 9)}, ""),
    "nine-by-two-machines": ({"authors": ("renovate[bot] <r@x>",) * 5 + (BOT,) * 5}, ""),
    "history-unseen": ({"authors": None}, "cannot be seen"),
    "copied": ({"copied_from": "envs/staging"}, "envs/staging"),
    "image-updater": ({"updates": (ImageUpdate("shop/cart", "1.0", "1.1"),)}, "would write shop/cart:1.1 again"),
    "kargo-by-its-commit": ({"kargo": ("prod.01j0z6y1m3k4n5p6q7r8s9t0v1.abc1234",)}, "promotion prod.01j0"),
    "copies-unseen": ({"copied_from": None}, "cannot be seen"),
    "merged": ({"merged_from": "staging"}, "merges of staging"),
    "merges-unseen": ({"merged_from": None}, "cannot be seen"),
}


@pytest.mark.parametrize(("given", "said"), WRITERS.values(), ids=WRITERS)
def test_paths_that_something_else_writes_are_left_to_it(given: dict[str, Any], said: str) -> None:
    found = judge_writer(facts(writer=replace(PEOPLE, **given)))
    assert reason_of(found) is (Reason.WRITTEN_BY_ANOTHER if said else None)
    assert said in found.message


COPIES, MERGES = Promotion("copy", paths=("staging/",)), Promotion("merge", "staging")
SOURCE = Upstream("copy", "main", ("a" * 40,))
COPIED: dict[str, Any] = {"copied_from": "staging"}


@pytest.mark.parametrize(
    ("given", "said", "told"),
    [
        ({**COPIED, "upstream": SOURCE}, COPIES, "is taken back as well"),
        ({**COPIED, "upstream": replace(SOURCE, done=True)}, COPIES, "is taken back already"),
        ({"merged_from": "staging"}, MERGES, "people write these paths"),  # nothing of it came by a merge
        ({**COPIED, "upstream": SOURCE}, MERGES, ""),  # the policy speaks of another writer
        ({**COPIED, "unreachable": "it is gone"}, COPIES, ""),
        ({"unreachable": "it is gone"}, COPIES, ""),
        ({"upstream": SOURCE, "root_files": None}, COPIES, ""),  # what cannot be seen nothing answers
        ({"upstream": SOURCE, "updates": (ImageUpdate("shop/cart", "1", "2"),)}, COPIES, ""),
    ],
)
def test_a_policy_answers_the_writer_that_it_speaks_of(given: dict[str, Any], said: Promotion, told: str) -> None:
    found = judge_writer(facts(writer=replace(PEOPLE, **given), policy=a_policy(promotion=said)))
    assert (found.result is GuardResult.ALLOW, told in found.message) == (bool(told), True)


def test_without_the_policys_word_both_commits_are_told() -> None:
    found = judge_writer(facts(writer=replace(PEOPLE, copied_from="staging", upstream=SOURCE)))
    assert "one commit here, and one that takes back aaaaaaaaaaaa on main" in found.message
    assert "git switch main && git revert aaaaaaaaaaaa" in found.remedy


def test_a_generated_file_that_goes_back_with_its_sources_is_ours_to_write() -> None:
    generated = a_file("# Code generated by x. DO NOT EDIT.\n" + DEPLOYMENT, DEPLOYMENT)
    anew = a_reversal(rendered=(Rendered("render", (generated.path,)),))
    assert judge_writer(facts(files=(generated,), reversal=anew)).result is GuardResult.ALLOW
    other = a_reversal(rendered=(Rendered("render", ("another",)),))
    assert reason_of(judge_writer(facts(files=(generated,), reversal=other))) is Reason.WRITTEN_BY_ANOTHER


def test_a_file_that_says_it_is_generated_is_written_by_another() -> None:
    generated = a_file("# Code generated by x. DO NOT EDIT.\n" + DEPLOYMENT, DEPLOYMENT)
    assert reason_of(judge_writer(facts(files=(generated,)))) is Reason.WRITTEN_BY_ANOTHER


@pytest.mark.parametrize("missing", ["writer", "files"])
def test_a_writer_that_cannot_be_seen_asks(missing: str) -> None:
    assert reason_of(judge_writer(facts(**{missing: None}))) is Reason.WRITTEN_BY_ANOTHER


def test_kargos_own_command_is_the_remedy() -> None:
    annotations = {"kargo.akuity.io/authorized-stage": "shop:prod"}
    found = judge_writer(facts(writer=replace(PEOPLE, annotations=annotations)))
    assert found.remedy.startswith("kargo promote --project shop --stage prod")


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ("dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>", True),
        (BOT, True),
        ("Talbot Smith <talbot@example.com>", False),
        ("Ann <123+ann@users.noreply.github.com>", False),
    ],
)
def test_machines_are_known_by_name(author: str, expected: bool) -> None:
    assert is_machine(author) is expected


COPIES = {
    "from-the-folder-beside": ("envs/prod/web.yaml", ["envs/staging/web.yaml"], "envs/staging"),
    "another-file": ("envs/prod/web.yaml", ["envs/prod/api.yaml"], ""),
    "other-depth": ("envs/prod/web.yaml", ["staging/web.yaml"], ""),
    "nowhere": ("envs/prod/web.yaml", [], ""),
}


@pytest.mark.parametrize(("path", "elsewhere", "expected"), COPIES.values(), ids=COPIES)
def test_a_copy_promotion_is_found_by_contents(path: str, elsewhere: list[str], expected: str) -> None:
    assert copied_from([a_change(path)], lambda _blob: elsewhere) == expected


def test_all_files_must_be_copied_from_the_same_folder() -> None:
    changes = [a_change("prod/a.yaml", new="1" * 40), a_change("prod/b.yaml", new="2" * 40)]
    stood = {"1" * 40: ["staging/a.yaml"], "2" * 40: ["dev/b.yaml"]}
    assert copied_from(changes, lambda blob: stood[blob]) == ""


def a_scaler(low: int = 2, high: int = 10, name: str = "checkout") -> dict[str, object]:
    target = {"kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": low, "maxReplicas": high}
    metadata = {"name": "checkout", "namespace": "shop"}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def values(before: str, after: str) -> tuple[Any, ...]:
    return (a_file(before, after, "apps/payments/values.yaml"),)


SCALER_FILE = (
    "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {maxReplicas: 20}\n"
)
RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "as-in-git": ({}, ""),
    "scaled-up-without-a-scaler": ({"live": (live(a_live_deployment(9)),)}, ""),
    "scaled-up-by-a-scaler": ({"live": (live(a_live_deployment(9)), live(a_scaler()))}, "from 9 replicas"),
    "at-gits-count": ({"live": (live(a_live_deployment(3)), live(a_scaler()))}, ""),
    "scaler-of-another-workload": ({"live": (live(a_live_deployment(9)), live(a_scaler(name="api")))}, ""),
    "engine-keeps-replicas": (
        {"live": (live(a_live_deployment(9)), live(a_scaler())), "keeps_replicas": True},
        "",
    ),
    "scalers-maximum": ({"live": (live(a_scaler(2, 20), a_scaler(2, 10)),)}, "maxReplicas would go from 20 to 10"),
    "scalers-minimum-rises": ({"live": (live(a_scaler(2), a_scaler(4)),)}, ""),
    "values-maximum": ({"files": values("web: {maxReplicas: 20}", "web: {maxReplicas: 10}")}, "from 20 to 10"),
    "values-requests": (
        {"files": values("resources: {requests: {cpu: 1}}", "resources: {requests: {cpu: 500m}}")},
        "from 1 to 500m",
    ),
    "values-requests-rise": (
        {"files": values("resources: {requests: {memory: 1Gi}}", "resources: {requests: {memory: 2048Mi}}")},
        "",
    ),
    "values-replicas-with-a-scaler": (
        {"files": values("replicaCount: 6", "replicaCount: 3"), "live": (live(a_scaler()),)},
        "from 6 to 3",
    ),
    "values-replicas-without": ({"files": values("replicaCount: 6", "replicaCount: 3")}, ""),
    "weight": ({"files": values("weight: 50", "weight: 0")}, "from 50 to 0"),
    "more-disruption": ({"files": values("pdb: {maxUnavailable: 1}", "pdb: {maxUnavailable: 2}")}, "from 1 to 2"),
    "rolling-update-is-no-capacity": (
        {"files": values("rollingUpdate: {maxUnavailable: 1}", "rollingUpdate: {maxUnavailable: 2}")},
        "",
    ),
    "scaler-that-is-not-there-yet": (
        {"files": (a_file(SCALER_FILE, SCALER_FILE.replace("20", "10"), "hpa.yaml"),)},
        "maxReplicas would go from 20 to 10",
    ),
    "template": ({"files": values("maxReplicas: {{ .a }}", "maxReplicas: 1")}, ""),
    "cannot-see-the-cluster": ({"live": None}, "cannot be seen"),
    "cannot-see-the-files": ({"files": None}, "cannot be seen"),
}


@pytest.mark.parametrize(("given", "said"), RUNS.values(), ids=RUNS)
def test_capacity_in_use_is_not_taken_away(given: dict[str, Any], said: str) -> None:
    found = judge_capacity(facts(**given))
    assert reason_of(found) is (Reason.CAPACITY if said else None)
    assert said in found.message


def test_a_policy_may_deny_what_capacity_asks() -> None:
    rule = GuardRule("room", "capacity", GuardResult.DENY)
    assert judge_capacity(facts(live=None)).result is GuardResult.ASK
    scaled = (live(a_live_deployment(9)), live(a_scaler()))
    assert judge_capacity(facts(live=scaled, policy=a_policy(rule))).result is GuardResult.DENY


@pytest.mark.parametrize(
    ("one", "other"), [("1", "1000m"), ("1Gi", "1024Mi"), ("50%", "50"), (3, "3"), ("1k", 1000), ("0.5", "500m")]
)
def test_quantities_compare_by_value(one: object, other: object) -> None:
    assert quantity(one) == quantity(other)
    assert quantity("many") is None
    assert quantity(True) is None


def rolled(minutes: float, automatic: bool = True, name: str = APPLICATION, repository: str = "shop/config") -> Any:
    return CountedRollback(NOW - timedelta(minutes=minutes), (name,), repository, automatic)


def elsewhere(count: int, minutes: float, repository: str = "shop/config") -> tuple[CountedRollback, ...]:
    return tuple(rolled(minutes, name=f"app-{index}", repository=repository) for index in range(count))


BUDGETS: dict[str, tuple[tuple[CountedRollback, ...] | None, str]] = {
    "unspent": ((), ""),
    "application-inside-30-minutes": ((rolled(29.9),), APPLICATION),
    "application-at-30-minutes": ((rolled(30),), ""),
    "application-twice-a-day": ((rolled(60), rolled(1439)), APPLICATION),
    "application-a-day-ago": ((rolled(60), rolled(1440)), ""),
    "a-persons-do-not-count": ((rolled(1, automatic=False),), ""),
    "after-a-clock-jump": ((rolled(-90),), APPLICATION),
    "repository-four-an-hour": (elsewhere(4, 59), "repository shop/config"),
    "repository-three": (elsewhere(3, 59), ""),
    "controller-three-in-ten-minutes": (elsewhere(3, 9, "other/repo"), "this controller"),
    "controller-ten-a-day": (elsewhere(10, 700, "other/repo"), "this controller"),
    "controller-nine-a-day": (elsewhere(9, 700, "other/repo"), ""),
    "cannot-see": (None, "cannot be read"),
}


@pytest.mark.parametrize(("rollbacks", "said"), BUDGETS.values(), ids=BUDGETS)
def test_each_scope_has_its_budget(rollbacks: tuple[CountedRollback, ...] | None, said: str) -> None:
    found = judge_budgets(facts(rollbacks=rollbacks))
    assert reason_of(found) is (Reason.BUDGET_SPENT if said else None)
    assert said in found.message


@pytest.mark.parametrize(
    ("rollbacks", "reason"),
    [
        pytest.param((), None, id="none"),
        pytest.param((rolled(4.9),), Reason.COOLDOWN, id="inside"),
        pytest.param((rolled(5),), None, id="at-its-end"),
        pytest.param((rolled(1, automatic=False),), Reason.COOLDOWN, id="a-persons-counts-too"),
        pytest.param(elsewhere(1, 1), None, id="another-application"),
        pytest.param(None, Reason.COOLDOWN, id="cannot-see"),
    ],
)
def test_after_any_rollback_the_application_rests(rollbacks: Any, reason: Reason | None) -> None:
    policy = a_policy(timing=Timing(cooldown=timedelta(minutes=5)))
    assert reason_of(judge_cooldown(facts(rollbacks=rollbacks, policy=policy))) is reason


POLICY_FILE = ".gitops-rollback/policies/payments.yaml"


def gated(*paths: str, culprit: tuple[FileChange, ...] = (), mode: str = "100644") -> GuardFacts:
    named = tuple(Explanation(path, None, None, "a person must see it", "look") for path in paths)
    plain = a_reversal(FILE, *paths, gate_reason=Reason.PROTECTED_PATH, explained=named)
    changes = tuple(replace(change, new_mode=mode) for change in plain.changes)
    reversal = replace(plain, changes=changes)
    return facts(reversal=reversal, suspects=(replace(a_commit(), changes=(a_change(FILE), *culprit)),))


def test_what_git_can_do_and_a_person_must_see_asks() -> None:
    assert reason_of(judge_gate(facts())) is None
    assert reason_of(judge_gate(gated(".github/workflows/a.yaml"))) is Reason.PROTECTED_PATH
    assert reason_of(judge_gate(gated())) is Reason.PROTECTED_PATH


BUMP = ChangedFile(FILE, b"image: {repository: a/b, tag: 1}\n", b"image: {repository: a/b, tag: 2}\n")
SUPERSEDED: dict[str, tuple[str, tuple[ChangedFile, ...] | None, Reason | None]] = {
    "the policy does not say": ("ask", (BUMP,), Reason.SUPERSEDES),
    "versions alone": ("allow-version-bumps", (BUMP,), None),
    "an image reference": (
        "allow-version-bumps",
        (ChangedFile(FILE, b"image: a/b:1\n", b"image: a/b:2@sha256:ab\n"),),
        None,
    ),
    "another image": (
        "allow-version-bumps",
        (ChangedFile(FILE, b"image: a/b:1\n", b"image: a/c:1\n"),),
        Reason.SUPERSEDES,
    ),
    "a version and more": (
        "allow-version-bumps",
        (BUMP, ChangedFile(FILE, b"replicas: 1\n", b"replicas: 2\n")),
        Reason.SUPERSEDES,
    ),
    "a new file": ("allow-version-bumps", (ChangedFile(FILE, None, b"tag: 1\n"),), Reason.SUPERSEDES),
    "not readable": ("allow-version-bumps", (ChangedFile(FILE, b"a: {{", b"a: {{ 1"),), Reason.SUPERSEDES),
    "not read": ("allow-version-bumps", (ChangedFile(FILE, None, None, "too large"),), Reason.SUPERSEDES),
    "not seen": ("allow-version-bumps", None, Reason.SUPERSEDES),
}


@pytest.mark.parametrize(("superseding", "files", "reason"), SUPERSEDED.values(), ids=SUPERSEDED)
def test_what_later_commits_set_goes_back_only_where_the_policy_lets_versions_go(
    superseding: str, files: tuple[ChangedFile, ...] | None, reason: Reason | None
) -> None:
    reversal = a_reversal(FILE, superseded=("c" * 40,))
    found = judge_superseded(facts(reversal=reversal, superseded_files=files, policy=a_policy(superseding=superseding)))
    assert reason_of(found) is reason
    assert "c" * 12 in found.message
    assert reason_of(judge_superseded(facts(superseded_files=files))) is None


@pytest.mark.parametrize(
    ("applications", "reason"),
    [(("shop",), None), (("shop", "till"), Reason.SUPERSEDES), (None, Reason.SUPERSEDES)],
    ids=["of one application", "of several", "of nobody knows whom"],
)
def test_a_file_that_goes_back_as_a_whole_must_be_one_application_s(
    applications: tuple[str, ...] | None, reason: Reason | None
) -> None:
    allowed = a_policy(superseding="allow-version-bumps")
    reversal = a_reversal(FILE, superseded=("c" * 40,), whole=("a.yaml",))
    known = facts(reversal=reversal, superseded_files=(BUMP,), policy=allowed, applications=applications)
    assert reason_of(judge_superseded(known)) is reason


def test_a_policy_that_came_with_the_bad_image_goes_back_with_it() -> None:
    """Attack A1: it could else protect each bad image by a change of the policy beside it."""
    found = judge_gate(gated(POLICY_FILE, culprit=(a_change(POLICY_FILE),)))
    assert reason_of(found) is None
    assert "policy" in found.message


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(gated(POLICY_FILE), id="not-the-culprits"),
        pytest.param(gated(POLICY_FILE, culprit=(a_change(POLICY_FILE, old="9" * 40),)), id="other-contents-come-back"),
        pytest.param(gated(POLICY_FILE, culprit=(a_change(POLICY_FILE, new="9" * 40),)), id="changed-again-since"),
        pytest.param(gated(FILE), id="no-policy"),
        pytest.param(gated(POLICY_FILE, culprit=(a_change(POLICY_FILE),), mode="120000"), id="a-link"),
        pytest.param(
            gated(POLICY_FILE, ".github/workflows/a.yaml", culprit=(a_change(POLICY_FILE),)), id="beside-a-ci-file"
        ),
    ],
)
def test_any_other_change_of_a_policy_asks(given: GuardFacts) -> None:
    assert reason_of(judge_gate(given)) is Reason.PROTECTED_PATH


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (PlanOutcome.CLEAN, None),
        (PlanOutcome.EMPTY, None),
        (PlanOutcome.CONFLICT, Reason.REVERT_CONFLICT),
        (PlanOutcome.REFUSED, Reason.REVERT_CONFLICT),
    ],
)
def test_an_inverse_that_cannot_be_built_asks(outcome: PlanOutcome, reason: Reason | None) -> None:
    assert reason_of(judge_conflict(facts(reversal=a_reversal(outcome=outcome)))) is reason


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("push", None), ("suggest", Reason.SUGGEST_ONLY), ("pull-request", Reason.NO_FORGE)],
)
def test_the_policy_decides_whether_we_push(mode: str, reason: Reason | None) -> None:
    assert reason_of(judge_delivery(facts(policy=a_policy(delivery=Delivery(mode))))) is reason


def test_a_pull_request_needs_nobody_where_there_is_a_forge_for_it() -> None:
    assert reason_of(judge_delivery(facts(policy=a_policy(delivery=Delivery("pull-request")), forge=True))) is None


def test_a_policy_that_counts_on_what_is_not_built_asks() -> None:
    assert reason_of(judge_unbuilt(facts())) is None
    found = judge_unbuilt(facts(policy=a_policy(unbuilt=("spec.costs",))))
    assert reason_of(found) is Reason.FEATURE_NOT_BUILT
    assert "spec.costs" in found.message
