"""All bad inputs of a kind at once, beside one application that is well kept: it is rolled back as if it were alone.

The policies stand in a real repository, the engine's objects are read from JSON, the metrics come over real HTTP. What
is odd is refused with its place or its reason, nothing is written for it, and nothing unexpected is raised.
"""

from __future__ import annotations

import copy
import json
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, policy, running, ship
from canned_http import Request, serving
from plain_policy import PLAIN
from remote_world import git
from small_history import Entry
from test_argocd_wire import BROKEN, HEALTHY, RECORDED, put
from test_bad_engine_states import isolated
from test_bad_policies import CHANGES, QUERIES, WHOLE_FILES
from test_prometheus_answers import WORTHLESS, body, ok

from gitops_rollback.adapters.engines.argocd_wire import read_application
from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.health import Metrics
from gitops_rollback.app.reporting import TickReport
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import Severity

LATER = START + 3 * MINUTE
LONG_AGO = START - 40 * MINUTE
NOT_MEASURED = {Reason.NO_DATA, Reason.METRICS_UNAVAILABLE, Reason.QUERY_INVALID, Reason.CREDENTIALS_REJECTED}
NOT_AT_ONCE = ("M11",)  # 16 MiB at every tick: measured in `test_prometheus_answers.py`


def whole(name: str) -> str:
    return f"default/Application/argocd/{name}"


def land(world: World, files: Mapping[str, bytes | Entry]) -> None:
    """A person's commit of any bytes and modes, long ago."""
    lines = [b"commit refs/heads/main\ncommitter A <a@example.com> %d +0000\n" % LONG_AGO.timestamp()]
    lines.append(b"data 1\nx\nfrom refs/heads/main^0\n")
    for path, value in files.items():
        entry = value if isinstance(value, Entry) else Entry("100644", value)
        if entry.mode == "160000":
            lines.append(b"M 160000 %s %s\n" % (entry.content, path.encode()))
        else:
            head = b"M %s inline %s\ndata %d\n" % (entry.mode.encode(), path.encode(), len(entry.content))
            lines.append(head + entry.content + b"\n")
    git("fast-import", "--quiet", cwd=world.bare, content=b"".join(lines))


def release(world: World, one: Replica, *names: str) -> None:
    """Each is released badly, and a few minutes pass."""
    for name in names:
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
        world.metrics.break_from(name, START + MINUTE)
    one.until(START, LATER)


def rolled_back(one: Replica) -> set[str]:
    view = one.tick(LATER + timedelta(seconds=15)).view
    return {name for record in view.journal.records.values() for name in record.applications}


def bad_policies() -> dict[str, bytes | Entry]:
    files: dict[str, bytes | Entry] = {}
    for number, case in enumerate(WHOLE_FILES):
        files[f"{POLICIES}/whole-{number}.yaml"] = case.values[0]
    for number, case in enumerate(CHANGES):
        files[f"{POLICIES}/change-{number}.yaml"] = PLAIN.replace(*case.values[:2]).encode()
    for number, case in enumerate(QUERIES):
        text = PLAIN.replace('sum(rate(errors_total{service="$SERVICE"}[2m]))', case.values[0])
        files[f"{POLICIES}/query-{number}.yaml"] = text.encode()
    files[f"{POLICIES}/link.yaml"] = Entry("120000", b"/etc/passwd")
    files[f"{POLICIES}/module.yaml"] = Entry("160000", b"a" * 40)
    files[f"{POLICIES}/run.yaml"] = Entry("100755", PLAIN.encode())
    files[f"{POLICIES}/twin.yaml"] = files[f"{POLICIES}/Twin.yaml"] = PLAIN.encode()
    return files


def test_all_bad_policies_beside_a_good_one(world: World) -> None:
    """P1 to P28."""
    running(world, "web")
    bad = bad_policies()
    land(world, bad)
    metrics = Metrics()
    one = world.replica()
    one.reconciler.report = TickReport("shop/config", metrics)
    release(world, one, "web")
    assert rolled_back(one) == {whole("web")}
    assert world.reverts() == 1
    tick = one.tick(LATER + MINUTE)
    refused = {fault.path for fault in tick.view.policies.errors}
    assert refused == set(bad)
    assert all(fault.line >= 1 and fault.message for fault in tick.view.policies.errors)
    counted = metrics.registry.get_sample_value(
        "gitops_rollback_policies", {"repository": "shop/config", "state": "refused"}
    )
    assert counted == len(bad)


def test_p20_an_application_that_no_engine_shows_is_told_and_holds_up_nobody(world: World) -> None:
    running(world, "web")
    land(world, {f"{POLICIES}/gone.yaml": policy("gone").encode()})
    one = world.replica()
    release(world, one, "web")
    assert rolled_back(one) == {whole("web")}
    (problem,) = one.tick(LATER + MINUTE).listing.problems
    assert (problem.subject, problem.reason) == ("gone/gone", Reason.ENGINE_UNCLEAR)
    assert "argocd/gone" in problem.message


def test_the_last_valid_policy_goes_on_when_its_file_breaks(world: World) -> None:
    running(world, "web", "cart")
    land(world, {f"{POLICIES}/cart.yaml": b"kind: [\n"})
    one = world.replica()
    release(world, one, "web", "cart")
    watched = {sight.watched.name: sight for sight in one.tick(LATER + MINUTE).sights}
    assert set(watched) == {whole("web"), whole("cart")}
    assert watched[whole("cart")].watched.policy.triggers[0].severity is Severity.AUTO_ROLLBACK
    assert whole("web") in rolled_back(one)
    assert [message for message in one.told.messages if message.application == whole("cart")]


def test_all_bad_engine_objects_beside_a_good_one(world: World) -> None:
    """E3 to E7, as the API would list them, each with a policy that watches it."""
    running(world, "web")
    policies: dict[str, bytes | Entry] = {}
    for number, (_, path, value, _) in enumerate(BROKEN):
        name = f"odd-{number}"
        found = copy.deepcopy(RECORDED[HEALTHY])
        found["metadata"]["name"] = name
        found["spec"]["source"].update(repoURL=world.url, path=f"apps/{name}")
        put(path, value)(found)
        state = read_application(json.loads(json.dumps(found)), "default", START)
        world.engine.states[state.id.name] = state
        policies[f"{POLICIES}/{name}.yaml"] = policy(name).encode()
    land(world, policies)
    one = isolated(world.replica())
    commits = len(world.commits())
    release(world, one, "web")
    assert rolled_back(one) == {whole("web")}
    assert len(world.commits()) == commits + 2  # the release, and its revert
    assert len(one.tick(LATER + MINUTE).sights) > len(BROKEN) // 2


def metric_server(scripts: Mapping[str, Callable[[socket.socket, Request], None]]) -> Callable[..., None]:
    """`web` fails from a minute after the start on; each of the others has its own bad answer."""

    def script(connection: socket.socket, request: Request) -> None:
        service = request.form["query"].partition('service="')[2].partition('"')[0]
        if service in scripts:
            scripts[service](connection, request)
        elif "query_range" in request.line:
            start, end, step = (float(request.form[key]) for key in ("start", "end", "step"))
            times = [start + number * step for number in range(int((end - start) / step) + 1)]
            found = [{"metric": {}, "values": [[at, value_at(at)] for at in times]}]
            ok(body(found, "matrix"))(connection, request)
        else:
            at = float(request.form["time"])
            ok(body([{"metric": {}, "value": [at, value_at(at)]}]))(connection, request)

    return script


def value_at(seconds: float) -> str:
    return "0.5" if datetime.fromtimestamp(seconds, UTC) >= START + MINUTE else "0.01"


def test_all_bad_metrics_beside_a_good_one(world: World) -> None:
    """M1 to M12, each for an application of its own that was released too: none of them is acted on."""
    cases = {f"m-{number}": case for number, case in enumerate(WORTHLESS) if case.id.split("-")[0] not in NOT_AT_ONCE}
    scripts = {name: case.values[0] for name, case in cases.items()}
    running(world, "web", *cases)
    with serving(metric_server(scripts)) as server:
        settings = PrometheusSettings("prom", server.url, max_queries_per_minute=100_000)
        source = PrometheusSource(settings, OriginRules.parse([], [server.url]))
        world.metrics.query, world.metrics.query_range = source.query, source.query_range
        one = isolated(world.replica())
        for name in cases:
            world.engine.deploy(name, ship(world, name, START - 2 * MINUTE), START)
        release(world, one, "web")
        tick = one.tick(LATER + timedelta(seconds=15))
        source.close()
    assert world.reverts() == 1
    assert rolled_back(one) == {whole("web")}
    odd = {sight.watched.name: sight.look for sight in tick.sights if sight.look is not None}
    assert {whole(name) for name in cases} <= set(odd)
    for name, case in cases.items():
        look = odd[whole(name)]
        assert look.raised.reason in NOT_MEASURED, (case.id, look.raised)
        assert look.raised.message


@pytest.mark.parametrize("pause", [b"\xff\xfe", b"[" * 60_000, b"kind: RollbackPause\n", b"a: &a [*a]\n"])
def test_a_pause_that_cannot_be_read_stops_all_and_says_so(world: World, pause: bytes) -> None:
    running(world, "web")
    land(world, {".gitops-rollback/pause.yaml": pause})
    one = world.replica()
    release(world, one, "web")
    assert world.reverts() == 0
    assert any("cannot be read, which means stop" in message.text for message in one.told.messages)
