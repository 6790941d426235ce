"""Three replicas share three config repositories: each acted for by one, whoever dies, and nothing happens twice."""

from __future__ import annotations

from pathlib import Path

from fleet_world import Fleet, Replica, Repository, fleet_world

STARTS = 100  # whoever lives on may weigh much: of a thousand runs six would need more than 30
TICKS = 3  # so many looks of a new leader show what it makes of what it found


def test_a_dead_replicas_repositories_go_on_elsewhere_and_come_back_without_a_second_revert(tmp_path: Path) -> None:
    with fleet_world(tmp_path) as fleet:
        for _ in range(3):
            fleet.run()
        fleet.until(lambda: fleet.is_shared_out(among=3), "each repository is acted for by the one that is to have it")

        victim = max(fleet.replicas, key=lambda replica: len(replica.leads()))
        moved = next(one for one in fleet.repositories if one.label in victim.leads())
        victim.kill()
        fleet.until(lambda: fleet.is_shared_out(among=2), "the others act for what the dead one had")

        bad = fleet.fail(moved)
        fleet.until(moved.verified, "the release is reverted, and that is verified")
        assert_one_revert(fleet, moved, bad)

        restarted = restart(fleet, victim, moved)
        fleet.until(lambda: restarted.ticks(moved.label) >= TICKS, "the one that came back looks at its repository")
        assert fleet.is_shared_out(among=3)
        assert restarted.leads() >= {moved.label}
        assert_one_revert(fleet, moved, bad)


def assert_one_revert(fleet: Fleet, moved: Repository, bad: str) -> None:
    """Of that release, on that branch, and nowhere else; the server has taken no more than the branches hold."""
    (revert,) = moved.reverts()
    assert f"This reverts commit {bad}." in moved.people.git("log", "-1", "--format=%B", revert)
    (record,) = moved.records()
    assert (record["badRevision"], record["outcome"]) == (bad, "verified")
    assert fleet.applied(moved.name) == revert
    others = [one for one in fleet.repositories if one is not moved]
    assert [(one.reverts(), one.records()) for one in others] == [([], []), ([], [])]
    assert {one.label: fleet.landed(one) for one in fleet.repositories} == {
        **{one.label: [] for one in others}, moved.label: [revert]
    }  # fmt: skip


def restart(fleet: Fleet, dead: Replica, repository: Repository) -> Replica:
    """A replica has another identity at each start, and so another share: start until its share has this repository."""
    for _ in range(STARTS):
        replica = started(fleet, dead)
        if fleet.has_a_share(replica, repository):
            fleet.until(lambda: fleet.is_shared_out(among=3), "the one that came back has its share")
            return replica
        replica.end()
    raise AssertionError(f"none of {STARTS} starts had a share in {repository.label}")


def started(fleet: Fleet, dead: Replica) -> Replica:
    """The dead one once more, as soon as it says that it lives."""
    replica = fleet.run(dead)
    fleet.until(lambda: bool(fleet.identity(replica)), "it says that it lives")
    return replica
