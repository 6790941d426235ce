"""One broken thing does not stop, delay or mislead the work on the others, and what passes by is waited out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from argocd_proxy import ArgoCdProxy
from live_world import NEW_TAG, Live, living, quick_policy
from told_stories import SideBySide, side_by_side

from gitops_rollback.sandbox.prometheus import Fault
from gitops_rollback.sandbox.services import Service
from gitops_rollback.sandbox.stories import DEPLOYMENT
from gitops_rollback.sandbox.world import NAMESPACE, SERVICES, default_application

POLICIES = ".gitops-rollback/policies"
SILENT = "argocd-silent"


def fleet(folder: Path, names: list[str], policies: dict[str, str]) -> Live:
    """A world with further services, each a copy of checkout-api in a folder of its own.

    Its time runs slower: what is judged by all applications together needs rounds in which all are seen.
    """
    specs = [default_application(name) for name in [*SERVICES, *names]]
    live = Live(folder, 10.0, policies=policies, applications=specs)
    files = {}
    for name in names:
        for path in live.people.git("ls-tree", "-r", "--name-only", "main", "apps/checkout-api").split():
            files[path.replace("checkout-api", name)] = live.people.read(path).replace("checkout-api", name)
        live.world.services[name] = Service(name, NAMESPACE)
    live.people.push("Add services", files, live.now())
    return live


def watching(names: list[str]) -> dict[str, str]:
    return {f"{POLICIES}/{name}.yaml": quick_policy(name) for name in names}


def land(live: Live, message: str, names: list[str]) -> str:
    """One commit that releases all of `names`, badly."""
    live.world.failing_tags.add(NEW_TAG)
    files = {}
    for name in names:
        path = DEPLOYMENT.replace("checkout-api", name)
        text = live.people.read(path)
        image = next(line for line in text.splitlines() if "image:" in line)
        files[path] = text.replace(image, f"{image.rpartition(':')[0]}:{NEW_TAG}")
    if not live.telling.before:
        live.telling.before = live.people.head()
    sha: str = live.people.push(message, files, live.now())
    return sha


@contextmanager
def proxied(live: Live) -> Iterator[ArgoCdProxy]:
    """The controller reaches Argo CD through a proxy from now on."""
    proxy = ArgoCdProxy(live.argocd.url)
    live.more_environment["ARGOCD_SERVER"] = proxy.url
    try:
        yield proxy
    finally:
        live.kill_controller()
        proxy.stop()


@contextmanager
def hanging(live: Live) -> Iterator[None]:
    """Prometheus answers no query about the ledger."""
    end = threading.Event()

    def hang(_query: str, _at: datetime) -> float | None:
        end.wait(60)
        return None

    live.world.prometheus.set_evaluator(lambda query: "ledger-api" in query, hang)
    try:
        yield
    finally:
        end.set()


def test_what_is_broken_beside_it_neither_stops_nor_delays_a_rollback(tmp_path: Path) -> None:
    """An object without sense, a query that hangs, a broken policy, and one of an application that is not there."""
    policies = {
        **watching(list(SERVICES)),
        f"{POLICIES}/broken.yaml": "kind: [\n",
        f"{POLICIES}/unknown.yaml": quick_policy("payments-api"),
    }
    with living(tmp_path, policies=policies, controller=False) as live, proxied(live) as proxy, hanging(live):
        proxy.spoiled = "storefront-prod"
        live.start_controller()
        live.fail()
        land(live, "Release the ledger", ["ledger-api"])
        live.refresh()
        live.until_verified()
        assert len(live.telling.reverts()) == 1
        problems = [one for one in live.logged() if one.get("msg") == "cannot watch"]
        assert any("payments-api" in str(one["application"]) for one in problems)
        assert any("broken.yaml" in str(one.get("error")) for one in live.logged())
        record = live.telling.records()[0]
        assert record["applications"] == ["default/Application/argocd/checkout-api-prod"]


def test_one_commit_that_breaks_two_applications_is_one_incident(tmp_path: Path) -> None:
    names = ["checkout-api", "ledger-api", "storefront", "search-api", "basket-api"]
    live = fleet(tmp_path, names[3:], watching(names))
    try:
        live.start_world()
        live.start_controller()
        bad = land(live, "Release checkout and ledger together", names[:2])
        live.telling.bad = bad
        live.refresh()
        live.until_verified()
        assert len(live.telling.reverts()) == 1
        records = live.telling.records()
        assert [record["applications"] for record in records] == [
            ["default/Application/argocd/checkout-api-prod", "default/Application/argocd/ledger-api-prod"]
        ]
        assert len(live.trailer("Rollback-Application")) == 2
        assert live.trailer("Rollback-Reverts") == [bad]
        assert [live.argocd.deployed(f"{name}-prod").revision for name in names[:2]] == [live.people.head()] * 2
    finally:
        live.close()


def test_many_unrelated_red_applications_are_one_page_and_no_commit(tmp_path: Path) -> None:
    names = ["checkout-api", "ledger-api", "storefront", "search-api", "basket-api"]
    live = fleet(tmp_path, names[3:], watching(names))
    try:
        live.start_world()
        live.start_controller()
        for name in names:
            land(live, f"Release {name}", [name])
        head = live.people.head()
        live.refresh()
        live.until(lambda: live.telling.has_decided("MassEvent"), "it says that it is a mass event")
        live.let_pass(timedelta(minutes=2), lambda: live.people.head() != head, "a commit in a mass event")
        assert live.telling.records() == []
        assert len(live.pages()) == 1, live.pages()
        assert live.pages()[0]["reason"] == "MassEvent"
    finally:
        live.close()


def argocd_answers(status: int, body: str) -> Callable[[Live], Callable[[], None]]:
    def strike(live: Live) -> Callable[[], None]:
        live.argocd.answer(status, body)
        return live.argocd.reset

    return strike


def prometheus_fails(fault: Fault) -> Callable[[Live], Callable[[], None]]:
    def strike(live: Live) -> Callable[[], None]:
        live.world.prometheus.fault = fault

        def lift() -> None:
            live.world.prometheus.fault = Fault.NONE

        return lift

    return strike


def git_fails(how: str) -> Callable[[Live], Callable[[], None]]:
    def strike(live: Live) -> Callable[[], None]:
        if how == "hang":
            live.world.git.hang(times=1000)
        else:
            live.world.git.status(503, times=1000)
        return live.world.git.release

    return strike


STRIKES = {
    "argocd-garbage": argocd_answers(200, "<<garbage>>"),
    "argocd-401": argocd_answers(401, '{"error":"invalid session","code":16}'),
    "argocd-500": argocd_answers(500, "boom"),
    "prometheus-503": prometheus_fails(Fault.ERROR),
    "prometheus-hang": prometheus_fails(Fault.HANG),
    "git-503": git_fails("503"),
    "git-hang": git_fails("hang"),
}


def strike_twice(folder: Path, strike: Callable[[Live], Callable[[], None]]) -> None:
    """Once while a trigger is pending, once after the push."""
    with living(folder) as live:
        live.fail()
        live.until(live.pending, "a trigger is pending")
        lift = strike(live)
        live.let_pass(timedelta(minutes=2))
        assert live.people.head() == live.telling.bad
        lift()
        live.until(lambda: bool(live.telling.reverts()), "it goes on")
        lift = strike(live)
        live.let_pass(timedelta(minutes=1))
        lift()
        live.until_verified()
        assert len(live.telling.reverts()) == 1
        assert live.people.git("diff", "--name-only", live.telling.before, "main") == ""


def silence_twice(folder: Path) -> None:
    """Argo CD takes the connection and says nothing, as above."""
    with living(folder, controller=False) as live, proxied(live) as proxy:
        live.start_controller()
        live.fail()
        live.until(live.pending, "a trigger is pending")
        proxy.silent(True)
        live.let_pass(timedelta(minutes=2), lambda: bool(live.telling.reverts()), "a push in the dark")
        proxy.silent(False)
        live.until(lambda: bool(live.telling.reverts()), "it goes on")
        proxy.silent(True)
        live.let_pass(timedelta(minutes=1))
        proxy.silent(False)
        live.until_verified()
        assert len(live.telling.reverts()) == 1


@pytest.fixture(scope="module")
def struck(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide[None]]:
    """A world for each fault."""
    out = tmp_path_factory.mktemp("isolation")
    jobs = {name: partial(strike_twice, _folder(out, name), strike) for name, strike in STRIKES.items()}
    with side_by_side(request, {**jobs, SILENT: partial(silence_twice, _folder(out, SILENT))}) as told:
        yield told


def _folder(out: Path, name: str) -> Path:
    folder = out / name
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", [*STRIKES, SILENT])
def test_a_fault_in_the_middle_is_waited_out_and_the_story_ends_as_told(struck: SideBySide[None], name: str) -> None:
    struck.told(name)
