"""Is the journal in git what was written, whoever writes at the same time, and does a tampered one stop?"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from remote_world import JOURNAL, Remote, git

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.adapters.journal import GitJournal
from gitops_rollback.core.errors import JournalBroken, Reason
from gitops_rollback.core.journal import DecisionEntry, encode_record, record_document
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.ports import PushOutcome, RefUpdate

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
APP = "default/Application/argocd/shop"


def a_record(name: str = "rb-0123456789abcdef", phase: Phase = Phase.PUSHING, **changes: object) -> RollbackRecord:
    record = RollbackRecord(
        id=name,
        applications=(APP,),
        engine="argocd",
        repository="shop",
        bad_revision="b" * 40,
        restores="a" * 40,
        policy="policies/shop.yaml@aaaaaaaaaaaa",
        triggers=("t",),
        reverts=("b" * 40,),
        phase=phase,
        outcome=RollbackOutcome.VERIFIED if phase is Phase.DONE else None,
        times={"decided": NOW},
    )
    return dataclasses.replace(record, **changes)


def an_entry(
    at: datetime = NOW, reason: str = "Pending", application: str = APP, action: str = "wait"
) -> DecisionEntry:
    return DecisionEntry(at, application, action, reason, "b" * 40, "words", {"value": 1})


def write(repo: GitConfigRepo, journal: GitJournal, *said: RollbackRecord | DecisionEntry, at: datetime = NOW) -> str:
    """Commit and push what is said, on the head that is read now."""
    head = repo.fetch().journal
    records = [one for one in said if isinstance(one, RollbackRecord)]
    entries = [one for one in said if isinstance(one, DecisionEntry)]
    new = journal.commit(head, records, entries, at)
    if new != head:
        assert repo.push([RefUpdate(JOURNAL, new, head)]).outcome is PushOutcome.LANDED
    return new


def tampered(remote: Remote, repo: GitConfigRepo, files: dict[str, bytes | None]) -> str:
    """The journal's next head as somebody else wrote it."""
    remote.commit(files, "Tamper", branch="gitops-rollback-journal")
    head = repo.fetch().journal
    assert head is not None
    return head


@pytest.fixture
def journal(repo: GitConfigRepo) -> GitJournal:
    return GitJournal(repo)


def test_what_one_replica_writes_another_reads(
    remote: Remote, repo: GitConfigRepo, journal: GitJournal, tmp_path: Path
) -> None:
    write(repo, journal, a_record(), an_entry())
    other = remote.open(tmp_path / "other")
    view = GitJournal(other).read(other.fetch().journal)
    assert view.records == {a_record().id: a_record()}
    assert [(entry.application, entry.action) for entry in view.decisions] == [("controller", "started"), (APP, "wait")]
    assert not view.damaged


def test_the_journal_shares_no_history_with_the_branch_that_an_engine_follows(
    remote: Remote, repo: GitConfigRepo, journal: GitJournal
) -> None:
    write(repo, journal, an_entry())
    assert git("rev-list", "--max-parents=0", JOURNAL, cwd=remote.path) == remote.head(JOURNAL)
    assert git("merge-base", "main", JOURNAL, cwd=remote.path, ok=(1,)) == ""


def test_no_journal_yet_is_an_empty_one(journal: GitJournal) -> None:
    view = journal.read(None)
    assert (view.head, dict(view.records), view.decisions) == (None, {}, ())


def test_entries_of_one_day_are_appended_and_the_names_are_directories(
    remote: Remote, repo: GitConfigRepo, journal: GitJournal
) -> None:
    write(repo, journal, an_entry())
    write(repo, journal, an_entry(reason="Quiet"), an_entry(NOW + timedelta(days=6)))
    shown = git("show", f"{JOURNAL}:decisions/2026-11/25/{APP}.jsonl", cwd=remote.path)
    assert [json.loads(line)["reason"] for line in shown.splitlines()] == ["Pending", "Quiet"]
    assert git("ls-tree", "-r", "--name-only", JOURNAL, "decisions/2026-12/", cwd=remote.path).endswith(
        "01/" + APP + ".jsonl"
    )


def test_saying_nothing_new_makes_no_commit(repo: GitConfigRepo, journal: GitJournal) -> None:
    first = write(repo, journal, a_record())
    assert write(repo, journal, a_record()) == first
    assert write(repo, journal) == first


def test_a_replica_that_lags_cannot_take_a_rollback_back(repo: GitConfigRepo, journal: GitJournal) -> None:
    write(repo, journal, a_record(phase=Phase.VERIFYING))
    head = write(repo, journal, a_record(phase=Phase.PUSHING))
    assert journal.read(head).records[a_record().id].phase is Phase.VERIFYING


def test_the_cache_of_one_head_is_not_told_for_another(repo: GitConfigRepo, journal: GitJournal) -> None:
    first = write(repo, journal, a_record())
    assert journal.read(first).records[a_record().id].phase is Phase.PUSHING
    second = write(repo, journal, a_record(phase=Phase.SYNCING))
    assert journal.read(second).records[a_record().id].phase is Phase.SYNCING
    assert journal.read(second) is journal.read(second)


def test_an_advanced_head_reads_only_what_changed(
    repo: GitConfigRepo, journal: GitJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, journal, *(a_record(f"rb-{number:016x}") for number in range(5)), an_entry())
    journal.read(repo.fetch().journal)
    read: list[str] = []
    plain_read = repo.read
    monkeypatch.setattr(repo, "read", lambda blob, limit=1 << 20: read.append(blob) or plain_read(blob, limit))
    head = write(repo, journal, a_record("rb-" + "f" * 16))
    assert len(journal.read(head).records) == 6
    assert len(read) == 1


def test_a_rewound_journal_stops_until_it_is_mended(remote: Remote, repo: GitConfigRepo, journal: GitJournal) -> None:
    first = write(repo, journal, a_record())
    second = write(repo, journal, a_record(phase=Phase.SYNCING))
    journal.read(second)
    git("update-ref", JOURNAL, first, cwd=remote.path)
    for _ in range(2):
        with pytest.raises(JournalBroken) as caught:
            journal.read(repo.fetch().journal)
        assert caught.value.reason is Reason.JOURNAL_REWOUND
    git("update-ref", JOURNAL, second, cwd=remote.path)
    assert journal.read(repo.fetch().journal).records


def test_a_journal_replaced_by_another_one_stops(remote: Remote, repo: GitConfigRepo, journal: GitJournal) -> None:
    journal.read(write(repo, journal, a_record()))
    remote.commit(
        {"records/rb-1.json": encode_record(a_record("rb-1"))}, "New", branch="gitops-rollback-journal", on="none"
    )
    with pytest.raises(JournalBroken) as caught:
        journal.read(repo.fetch().journal)
    assert caught.value.reason is Reason.JOURNAL_REWOUND


def test_a_journal_that_vanished_stops(remote: Remote, repo: GitConfigRepo, journal: GitJournal) -> None:
    journal.read(write(repo, journal, a_record()))
    git("update-ref", "-d", JOURNAL, cwd=remote.path)
    with pytest.raises(JournalBroken) as caught:
        journal.read(repo.fetch().journal)
    assert caught.value.reason is Reason.JOURNAL_LOST


def test_a_newer_schema_is_neither_read_nor_written_to(
    remote: Remote, repo: GitConfigRepo, journal: GitJournal
) -> None:
    write(repo, journal, a_record())
    newer = json.dumps({**record_document(a_record("rb-2")), "schema": 2}).encode()
    head = tampered(remote, repo, {"records/rb-2.json": newer})
    for act in (lambda: journal.read(head), lambda: journal.commit(head, [a_record("rb-3")], [], NOW)):
        with pytest.raises(JournalBroken) as caught:
            act()
        assert caught.value.reason is Reason.JOURNAL_NEWER


def test_torn_entries_are_reported_and_the_others_still_count(
    remote: Remote, repo: GitConfigRepo, journal: GitJournal
) -> None:
    write(repo, journal, a_record(), an_entry())
    day = f"decisions/2026-11/25/{APP}.jsonl"
    torn = git("show", f"{JOURNAL}:{day}", cwd=remote.path).encode() + b'\n{"at": "20'
    files = {"records/rb-torn.json": b"{", "records/rb-2.json": encode_record(a_record()), day: torn}
    view = journal.read(tampered(remote, repo, files))
    assert set(view.records) == {a_record().id}
    assert [entry.application for entry in view.decisions if entry.action == "wait"] == [APP]
    assert sorted(sentence.split(":")[0] for sentence in view.damaged) == sorted(files)


def test_a_line_after_a_torn_one_is_whole(remote: Remote, repo: GitConfigRepo, journal: GitJournal) -> None:
    write(repo, journal, an_entry())
    tampered(remote, repo, {f"decisions/2026-11/25/{APP}.jsonl": b'{"at": "20'})
    view = journal.read(write(repo, journal, an_entry(reason="Quiet")))
    assert [entry.reason for entry in view.decisions if entry.application == APP] == ["Quiet"]


def test_a_torn_record_is_written_anew(remote: Remote, repo: GitConfigRepo, journal: GitJournal) -> None:
    write(repo, journal, a_record())
    tampered(remote, repo, {f"records/{a_record().id}.json": b"{"})
    assert (
        journal.read(write(repo, journal, a_record(phase=Phase.SYNCING))).records[a_record().id].phase is Phase.SYNCING
    )


def test_ended_rollbacks_are_bounded_and_open_ones_are_never_left_out(repo: GitConfigRepo) -> None:
    journal = GitJournal(repo, max_records=2)
    ended = [a_record(f"rb-{n}", Phase.DONE, times={"decided": NOW + timedelta(days=n)}) for n in range(4)]
    head = write(repo, journal, a_record("rb-open", times={}), *ended)
    assert set(journal.read(head).records) == {"rb-open", "rb-2", "rb-3"}


def test_an_ended_rollback_that_was_left_out_is_still_not_taken_back(repo: GitConfigRepo) -> None:
    journal = GitJournal(repo, max_records=1)
    write(
        repo,
        journal,
        a_record("rb-old", Phase.DONE),
        a_record("rb-new", Phase.DONE, times={"decided": NOW + timedelta(1)}),
    )
    head = write(repo, journal, a_record("rb-old", Phase.PUSHING))
    assert GitJournal(repo).read(head).records["rb-old"].phase is Phase.DONE


def test_a_decision_that_is_written_again_after_a_lost_answer_stands_there_once(
    repo: GitConfigRepo, journal: GitJournal
) -> None:
    write(repo, journal, an_entry(reason="First"), an_entry(reason="Second"))
    head = write(repo, journal, an_entry(reason="First"), an_entry(reason="Second"), an_entry(reason="Third"))
    reasons = [entry.reason for entry in journal.read(head).decisions if entry.application == APP]
    assert reasons == ["First", "Second", "Third"]


def test_decisions_older_than_a_month_are_not_loaded(repo: GitConfigRepo, journal: GitJournal) -> None:
    days = (0, 15, 29, 31, 45)
    head = write(repo, journal, *(an_entry(NOW - timedelta(days=n), f"D{n}") for n in days))
    found = {entry.reason for entry in journal.read(head).decisions if entry.application == APP}
    assert found == {"D0", "D15", "D29"}


def test_a_day_of_one_application_has_a_limit_that_never_drops_what_acted(
    repo: GitConfigRepo, journal: GitJournal
) -> None:
    wordy = [
        dataclasses.replace(an_entry(NOW + timedelta(milliseconds=n)), details={"text": "x" * 15_000})
        for n in range(4040)
    ]
    write(repo, journal, *wordy[:40])
    write(repo, journal, *wordy[40:])
    head = write(repo, journal, an_entry(reason="TooMuch"), an_entry(reason="Acted", action="roll-back"))
    reasons = [entry.reason for entry in journal.read(head).decisions]
    assert "Acted" in reasons
    assert "TooMuch" not in reasons
