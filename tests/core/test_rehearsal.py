"""Was a rollback of these very contents practised? Names and tags prove nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from plan_facts import FILE, NOW, a_file, a_policy, a_reversal, a_target, facts, sha

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.rehearsed import judge_rehearsal
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import ApplicationRef, GuardResult, Target
from gitops_rollback.core.rehearsal import MOST, Rehearsal, Stage, Version, digests_of, practised_on, rehearsal_of
from gitops_rollback.core.rollback import DRILL, Phase, RollbackOutcome, RollbackRecord, StepRecord

STAGE = "default/Application/argocd/checkout-staging"
BAD, GOOD, OTHER = (f"sha256:{digit * 64}" for digit in "abc")
MANIFEST = "kind: Deployment\nspec: {{replicas: {replicas}, containers: [{{image: 'example/web:1@{digest}'}}]}}\n"


def manifest(digest: str, replicas: int = 2) -> bytes:
    return MANIFEST.format(digest=digest, replicas=replicas).encode()


def a_record(**fields: Any) -> RollbackRecord:
    plain = RollbackRecord(
        "rb-1", (STAGE,), "argocd", "shop/config", sha("b"), sha("a"), "p@1", ("errors",), (sha("b"),), Phase.DONE,
        steps=(StepRecord(1, 1, sha("c")),), outcome=RollbackOutcome.VERIFIED, times={"verified": NOW},
    )  # fmt: skip
    return replace(plain, **fields)


RUNS = Version(FILE, "blob-bad", manifest(BAD), manifest(GOOD))


@pytest.mark.parametrize(
    ("version", "blobs", "digests", "known"),
    [
        pytest.param(RUNS, {"blob-bad"}, set(), True, id="the-same-file"),
        pytest.param(RUNS, {"blob-good"}, set(), False, id="another-file"),
        pytest.param(RUNS, set(), {BAD}, True, id="the-digest"),
        pytest.param(RUNS, set(), {GOOD, OTHER}, False, id="another-digest"),
        pytest.param(replace(RUNS, back=manifest(GOOD, 3)), set(), {BAD}, False, id="more-than-the-image-differs"),
        pytest.param(replace(RUNS, running=b"image: w:2\n", back=b"image: w:1\n"), set(), {BAD}, False, id="tags"),
        pytest.param(replace(RUNS, running=b"a: [", back=b"a: 1\n"), set(), {BAD}, False, id="unreadable"),
        pytest.param(replace(RUNS, blob=None, running=None), {"blob-bad"}, {BAD}, False, id="a-file-that-was-removed"),
    ],
)
def test_contents_count_and_nothing_else(version: Version, blobs: set[str], digests: set[str], known: bool) -> None:
    one = Rehearsal("rb-1", NOW, frozenset(blobs), frozenset(digests))
    found, lacking = rehearsal_of([version], [one])
    assert (found, lacking) == ((one, "") if known else (None, FILE))


def test_all_files_must_have_been_practised_together() -> None:
    halves = [Rehearsal(f"rb-{name}", NOW, frozenset({name})) for name in ("one", "two")]
    versions = [Version(f"{name}.yaml", name, b"a: 1\n", b"a: 2\n") for name in ("one", "two")]
    assert rehearsal_of(versions, halves) == (None, "two.yaml")
    assert rehearsal_of((), halves) == (None, "")


def test_only_digests_of_images_are_digests() -> None:
    assert digests_of([manifest(BAD), b"image: web:1.2\n", b"checksum: 'sha256:1'\n", b"a: ["]) == {BAD}


def test_what_was_rolled_back_and_verified_was_practised_at_its_bad_revision() -> None:
    (one,) = practised_on(STAGE, [a_record()])
    assert (one.revision, one.reverts, one.drill) == (sha("b"), (sha("b"),), False)


def test_a_drill_practises_what_it_came_back_to() -> None:
    (one,) = practised_on(STAGE, [a_record(evidence={DRILL: "dr-1"})])
    assert (one.revision, one.drill) == (sha("c"), True)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"outcome": RollbackOutcome.UNVERIFIED}, id="not-verified"),
        pytest.param({"outcome": None, "phase": Phase.VERIFYING}, id="not-ended"),
        pytest.param({"steps": ()}, id="nothing-landed"),
        pytest.param({"applications": ("default/Application/argocd/other",)}, id="elsewhere"),
        pytest.param({"times": {}}, id="nobody-knows-when"),
    ],
)
def test_anything_less_is_no_rehearsal(fields: dict[str, object]) -> None:
    assert practised_on(STAGE, [a_record(**fields)]) == ()


def test_the_newest_ones_are_compared() -> None:
    records = [a_record(id=f"rb-{n}", times={"verified": NOW + timedelta(hours=n)}) for n in range(MOST + 2)]
    assert [one.by for one in practised_on(STAGE, records)] == [f"rb-{n}" for n in range(MOST + 1, 1, -1)]


PRODUCTION = a_target(rehearse="checkout-staging")
REQUIRED = a_policy(require_rehearsal=True)
DONE = Stage(STAGE, (Rehearsal("rb-1", NOW, frozenset({"b" * 40})),))
BLOB = a_reversal().changes[0].old_blob or ""


def judged(**fields: Any) -> GuardAnswer:
    return judge_rehearsal(facts(**{"target": PRODUCTION, "policy": REQUIRED, **fields}))


def test_what_was_practised_may_go_back_by_itself_and_the_plan_says_by_what() -> None:
    answer = judged(stage=Stage(STAGE, (Rehearsal("rb-1", NOW, frozenset({BLOB})),)))
    assert answer.result is GuardResult.ALLOW
    assert "practised on checkout-staging" in answer.message
    assert "rb-1" in answer.message


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        pytest.param({"stage": Stage(STAGE)}, "nothing was yet", id="never"),
        pytest.param({"stage": Stage(STAGE, (Rehearsal("rb-1", NOW, frozenset()),))}, f"{FILE} was not", id="others"),
        pytest.param({"stage": None}, "cannot be told", id="unseen"),
        pytest.param({"stage": DONE, "files": None}, "cannot be read", id="unread"),
        pytest.param({"stage": DONE, "target": a_target()}, "does not say where", id="no-place"),
    ],
)
def test_all_else_asks_where_the_policy_requires_one_and_is_only_said_where_not(
    fields: dict[str, object], why: str
) -> None:
    answer = judged(**fields)
    assert (answer.result, answer.reason) == (GuardResult.ASK, Reason.NOT_REHEARSED)
    assert why in answer.message
    assert judged(**{**fields, "policy": a_policy()}).result is GuardResult.ALLOW


@pytest.mark.parametrize("skips", [True, False])
def test_a_plan_that_skips_flaggers_analysis_is_practised_only_where_that_was_skipped_too(skips: bool) -> None:
    stage = Stage(STAGE, (Rehearsal("rb-1", NOW, frozenset({BLOB}), skips=skips),))
    assert judged(stage=stage, skipped="cart").result is (GuardResult.ALLOW if skips else GuardResult.ASK)
    assert judged(stage=stage, skipped="cart", policy=a_policy()).result is GuardResult.ALLOW
    assert judged(stage=stage).result is GuardResult.ALLOW


def test_documentation_that_goes_along_needs_no_rehearsal() -> None:
    stage = Stage(STAGE, (Rehearsal("rb-1", NOW, frozenset({BLOB})),))
    files = (a_file("kind: A\n", "kind: B\n"), a_file("new\n", "old\n", path="README.md"))
    assert judged(stage=stage, reversal=a_reversal(FILE, "README.md"), files=files).result is GuardResult.ALLOW


@pytest.mark.parametrize("named", ["payments-prod", "default/Application/argocd/payments-prod"])
def test_where_others_are_rehearsed_needs_no_rehearsal_itself(named: str) -> None:
    other = Target("other", "argocd", ApplicationRef("argocd", "other"), rehearse=named)
    policy = replace(REQUIRED, targets=(a_target(), other))
    assert judged(policy=policy, target=a_target()).result is GuardResult.ALLOW
