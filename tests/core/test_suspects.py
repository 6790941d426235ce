"""Which commits are blamed, and when nobody may act on it by himself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gitops_rollback.core.certainty import Certainty
from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.deployments import last_good, our_revision, spec_changed
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.ground import Ground
from gitops_rollback.core.paths import Paths
from gitops_rollback.core.ranking import Traces
from gitops_rollback.core.suspects import Attribution, RangeFacts, attribute
from gitops_rollback.core.sync import DeploymentRecord, Source

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW = timedelta(minutes=30)
SOURCE = Source("https://git.example/shop/config", "apps/web", "main")
CHART = Source("https://charts.example", chart="web")
OWN = "apps/web/deployment.yaml"
BASE = "base/deployment.yaml"


def sha(name: str) -> str:
    return (name.encode().hex() * 40)[:40]


def minutes(count: float) -> datetime:
    return T0 + timedelta(minutes=count)


def is_ours(source: Source) -> bool:
    return "shop/config" in source.repo_url


def a_record(name: str, at: float, deployed: bool = True, source: Source = SOURCE) -> DeploymentRecord:
    return DeploymentRecord((sha(name),), (source,), minutes(at), minutes(at + 1) if deployed else None)


def chained(*records: DeploymentRecord) -> tuple[DeploymentRecord, ...]:
    ends = [*(record.started_at for record in records[1:]), None]
    return tuple(replace(record, replaced_at=end) for record, end in zip(records, ends, strict=True))


def a_commit(name: str, *paths: str) -> Commit:
    changes = tuple(FileChange(path, "100644", "100644", sha(f"old{name}"), sha(f"new{name}")) for path in paths)
    return Commit(
        sha(name), (sha("p" + name),), sha("t"), "Ann <a@example.com>", "Ann <a@example.com>", T0, name, changes
    )


def the_last_good(*records: DeploymentRecord, marked: str = "", line: str = "") -> DeploymentRecord | None:
    chain = chained(*records)
    revisions = {sha(name) for name in line.split()} if line else {record.revisions[0] for record in chain}
    return last_good(
        chain[:-1],
        chain[-1],
        in_repository=is_ours,
        window=WINDOW,
        marked={sha(name) for name in marked.split()},
        on_line=revisions.__contains__,
    )


LAST_GOOD: dict[str, tuple[tuple[DeploymentRecord, ...], dict[str, str], str | None]] = {
    "exactly-the-window": ((a_record("a", 0), a_record("b", 60), a_record("c", 90)), {}, "b"),
    "one-second-short": ((a_record("a", 0), a_record("b", 60), a_record("c", 90 - 1 / 60)), {}, "a"),
    "none-lived-long-the-oldest": ((a_record("a", 0), a_record("b", 5), a_record("c", 9)), {}, "a"),
    "rolled-back-before": ((a_record("a", 0), a_record("b", 60), a_record("c", 120)), {"marked": "b"}, "a"),
    "all-marked": ((a_record("a", 0), a_record("b", 60)), {"marked": "a"}, None),
    "off-the-line": ((a_record("a", 0), a_record("x", 60), a_record("c", 120)), {"line": "a c"}, "a"),
    "failed-operation-never-stood": ((a_record("a", 0), a_record("b", 40, False), a_record("c", 80)), {}, "a"),
    "first-deployment": ((a_record("a", 0),), {}, None),
    "re-sync-does-not-shorten-a-life": (
        (a_record("a", 0), a_record("b", 60), a_record("b", 80), a_record("c", 100)),
        {},
        "b",
    ),
}


@pytest.mark.parametrize(("records", "words", "expected"), LAST_GOOD.values(), ids=LAST_GOOD)
def test_last_good_is_the_newest_that_lived_for_the_window(
    records: tuple[DeploymentRecord, ...], words: dict[str, str], expected: str | None
) -> None:
    found = the_last_good(*records, **words)
    assert (found and found.revisions[0]) == (expected and sha(expected))


def test_a_record_whose_sources_disagree_has_no_revision() -> None:
    two = DeploymentRecord((sha("a"), sha("b")), (SOURCE, SOURCE), T0)
    assert our_revision(two, is_ours) is None
    assert our_revision(replace(two, revisions=(sha("a"), sha("a"))), is_ours) == sha("a")


def test_the_chart_of_a_multi_source_application_is_not_our_revision() -> None:
    record = DeploymentRecord(("1.2.3", sha("a")), (CHART, SOURCE), T0)
    assert our_revision(record, is_ours) == sha("a")
    assert our_revision(replace(record, revisions=("1.2.3", "main")), is_ours) is None


def test_the_same_revision_with_other_parameters_is_another_deployment() -> None:
    good = a_record("a", 0)
    assert spec_changed(replace(good, sources=(replace(SOURCE, parameters='{"x":1}'),)), good)
    assert not spec_changed(a_record("b", 9), good)


def a_range(
    commits: tuple[Commit, ...],
    records: tuple[DeploymentRecord, ...],
    ground: Mapping[frozenset[str], Ground | None] | Ground | None = Ground.KNOWN,
    **fields: Any,
) -> RangeFacts:
    chain = chained(*records)

    def ground_after(undone: tuple[Commit, ...]) -> Ground | None:
        if not isinstance(ground, Mapping):
            return ground
        return ground.get(frozenset(commit.subject for commit in undone), Ground.NEW)

    inputs = {commit.sha: commit.subject for commit in commits} | {chain[0].revisions[0]: "good"}
    plain = RangeFacts(
        bad=chain[-1],
        records=chain,
        last_good=chain[0],
        commits=commits,
        onset=minutes(200),
        own=Paths(("apps/web",)),
        applications=(Paths(("apps/web",)), Paths(("apps/other",))),
        in_repository=is_ours,
        ground_after=ground_after,
        inputs=inputs,
    )
    return replace(plain, **fields)


def names(found: Attribution) -> list[str]:
    return [suspect.commit.subject for suspect in found.suspects]


def why(found: Attribution, name: str) -> str:
    return next(sentence for commit, sentence in found.others if commit.subject == name)


GOOD = a_record("g", 0)
A, B, C = (a_commit(name, OWN) for name in "abc")
KNOWN, NEW, BAD = Ground.KNOWN, Ground.NEW, Ground.BAD


def test_the_only_commit_to_the_application_is_blamed() -> None:
    foreign = a_commit("f", "apps/other/deployment.yaml")
    found = attribute(a_range((foreign, A), (GOOD, a_record("f", 190))))
    assert (names(found), found.automatic, found.reason) == (["a"], True, None)
    assert "none of the application's own files" in why(found, "f")
    assert OWN in found.suspects[0].evidence[0]


ONE_SUSPECT = {
    "known": (KNOWN, True, None),
    "never-ran": (NEW, True, None),
    "taken-back": (BAD, False, Reason.UNKNOWN_GROUND),
    "cannot-see": (None, False, Reason.UNKNOWN_GROUND),
}


@pytest.mark.parametrize(("ground", "automatic", "reason"), ONE_SUSPECT.values(), ids=ONE_SUSPECT)
def test_one_suspect_alone_is_undone_unless_it_leads_to_bad_ground(
    ground: Ground | None, automatic: bool, reason: Reason | None
) -> None:
    found = attribute(a_range((A,), (GOOD, a_record("a", 190)), ground))
    assert (names(found), found.automatic, found.reason) == (["a"], automatic, reason)
    assert ("never run" in found.message) == (ground is NEW)


ALL = frozenset("abc")
SEVERAL: dict[str, tuple[dict[frozenset[str], Ground | None], list[str], Reason | None]] = {
    "closest-sync-leads-to-known-ground": ({frozenset("c"): KNOWN, ALL: KNOWN}, ["c"], None),
    "only-two-syncs-do": ({frozenset("c"): BAD, frozenset("cb"): KNOWN}, ["c", "b"], None),
    "only-the-whole-range-does": ({frozenset("c"): BAD, frozenset("cb"): None, ALL: KNOWN}, ["c", "b", "a"], None),
    "none-does": ({}, ["c"], Reason.SEVERAL_SUSPECTS),
    "cannot-see": ({frozenset("c"): None, frozenset("cb"): None, ALL: None}, ["c"], Reason.SEVERAL_SUSPECTS),
}


@pytest.mark.parametrize(("ground", "expected", "reason"), SEVERAL.values(), ids=SEVERAL)
def test_of_several_syncs_the_newest_that_lead_back_to_known_ground_are_undone(
    ground: dict[frozenset[str], Ground | None], expected: list[str], reason: Reason | None
) -> None:
    records = (GOOD, a_record("a", 100), a_record("b", 140), a_record("c", 190))
    found = attribute(a_range((C, B, A), records, ground))
    assert (names(found), found.reason, found.automatic) == (expected, reason, reason is None)
    assert [commit.subject for commit, _ in found.others] == [name for name in "cba" if name not in expected]


@pytest.mark.parametrize(
    ("ground", "reason"),
    [
        pytest.param({frozenset("cba"): KNOWN}, None, id="all-of-it"),
        pytest.param({frozenset("c"): KNOWN}, Reason.SEVERAL_SUSPECTS, id="a-part-would-do-but-is-a-guess"),
    ],
)
def test_several_commits_of_one_sync_go_together_or_a_person_is_asked(
    ground: dict[frozenset[str], Ground | None], reason: Reason | None
) -> None:
    found = attribute(a_range((C, B, A), (GOOD, a_record("c", 190)), ground))
    assert (names(found), found.reason) == (["c", "b", "a"], reason)


@pytest.mark.parametrize(
    ("onset", "expected"),
    [pytest.param(190, ["c"], id="at-its-start"), pytest.param(189.9, ["b"], id="before-its-start")],
)
def test_what_was_deployed_after_the_onset_is_not_blamed(onset: float, expected: list[str]) -> None:
    records = (GOOD, a_record("b", 140), a_record("c", 190))
    found = attribute(a_range((C, B), records, onset=minutes(onset)))
    assert names(found) == expected


def test_a_commit_dated_in_the_future_is_placed_by_its_deployment() -> None:
    skewed = replace(A, committed_at=minutes(900))
    assert names(attribute(a_range((skewed,), (GOOD, a_record("a", 190))))) == ["a"]


def test_a_failed_sync_brings_its_commits_too() -> None:
    records = (GOOD, a_record("b", 140, deployed=False), a_record("c", 190))
    found = attribute(a_range((C, B), records, {frozenset("c"): BAD, frozenset("cb"): KNOWN}))
    assert found.suspects[1].record.started_at == minutes(140)


def test_our_own_commit_is_never_a_suspect() -> None:
    found = attribute(a_range((A,), (GOOD, a_record("a", 190)), our_commits=frozenset({A.sha})))
    assert (names(found), found.automatic, found.reason) == ([], False, Reason.OUR_OWN_COMMIT)


def test_a_failure_right_after_our_commit_is_for_a_person_even_with_other_suspects() -> None:
    records = (GOOD, a_record("a", 140), a_record("b", 190))
    found = attribute(a_range((B, A), records, our_commits=frozenset({B.sha})))
    assert (names(found), found.automatic, found.reason) == (["a"], False, Reason.OUR_OWN_COMMIT)


def test_our_rollback_of_another_application_explains_nothing_here() -> None:
    elsewhere = a_commit("b", "apps/api/deployment.yaml")
    records = (GOOD, a_record("b", 190))
    facts = a_range((elsewhere, A), records, our_commits=frozenset({elsewhere.sha}))
    found = attribute(replace(facts, applications=(*facts.applications, Paths(("apps/api/**",)))))
    assert (names(found), found.automatic, found.reason) == (["a"], True, None)


def test_a_new_commit_after_our_rollback_may_be_undone_again() -> None:
    records = (GOOD, a_record("a", 140), a_record("b", 160), a_record("c", 190))
    inputs = {GOOD.revisions[0]: "good", A.sha: "bad", B.sha: "good", C.sha: "other"}
    found = attribute(a_range((C, B, A), records, our_commits=frozenset({B.sha}), inputs=inputs))
    assert (names(found), found.automatic) == (["c"], True)
    assert "taken back by" in why(found, "a")


def test_a_forged_revert_of_a_person_is_judged_by_its_contents() -> None:
    """Attack A9: the words and trailers of a rollback neither protect a commit nor accuse it."""
    message = f'Revert "x"\n\nThis reverts commit {sha("g")}.\n\nRollback-Id: rb-0123456789abcdef\n'
    forged = replace(A, message=message)
    found = attribute(a_range((forged,), (GOOD, a_record("a", 190))))
    assert [suspect.commit.sha for suspect in found.suspects] == [A.sha]
    assert found.automatic


def test_a_policy_shipped_with_the_bad_image_does_not_protect_it() -> None:
    """Attack A1: the commit is a suspect like any other, and the policy change is named."""
    both = a_commit("a", OWN, ".gitops-rollback/policies/web.yaml")
    found = attribute(a_range((both,), (GOOD, a_record("a", 190))))
    assert found.automatic
    assert "policy" in found.suspects[0].evidence[-1]
    plain = attribute(a_range((A,), (GOOD, a_record("a", 190))))
    assert not any("policy" in sentence for sentence in plain.suspects[0].evidence)


def restoring(*states: str) -> dict[str, str]:
    return dict(zip((GOOD.revisions[0], A.sha, B.sha, C.sha), states, strict=False))


def test_a_persons_revert_is_found_by_content_and_never_undone_by_itself() -> None:
    records = (GOOD, a_record("a", 140), a_record("b", 190))
    found = attribute(a_range((B, A), records, inputs=restoring("good", "bad", "good")))
    assert (names(found), found.automatic, found.reason) == ([], False, Reason.RESTORES_EARLIER_TREE)
    assert "taken back" in why(found, "a")


def test_a_tree_from_before_the_last_good_is_a_restored_one_too() -> None:
    facts = a_range((A,), (GOOD, a_record("a", 190)), inputs=restoring("good", "ancient"))
    assert attribute(facts).automatic
    found = attribute(replace(facts, earlier_inputs=frozenset({"ancient"})))
    assert (found.automatic, found.reason) == (False, Reason.RESTORES_EARLIER_TREE)


def test_commits_that_leave_the_application_alone_need_no_inputs() -> None:
    foreign = a_commit("f", "apps/other/x.yaml")
    inputs = restoring("good", "bad", "good")
    found = attribute(a_range((B, foreign, A), (GOOD, a_record("b", 190)), inputs=inputs))
    assert found.reason is Reason.RESTORES_EARLIER_TREE


@pytest.mark.parametrize(
    ("ground", "reason"),
    [pytest.param(KNOWN, None, id="known"), pytest.param(NEW, Reason.RESTORES_EARLIER_TREE, id="never-ran")],
)
def test_beside_a_restoring_commit_of_the_same_sync_only_known_ground_will_do(
    ground: Ground, reason: Reason | None
) -> None:
    inputs = restoring("good", "bad", "good", "other")
    found = attribute(a_range((C, B, A), (GOOD, a_record("c", 190)), ground, inputs=inputs))
    assert (names(found), found.reason) == (["c"], reason)


@pytest.mark.parametrize("missing", [A.sha, GOOD.revisions[0]], ids=["after-the-suspect", "at-the-last-good"])
def test_inputs_that_cannot_be_read_are_no_ground_to_act(missing: str) -> None:
    inputs = {name: state for name, state in restoring("good", "bad").items() if name != missing}
    found = attribute(a_range((A,), (GOOD, a_record("a", 190)), inputs=inputs))
    assert (names(found), found.automatic, found.reason) == (["a"], False, Reason.UNKNOWN_GROUND)


SHARED = {
    "base": (BASE, False),
    "root-file": ("values.yaml", False),
    "another-application": ("apps/other/x.yaml", True),
    "readme": ("base/README.md", True),
    "docs": ("docs/architecture.yaml", True),
    "ci": (".github/workflows/ci.yaml", True),
    "policy": (".gitops-rollback/policies/web.yaml", True),
}


@pytest.mark.parametrize(("path", "automatic"), SHARED.values(), ids=SHARED)
def test_shared_files_in_the_range_forbid_acting_alone(path: str, automatic: bool) -> None:
    facts = a_range((a_commit("s", path), A), (GOOD, a_record("s", 190)))
    found = attribute(facts)
    assert (names(found), found.automatic) == (["a"], automatic)
    assert found.reason is (None if automatic else Reason.SHARED_INPUTS_CHANGED)


def test_a_range_of_shared_files_alone_says_so() -> None:
    found = attribute(a_range((a_commit("s", BASE),), (GOOD, a_record("s", 190))))
    assert (names(found), found.reason) == ([], Reason.SHARED_INPUTS_CHANGED)
    assert "outside of every" in why(found, "s")


def test_paths_that_the_policy_names_are_the_applications_own() -> None:
    found = attribute(a_range((a_commit("s", BASE),), (GOOD, a_record("s", 190)), own=Paths(("base/**",))))
    assert (names(found), found.automatic) == (["s"], True)


def test_documentation_in_the_applications_directory_is_not_blamed() -> None:
    found = attribute(a_range((a_commit("d", "apps/web/README.md"),), (GOOD, a_record("d", 190))))
    assert (names(found), found.reason) == ([], Reason.NO_SUSPECT)


def test_without_an_earlier_deployment_nobody_acts() -> None:
    facts = a_range((A,), (GOOD, a_record("a", 190)), last_good=None)
    found = attribute(replace(facts, records=facts.records[1:]))
    assert (found.suspects, found.automatic, found.reason) == ((), False, Reason.NO_LAST_GOOD)


def test_a_bad_revision_off_the_line_of_all_earlier_ones_is_only_suggested() -> None:
    found = attribute(a_range((A,), (GOOD, a_record("a", 190)), last_good=None))
    assert (found.automatic, found.reason) == (False, Reason.NOT_FIRST_PARENT)


def test_a_changed_spec_at_the_same_revision_has_no_commit_to_undo() -> None:
    bad = replace(a_record("g", 190), sources=(replace(SOURCE, parameters='{"images":["web:2"]}'),))
    assert attribute(a_range((), (GOOD, bad))).reason is Reason.NO_COMMIT
    assert attribute(a_range((), (GOOD, a_record("g", 190)))).reason is Reason.NO_SUSPECT


READ = {OWN: "source of web", BASE: "resources of apps/web/kustomization.yaml"}
FOLLOWED = Paths(("apps/web",), frozenset({BASE}))


def followed(*commits: Commit, **fields: Any) -> Attribution:
    """Of a range whose inputs are all known."""
    return attribute(a_range(commits, (GOOD, a_record(commits[0].subject, 100)), own=FOLLOWED, read=READ, **fields))


def test_a_base_that_the_application_reads_is_a_suspect_with_the_reason_why() -> None:
    found = followed(a_commit("b", BASE))
    assert (names(found), found.automatic) == (["b"], True)
    assert f"{BASE} (resources of apps/web/kustomization.yaml)" in found.suspects[0].evidence[0]


def test_where_all_inputs_are_known_what_lies_outside_holds_nothing_back() -> None:
    found = followed(B, a_commit("a", "base/other.yaml"))
    assert (names(found), found.automatic) == (["b"], True)
    assert "inputs" in why(found, "a")


def test_a_range_outside_of_every_input_says_so() -> None:
    found = followed(a_commit("b", "base/other.yaml"))
    assert (names(found), found.automatic, found.reason) == ([], False, Reason.OUTSIDE_INPUTS)
    assert followed(a_commit("b", "README.md")).reason is Reason.NO_SUSPECT


def test_what_nothing_renders_in_its_own_directory_is_for_a_person() -> None:
    unread = a_commit("b", "apps/web/notes.txt")
    assert (followed(unread).automatic, followed(unread).reason) == (False, Reason.OUTSIDE_INPUTS)
    both = followed(unread, A)
    assert (names(both), both.automatic) == (["b", "a"], True)


def test_a_doubt_about_the_inputs_stands_in_the_evidence_and_leaves_the_outside_to_a_person() -> None:
    found = followed(B, a_commit("a", "base/other.yaml"), doubt="x.yaml cannot be read")
    assert (found.automatic, found.reason) == (False, Reason.SHARED_INPUTS_CHANGED)
    assert "x.yaml cannot be read" in found.message
    assert any("x.yaml cannot be read" in sentence for sentence in found.suspects[0].evidence)
    assert followed(B, doubt="x.yaml cannot be read").automatic


def test_a_file_that_a_commit_changes_for_others_alone_makes_it_no_suspect() -> None:
    found = followed(B, A, unconcerned={A.sha: {OWN}})
    assert names(found) == ["b"]
    assert why(found, "a")


def test_every_candidate_is_ranked_also_one_that_is_not_undone() -> None:
    early, late = a_record("a", 40), a_record("b", 100)
    both = frozenset({"b"})
    found = attribute(a_range((B, A), (GOOD, early, late), ground={both: KNOWN}, own=FOLLOWED, read=READ))
    assert names(found) == ["b"]
    assert {one.commit.subject for one in found.ranked} == {"a", "b"}
    chances = [one.probability or 0.0 for one in found.ranked]
    assert chances == sorted(chances, reverse=True)
    assert 0.9 < sum(chances) < 1


def test_a_committer_whose_clock_is_ahead_is_placed_by_the_deployment() -> None:
    ahead = replace(B, committed_at=minutes(900))
    found = followed(ahead, A)
    assert all(one.probability for one in found.ranked)
    assert not any("committed after" in sentence for one in found.ranked for sentence in one.evidence)


BOTH = frozenset("ab")
UNSURE = {
    "sure-enough": (Certainty(0.3, "ask"), {frozenset("b"): KNOWN, BOTH: KNOWN}, ["b"], None),
    "ask": (Certainty(0.9, "ask"), {frozenset("b"): KNOWN, BOTH: KNOWN}, ["b"], Reason.SUSPECT_UNCERTAIN),
    "the-range": (Certainty(0.9, "range"), {frozenset("b"): KNOWN, BOTH: KNOWN}, ["b", "a"], None),
    "the-range-never-ran": (Certainty(0.9, "range"), {frozenset("b"): KNOWN}, ["b"], Reason.SUSPECT_UNCERTAIN),
    "the-range-was-bad": (
        Certainty(0.9, "range"),
        {frozenset("b"): KNOWN, BOTH: BAD},
        ["b"],
        Reason.SUSPECT_UNCERTAIN,
    ),
    "the-range-would-do-only": (Certainty(0.9, "range"), {frozenset("b"): BAD, BOTH: KNOWN}, ["b", "a"], None),
    "no-known-ground-at-all": (Certainty(0.9, "range"), {}, ["b"], Reason.SEVERAL_SUSPECTS),
}


@pytest.mark.parametrize(("certainty", "ground", "expected", "reason"), UNSURE.values(), ids=UNSURE)
def test_below_the_threshold_the_range_goes_back_or_a_person_is_asked(
    certainty: Certainty, ground: dict[frozenset[str], Ground | None], expected: list[str], reason: Reason | None
) -> None:
    """Two syncs shortly after each other, long before the onset: the newer one is likelier, and not by much."""
    records = (GOOD, a_record("a", 100), a_record("b", 101))
    found = attribute(a_range((B, A), records, ground, certainty=certainty))
    assert (names(found), found.reason, found.automatic) == (expected, reason, reason is None)
    assert found.weighing is not None
    assert found.weighing.certainty == certainty


@pytest.mark.parametrize("below", ["ask", "range"])
@pytest.mark.parametrize("ground", [KNOWN, NEW])
def test_one_suspect_below_the_threshold_goes_back_only_to_known_ground_and_as_the_range(
    ground: Ground, below: str
) -> None:
    found = attribute(a_range((A,), (GOOD, a_record("a", 190)), ground, certainty=Certainty(0.99, below)))
    automatic = ground is KNOWN and below == "range"
    assert (names(found), found.automatic) == (["a"], automatic)
    assert found.reason is (None if automatic else Reason.SUSPECT_UNCERTAIN)
    assert "0.97" in found.message
    assert "0.99" in found.message


def test_a_threshold_that_is_just_reached_is_enough() -> None:
    found = attribute(a_range((A,), (GOOD, a_record("a", 190)), NEW, certainty=Certainty(0.97, "ask")))
    assert (found.automatic, found.reason) == (True, None)


TWO: dict[str, tuple[tuple[float, float], Certainty, Mapping[str, Traces], bool]] = {
    "long-after-the-other": ((100, 190), Certainty(), {}, True),
    "at-the-onset-and-the-other-not": ((196, 199.5), Certainty(), {}, True),
    "both-at-the-onset": ((199.25, 199.5), Certainty(), {}, False),
    "both-long-before-it": ((100, 101), Certainty(), {}, False),
    "both-but-its-own-pods-fail": ((100, 101), Certainty(), {sha("b"): Traces("web:2", "web")}, True),
    "at-the-onset-but-the-pods-of-the-other-fail": (
        (196, 199.5),
        Certainty(),
        {sha("a"): Traces("web:1", "web")},
        False,
    ),
    "both-and-less-is-enough-for-the-policy": ((100, 101), Certainty(0.5), {}, True),
}


@pytest.mark.parametrize(("synced", "certainty", "traces", "automatic"), TWO.values(), ids=TWO)
def test_of_two_deployments_the_onset_must_fit_one_ten_times_better_or_a_person_is_asked(
    synced: tuple[float, float], certainty: Certainty, traces: Mapping[str, Traces], automatic: bool
) -> None:
    first, second = synced
    commits = tuple(replace(one, committed_at=minutes(at - 0.1)) for one, at in ((B, second), (A, first)))
    records = (GOOD, a_record("a", first), a_record("b", second))
    found = attribute(a_range(commits, records, {frozenset("b"): KNOWN}, certainty=certainty, traces=traces))
    assert (names(found), found.automatic) == (["b"], automatic)
    assert found.reason is (None if automatic else Reason.SEVERAL_SUSPECTS)
    assert automatic or "the onset does not tell them apart by ten to one" in found.message


def test_without_a_threshold_the_probability_of_a_single_deployment_forbids_nothing() -> None:
    commits = (B, A)
    found = attribute(a_range(commits, (GOOD, a_record("b", 101)), {frozenset("ba"): KNOWN}))
    assert found.automatic
    assert found.weighing is not None
    assert "sets no threshold" in found.weighing.sentence
