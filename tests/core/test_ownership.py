"""Which commits are ours, and what was rolled back before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plan_facts import APPLICATION, CULPRIT, FILE, NOW, a_change, a_commit

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.offer import Offer
from gitops_rollback.core.ownership import about_to_roll_back, ours, record_of, rolled_back_before
from gitops_rollback.core.rollback import PULL_REQUEST, Phase, RollbackOutcome, RollbackRecord, StepRecord

OLD, NEW = "a" * 40, "b" * 40
PUSHED = "c1" * 20
OURS = (
    'Revert "x"\n\nRollback-Id: rb-1\nRollback-Application: {app}\nRollback-Reverts: {culprit}\n'
    "Rollback-Bad-Revision: {bad}\nRollback-Requested-By: {by}\n"
)


def a_record(**fields: Any) -> RollbackRecord:
    plain = RollbackRecord(
        id="rb-1",
        applications=(APPLICATION,),
        engine="argocd",
        repository="shop/config",
        bad_revision="d" * 40,
        restores="5" * 40,
        policy="policies/a.yaml@5",
        triggers=("t",),
        reverts=(CULPRIT,),
        phase=Phase.DONE,
        steps=(StepRecord(1, 1, PUSHED, {FILE: OLD}, NOW),),
    )
    return replace(plain, **fields)


def a_landing(sha: str = "e" * 40, *, message: str = "Squashed", **blobs: str | None) -> Commit:
    changes = tuple(a_change(path, NEW, blob) for path, blob in ({FILE: OLD} | blobs).items())
    return replace(a_commit(sha, message=message), changes=changes)


def forged(by: str = "controller") -> str:
    return OURS.format(app=APPLICATION, culprit=CULPRIT, bad="d" * 40, by=by)


LANDINGS: dict[str, tuple[Commit, bool | None, bool]] = {
    "pushed-as-recorded": (a_landing(PUSHED), None, True),
    "squashed-with-another-message": (a_landing(), None, True),
    "copied-by-a-person": (a_landing(message="I took it back"), False, True),
    "signed-by-our-key": (a_commit("7" * 40), True, True),
    "with-one-more-file": (a_landing(**{"b.yaml": OLD}), None, False),
    "with-other-contents": (a_landing(**{FILE: "9" * 40}), None, False),
    "a-foreign-commit": (a_commit("7" * 40), None, False),
    "forged-trailers": (replace(a_commit("7" * 40), message=forged()), None, False),
    "forged-trailers-and-a-foreign-signature": (replace(a_commit("7" * 40), message=forged()), False, False),
}


@pytest.mark.parametrize(("commit", "verified", "expected"), LANDINGS.values(), ids=LANDINGS)
def test_a_commit_is_ours_by_signature_or_contents_and_never_by_its_words(
    commit: Commit, verified: bool | None, expected: bool
) -> None:
    """Attack A9, and each way in which a forge lands a commit."""
    assert ours(commit, (a_record(),), verified) is expected


def test_a_merge_counts_by_its_difference_to_the_first_parent() -> None:
    merge = replace(a_landing(), parents=("1" * 40, "2" * 40))
    assert record_of(merge, (a_record(),)) == a_record()


def test_a_record_without_planned_files_owns_no_empty_commit() -> None:
    empty = replace(a_commit("7" * 40), changes=())
    assert not ours(empty, (a_record(steps=(StepRecord(1, 1, None, {}),)),), None)


def test_a_removed_file_must_be_removed() -> None:
    record = a_record(steps=(StepRecord(1, 1, None, {FILE: None}),))
    assert ours(a_landing(**{FILE: None}), (record,), None)
    assert not ours(a_landing(), (record,), None)


def before(
    *records: RollbackRecord, commits: tuple[Commit, ...] = (), app: str = APPLICATION, bad: str = "d" * 40
) -> str:
    return rolled_back_before(app, bad, (CULPRIT,), "shop/config", records, commits)


PLANNED = (StepRecord(1, 1, None, {FILE: OLD}),)
ONCE: dict[str, tuple[RollbackRecord, dict[str, str], bool]] = {
    "same-application-and-revision": (a_record(reverts=("9" * 40,)), {}, True),
    "same-culprit-for-another-application": (a_record(), {"app": "default/Application/argocd/other"}, True),
    "same-culprit-in-a-newer-revision": (a_record(), {"bad": "f" * 40}, True),
    "other-revision-and-culprit": (a_record(reverts=("9" * 40,)), {"bad": "f" * 40}, False),
    "another-repository": (a_record(repository="shop/other"), {}, False),
    "asked-for-by-a-person": (a_record(requested_by="ann"), {}, False),
    "planned-and-never-pushed": (a_record(steps=PLANNED, phase=Phase.AWAITING_APPROVAL), {}, False),
    "pushed-with-an-unknown-end": (a_record(steps=(StepRecord(1, 1, PUSHED),), phase=Phase.PUSHING), {}, True),
    "aborted-by-a-person-after-the-push": (a_record(reason="Aborted", outcome=RollbackOutcome.HELD), {}, True),
    "unverified": (a_record(outcome=RollbackOutcome.UNVERIFIED), {}, True),
}


@pytest.mark.parametrize(("record", "words", "expected"), ONCE.values(), ids=ONCE)
def test_at_most_one_automatic_rollback_for_each_revision_and_culprit(
    record: RollbackRecord, words: dict[str, str], expected: bool
) -> None:
    assert before(record, **words) == ("rb-1" if expected else "")


WAITS: dict[str, Any] = {
    "steps": PLANNED,
    "phase": Phase.AWAITING_APPROVAL,
    "evidence": {PULL_REQUEST: Offer(automatic=True, number=7).document},
}
OFFERED: dict[str, tuple[RollbackRecord, bool]] = {
    "lands-by-itself": (a_record(**WAITS), True),
    "takes-more-back": (a_record(**WAITS | {"reverts": (CULPRIT, "9" * 40)}), True),
    "takes-something-else-back": (a_record(**WAITS | {"reverts": ("9" * 40,)}), False),
    "waits-for-a-word": (a_record(**WAITS | {"evidence": {PULL_REQUEST: Offer(number=7).document}}), False),
    "in-another-repository": (a_record(**WAITS | {"repository": "shop/other"}), False),
    "has-landed": (a_record(**WAITS | {"steps": (StepRecord(1, 1, PUSHED),), "phase": Phase.SYNCING}), False),
    "is-closed": (a_record(**WAITS | {"phase": Phase.DONE}), False),
}


@pytest.mark.parametrize(("record", "expected"), OFFERED.values(), ids=OFFERED)
def test_a_pull_request_on_its_way_keeps_others_from_its_culprits_and_is_no_rollback_yet(
    record: RollbackRecord, expected: bool
) -> None:
    assert about_to_roll_back((CULPRIT,), "shop/config", (record,)) == ("rb-1" if expected else "")
    assert not (expected and before(record, app="default/Application/argocd/other"))


@pytest.mark.parametrize(
    ("message", "words", "expected"),
    [
        pytest.param(forged(), {}, "rb-1", id="same-revision"),
        pytest.param(forged(), {"bad": "f" * 40}, "rb-1", id="same-culprit"),
        pytest.param(forged("ann"), {}, "", id="a-persons"),
        pytest.param("Words only", {}, "", id="no-trailers"),
    ],
)
def test_the_trailers_of_our_own_commits_count_where_the_journal_has_gaps(
    message: str, words: dict[str, str], expected: str
) -> None:
    assert before(commits=(a_commit("7" * 40, message=message),), **words) == expected
