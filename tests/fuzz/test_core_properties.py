"""What must hold for any values at all: names in queries, words in messages, spellings, pauses, records, ownership."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_facts import a_commit
from seeds import ENTRY, RECORD
from test_next_action_machine import STATE

from gitops_rollback.adapters.policies.promql import parse_errors, selected
from gitops_rollback.core.commit import Commit, FileChange, parse_trailers
from gitops_rollback.core.convergence import blocked_by, converged, failed_fast
from gitops_rollback.core.duration import format_duration, parse_duration
from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.journal import decode_entries, decode_record, encode_entry, encode_record
from gitops_rollback.core.message import RevertText, for_people, revert_message
from gitops_rollback.core.ownership import is_landing, record_of, rolled_back_before
from gitops_rollback.core.query import render
from gitops_rollback.core.repository_url import path_equal, same_repository
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord, merge
from gitops_rollback.core.stop import Pause, PauseState, add_pause, encode_pauses, lift_pause, read_pause, stopped
from gitops_rollback.core.sync import ApplicationState, Health, Operation, OperationPhase, SyncStatus

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ANY = st.text(alphabet=st.characters(), max_size=60)
PRINTABLE = st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)
NAMES = st.text(alphabet="\"'`\\{}()|.*+?^$[]#\n\r\t\0 ,=~!abc-_é\u202e𝔞", max_size=30)
PLACES = ['x{s="$SERVICE"}', "x{s='a-$SERVICE'}", "x{s=`$SERVICE`}", 'x{s=~"$SERVICE-[a-z]+"}', "x{s!~'(a|$SERVICE)'}"]
SHAS = st.sampled_from([digit * 40 for digit in "abcdef"])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), NAMES)
def test_a_name_never_breaks_out_of_its_string(template: str, name: str) -> None:
    """One selector with one matcher goes in, and comes out, whatever the name is; else it is refused."""
    try:
        filled = render(template, {"SERVICE": name})
    except QueryInvalid:
        return
    assert parse_errors(filled) == ()
    found = selected(filled)
    assert [(label, operator) for label, operator, _ in found] == [("s", selected(template)[0][1])]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES[:3]), NAMES)
def test_a_name_in_a_string_is_itself(template: str, name: str) -> None:
    try:
        filled = render(template, {"SERVICE": name})
    except QueryInvalid:
        assert "`" in template
        return
    wanted = template.partition("=")[2].strip("\"'`}").replace("$SERVICE", name)
    assert selected(filled)[0][2] == wanted


@given(NAMES)
def test_a_name_outside_of_strings_is_one_word_or_refused(name: str) -> None:
    word = re.fullmatch("[A-Za-z0-9_:]+", name) is not None
    try:
        assert render("$SERVICE", {"SERVICE": name}) == name
    except QueryInvalid:
        assert not word
    else:
        assert word


@settings(deadline=None)
@given(st.lists(ANY, max_size=3), st.lists(ANY, max_size=3), ANY, ANY)
def test_what_a_message_says_is_what_is_read(why: list[str], names: list[str], subject: str, trigger: str) -> None:
    text = RevertText(
        "rb-1", (a_commit(message=subject),), tuple(why), tuple(names), "p@a", (trigger,), "a" * 40, "b" * 40
    )
    found = parse_trailers(revert_message(text))
    assert found["Rollback-Id"] == ("rb-1",)
    assert found["Rollback-Trigger"] == (for_people(trigger) or "-",)
    assert found.get("Rollback-Application", ()) == tuple(for_people(name) or "-" for name in names)
    assert set(found) <= {f"Rollback-{word}" for word in (
        "Id", "Application", "Policy", "Trigger", "Reverts", "Restores", "Bad-Revision", "Step", "Requested-By",
    )}  # fmt: skip


@given(ANY)
def test_foreign_words_are_harmless_however_often_they_are_cleaned(text: str) -> None:
    once = for_people(text)
    assert once.isprintable()
    assert len(once) <= 200
    assert for_people(once) == once or len(once) == 200


@given(st.integers(0, 10**8))
def test_a_duration_comes_back(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


HOSTS = st.sampled_from(["git.example", "10.0.0.1", "a-b.example"])
FOLDERS = st.lists(st.text(alphabet="abcXYZ019_-", min_size=1, max_size=6), min_size=1, max_size=3).map("/".join)


@given(HOSTS, FOLDERS, HOSTS, FOLDERS)
def test_a_repository_is_one_by_all_its_spellings_and_none_by_another_s(
    host: str, folder: str, other_host: str, other: str
) -> None:
    spellings = [
        f"https://{host}/{folder}", f"https://{host}/{folder}.git", f"https://me:x@{host}:8443/{folder}/",
        f"ssh://git@{host}:22/{folder}.git", f"git@{host}:{folder}.git", f"HTTPS://{host.upper()}/{folder.upper()}",
    ]  # fmt: skip
    assert all(same_repository(one, two) for one in spellings for two in spellings)
    same = (host, folder.lower()) == (other_host, other.lower())
    assert same_repository(spellings[0], f"https://{other_host}/{other}") is same
    assert path_equal(spellings[0], f"https://{other_host}/{other}") is (folder.lower() == other.lower())


PAUSES = st.builds(
    Pause,
    st.none() | PRINTABLE,
    st.none() | st.integers(-100, 1000).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    PRINTABLE,
    PRINTABLE,
)


@given(st.lists(PAUSES, max_size=4), PAUSES)
def test_a_pause_that_is_added_stops_and_shortens_nothing(held: list[Pause], new: Pause) -> None:
    after = add_pause(tuple(held), new, NOW)
    application = new.application or "web"
    assert not new.holds(NOW) or stop_of(application, after)
    for pause in held:
        if pause.holds(NOW):
            assert stop_of(pause.application or "web", after)
    assert stop_of(application, lift_pause(after, None, NOW)) is False


@given(st.lists(PAUSES, max_size=4))
def test_pauses_that_are_written_stop_the_same(held: list[Pause]) -> None:
    read = read_pause("branch", encode_pauses(tuple(held)))
    assert not read.unreadable
    for name in {pause.application or "web" for pause in held}:
        assert stop_of(name, tuple(held)) <= stop_of(name, read.pauses)


def stop_of(application: str, pauses: tuple[Pause, ...]) -> bool:
    nothing = PauseState("settings")
    return stopped(application, NOW, nothing, nothing, PauseState("branch", pauses)) is not None


OUTCOMES = {Phase.DONE: st.sampled_from(RollbackOutcome)}


@st.composite
def views(draw: st.DrawFn) -> RollbackRecord:
    phase = draw(st.sampled_from(Phase))
    steps = tuple(StepRecord(n, 3, draw(st.none() | SHAS)) for n in range(1, draw(st.integers(1, 4))))
    outcome = draw(OUTCOMES.get(phase, st.none()))
    message = draw(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
    return replace(RECORD, phase=phase, outcome=outcome, steps=steps, message=message)


@given(views(), views())
def test_two_views_of_a_rollback_never_lose_a_commit_or_go_back(one: RollbackRecord, other: RollbackRecord) -> None:
    found, order = merge(one, other), list(Phase)
    assert order.index(found.phase) == max(order.index(one.phase), order.index(other.phase))
    pushed = {step.n for view in (one, other) for step in view.steps if step.commit}
    assert pushed == {step.n for step in found.steps if step.commit}
    assert merge(found, found) == found
    assert one.outcome is None or found.outcome == one.outcome


@given(views())
def test_a_record_comes_back_from_the_journal(record: RollbackRecord) -> None:
    assert decode_record(encode_record(record)) == record


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=5), st.floats() | st.text(max_size=9) | st.none()))
def test_an_entry_comes_back_from_the_journal(message: str, details: dict[str, object]) -> None:
    entry = replace(ENTRY, message=message, details=details)
    (found,), damaged = decode_entries(encode_entry(entry))
    assert damaged == ()
    assert (found.message, set(found.details)) == (message, set(details))


CHANGES = st.builds(
    lambda path, old, new: FileChange(path, "100644", "100644", old, new), st.sampled_from("xyz"), SHAS, SHAS
)
COMMITS = st.builds(
    lambda sha, changes, message: replace(a_commit(sha, message=message), changes=tuple(changes)),
    SHAS,
    st.lists(CHANGES, max_size=3, unique_by=lambda change: change.path),
    st.sampled_from(["x", "Revert\n\nRollback-Id: rb-0123456789abcdef\nRollback-Reverts: " + "b" * 40]),
)


@given(COMMITS)
def test_trailers_alone_make_no_commit_ours(commit: Commit) -> None:
    planned = StepRecord(1, 1, "9" * 40, {change.path: change.new_blob for change in commit.changes})
    assert record_of(commit, [replace(RECORD, steps=(replace(planned, blobs={"x": "0" * 40}),))]) is None
    assert is_landing(commit, planned) is bool(commit.changes)
    assert record_of(replace(commit, sha="9" * 40), [replace(RECORD, steps=(planned,))]) is not None


@given(st.booleans(), st.booleans(), st.sampled_from(["controller", "Kim"]), SHAS, SHAS)
def test_once_is_enough_and_only_what_was_pushed_by_itself_counts(
    pushed: bool, elsewhere: bool, by: str, bad: str, culprit: str
) -> None:
    steps = (StepRecord(1, 1, "9" * 40 if pushed else None),)
    known = replace(RECORD, steps=steps, requested_by=by, repository="other" if elsewhere else "shop/config")
    found = rolled_back_before("default/Application/argocd/web", bad, (culprit,), "shop/config", [known])
    same = bad == known.bad_revision or culprit in known.reverts
    assert (found == known.id) is (pushed and not elsewhere and by == "controller" and same)


OPERATIONS = st.builds(
    lambda phase, revision, minutes, dry: Operation(
        phase, (revision,), (), NOW - timedelta(minutes=9), NOW + timedelta(minutes=minutes),
        in_progress=not phase.ended, dry_run=dry,
    ),
    st.sampled_from(OperationPhase), SHAS, st.integers(-8, 2), st.booleans(),
)  # fmt: skip
STATES = st.builds(
    lambda sync, health, operation, revision, minutes, deleting: replace(
        STATE, sync=sync, health=health, operation=operation, sync_revisions=(revision,), deleting=deleting,
        reconciled_at=NOW + timedelta(minutes=minutes),
    ),
    st.sampled_from(SyncStatus), st.sampled_from(Health), st.none() | OPERATIONS, SHAS, st.integers(-8, 3),
    st.booleans(),
)  # fmt: skip


@settings(max_examples=400)
@given(STATES, SHAS)
def test_converged_means_all_of_it(state: ApplicationState, ours: str) -> None:
    done, why = converged(state, lambda revision: revision == ours, NOW)
    assert done is not bool(why)
    if done:
        assert (state.sync, state.health, state.sync_revisions) == (SyncStatus.SYNCED, Health.HEALTHY, (ours,))
        assert not state.busy
        assert not state.deleting
        assert state.reconciled_at is not None
        assert state.reconciled_at >= NOW
        assert failed_fast(state, lambda revision: revision == ours, NOW) is None
    blocked = blocked_by(state, ["f" * 40])
    assert (blocked is not None) is state.busy
    if blocked is not None and blocked.terminate:
        assert state.operation is not None
        assert state.operation.revisions == ("f" * 40,)
