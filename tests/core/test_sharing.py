"""Do all replicas come to the same owner of each repository, and does one that comes or goes move only its own?"""

from __future__ import annotations

from gitops_rollback.core.sharing import Beat, hear, installation_of, living, preferred, seconds_to_stand_back

REPOSITORIES = [f"acme/config-{number}" for number in range(300)]
REPLICAS = {"a_1", "b_2", "c_3"}


def test_the_order_is_the_same_whoever_asks_and_holds_all() -> None:
    for repository in REPOSITORIES:
        order = preferred(repository, sorted(REPLICAS))
        assert set(order) == REPLICAS
        assert order == preferred(repository, sorted(REPLICAS, reverse=True))


def test_each_replica_gets_a_fair_part() -> None:
    firsts = [preferred(repository, REPLICAS)[0] for repository in REPOSITORIES]
    assert all(60 <= firsts.count(replica) <= 140 for replica in REPLICAS)


def test_one_that_goes_moves_only_what_was_its_own() -> None:
    for repository in REPOSITORIES:
        before = preferred(repository, REPLICAS)
        assert preferred(repository, REPLICAS - {"b_2"}) == tuple(one for one in before if one != "b_2")


def test_the_first_takes_at_once_and_the_others_leave_it_time() -> None:
    order = preferred("acme/config", REPLICAS)
    waits = [seconds_to_stand_back("acme/config", replica, REPLICAS, 4.4) for replica in order]
    assert waits == [0.0, 4.4, 8.8]
    assert seconds_to_stand_back("acme/config", "alone", (), 4.4) == 0.0


def test_who_says_nothing_new_is_dead_whatever_its_own_clock_says() -> None:
    heard = hear({}, {"a": "2031-01-01", "b": "1970-01-01"}, 100.0)
    heard = hear(heard, {"a": "2031-01-01", "b": "1970-01-02"}, 110.0)
    assert heard == {"a": Beat("2031-01-01", 100.0), "b": Beat("1970-01-02", 110.0)}
    assert living(heard, 15.0, 115.0) == {"a", "b"}
    assert living(heard, 15.0, 115.1) == {"b"}


def test_who_is_not_named_any_more_has_gone() -> None:
    heard = hear({"a": Beat("x", 1.0)}, {}, 2.0)
    assert living(heard, 15.0, 2.0) == frozenset()


def test_whoever_looks_after_the_same_repositories_is_of_one_installation() -> None:
    assert installation_of(["a", "b"]) == installation_of(["b", "a"])
    assert installation_of(["a", "b"]) != installation_of(["a"])
