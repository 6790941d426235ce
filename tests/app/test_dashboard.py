"""The dashboard over real HTTP, on what a real repository, an engine and a metric store say."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, policy, running, ship
from test_steps import shifted

import gitops_rollback.web
from gitops_rollback.app.board import Board, Place
from gitops_rollback.app.checkup import Finding
from gitops_rollback.app.showing import brief
from gitops_rollback.app.showing_rollback import rollback_document, version_back
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.reasons import meaning_of
from gitops_rollback.core.rollback import StepRecord
from gitops_rollback.web.actions import Actions
from gitops_rollback.web.dashboard import Dashboard, is_ours, outline, visible
from gitops_rollback.web.dashboard_server import DashboardServer
from gitops_rollback.web.setup import Setup

NAME = "default/Application/argocd/web"
STATIC = Path(gitops_rollback.web.__file__).parent / "static"
EVIL = '</pre><script>alert(1)</script> \u202e <img src=x onerror=alert(2)> "onmouseover="x'


class Shown:
    """A dashboard over one replica, and a browser that knows no JavaScript."""

    def __init__(self, world: World, actions: Callable[[Shown], Actions] | None = None) -> None:
        self.world, self.board = world, Board()
        setup = Setup(lambda: iter([Finding("git", False, "no answer", "mend it")]), lambda: world.clock)
        doors = actions(self) if actions is not None else None
        self.server = DashboardServer(
            ("127.0.0.1", 0), Dashboard(self.board, lambda: world.clock, setup, ["ops.example"], doors)
        )
        self.server.start()
        self.browser = httpx.Client(base_url=self.server.url, timeout=10)

    def watch(self, name: str = "one") -> Replica:
        return self.show(self.world.replica(name))

    def show(self, replica: Replica) -> Replica:
        self.board.expect("shop/config", Place(replica.repo, replica.reconciler))
        replica.reconciler.report = lambda tick: self.board.see("shop/config", tick)
        return replica

    def html(self, path: str) -> str:
        answer = self.browser.get(path)
        assert answer.status_code == 200, answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        return answer.text

    def words(self, path: str) -> str:
        return unescape(re.sub(r"<[^>]*>", " ", self.html(path)))

    def json(self, path: str) -> dict:
        answer = self.browser.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def shown(world: World) -> Iterator[Shown]:
    shown = Shown(world)
    yield shown
    shown.browser.close()
    shown.server.stop()


def deployed_bad(shown: Shown) -> Replica:
    """A release that is bad from a minute after it was deployed, and who will see it."""
    running(shown.world, "web")
    shown.world.engine.deploy("web", ship(shown.world, "web", START - MINUTE), START)
    shown.world.metrics.break_from("web", START + MINUTE)
    return shown.watch()


def rolled_back(shown: Shown) -> Replica:
    """The same release, and the replica that has taken it back."""
    replica, world = deployed_bad(shown), shown.world
    replica.until(START, START + 3 * MINUTE)
    world.engine.deploy("web", world.head(), START + 3 * MINUTE)
    world.metrics.mend("web", START + 3 * MINUTE)
    replica.until(START + 3 * MINUTE, START + 5 * MINUTE)
    return replica


def test_before_the_first_look_and_without_a_policy_it_says_what_to_do_next(shown: Shown) -> None:
    assert "gitops-rollback doctor" in shown.words("/")
    shown.world.first({"README.md": "The shop\n"})
    shown.watch().tick(START)
    assert "gitops-rollback init" in shown.words("/")
    assert shown.json("/index.json")["applications"] == 0


def test_the_story_of_a_rollback_is_on_each_page_and_the_same_after_a_restart(shown: Shown) -> None:
    rolled_back(shown)
    (told,) = shown.json("/rollbacks.json")["rollbacks"]
    assert told["headline"].startswith("web was rolled back to ")
    assert told["headline"] in shown.words("/")
    assert "/r/" + told["id"] in shown.html("/")
    before = shown.json(f"/r/{told['id']}.json")
    assert {one["name"] for one in before["chart"]["markers"]} == {"sync", "fired", "revert", "recovered"}
    values = [value for _, value in before["chart"]["points"]]
    assert (min(values), max(values)) == (0.01, 0.5)
    assert "-          image: registry.example/web:" in before["diff"]
    assert before["headline"].startswith("web was rolled back to 1.0 (")
    page = shown.words(f"/r/{told['id']}")
    assert all(one in page for one in ("Suspects", "Guards", "Post-mortem", "verify"))
    assert "<polyline" in shown.html(f"/r/{told['id']}")
    shown.watch("two").tick(shown.world.clock.at + MINUTE)
    after = shown.json(f"/r/{told['id']}.json")
    assert {key: before[key] for key in before if key != "chart"} == {
        key: after[key] for key in after if key != "chart"
    }
    assert after["chart"]["points"][: len(values)] == before["chart"]["points"][: len(values)]


def test_of_several_commits_it_shows_what_they_changed_together_and_when_each_came(shown: Shown) -> None:
    replica, world = shown.show(shifted(shown.world)), shown.world
    replica.until(START, START + 4 * MINUTE)
    world.metrics.mend("web", START + 4 * MINUTE)
    replica.until(START + 4 * MINUTE, START + 9 * MINUTE)
    (told,) = shown.json("/rollbacks.json")["rollbacks"]
    page = shown.json(f"/r/{told['id']}.json")
    assert [one["name"] for one in page["chart"]["markers"]] == [
        *("sync", "fired", "step 1", "step 2", "step 3", "recovered")
    ]
    changed = [line.split() for line in page["diff"].splitlines() if line.startswith(("+ ", "- "))]
    assert [words[:3] for words in changed if "weight:" in words] == [
        *(["-", "weight:", "40"], ["+", "weight:", "100"], ["-", "weight:", "60"], ["+", "weight:", "0"])
    ]
    assert ["+", "image:", "registry.example/web:1.0"] in changed
    assert "What all of them changed together" in shown.words(f"/r/{told['id']}")


def test_a_drill_is_called_one_wherever_its_rollback_is_listed(shown: Shown) -> None:
    replica = rolled_back(shown)
    (record,) = replica.reconciler.see_now().journal.records.values()
    assert brief(record)["drill"] == ""
    assert brief(replace(record, evidence={**record.evidence, "drill": "dr-1"}))["drill"] == "dr-1"


def test_a_replica_that_stands_by_says_so_and_who_leads(shown: Shown) -> None:
    replica = rolled_back(shown)
    shown.board.read("shop/config", replica.reconciler.stand_by(), "gitops-rollback-2")
    page = shown.words("/")
    assert "This replica stands by for shop/config: gitops-rollback-2 leads it" in page
    assert "web was rolled back to" in page  # what git says is shown all the same
    answer = shown.browser.get("/a/default/Application/argocd/web")
    assert answer.status_code == 404
    assert "gitops-rollback-2 leads it" in answer.text
    shown.board.read("shop/config", replica.reconciler.stand_by())
    assert "nobody is known to lead it yet" in shown.words("/")


def test_without_an_answer_of_the_metric_store_there_is_a_sentence_and_no_curve(shown: Shown) -> None:
    rolled_back(shown)
    shown.world.metrics.down = True
    (told,) = shown.json("/rollbacks.json")["rollbacks"]
    assert shown.json(f"/r/{told['id']}.json")["chart"]["points"] == []
    page = shown.html(f"/r/{told['id']}")
    assert "No curve: " in page
    assert "<polyline" not in page


def test_an_application_that_cannot_be_measured_is_never_shown_as_well(shown: Shown) -> None:
    replica = deployed_bad(shown)
    shown.world.metrics.down = True
    replica.until(START, START + MINUTE)
    (row,) = shown.json("/applications.json")["rows"]
    assert row["state"] == "blind"
    assert "All is quiet" not in shown.words("/")


def test_what_is_red_while_it_is_paused_stays_red_and_says_that_nothing_is_done(shown: Shown) -> None:
    stop = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true, reason: load test}\n"
    replica = deployed_bad(shown)
    shown.world.people.push("Stop", {".gitops-rollback/pause.yaml": stop}, START)
    replica.until(START, START + 3 * MINUTE)
    (row,) = shown.json("/applications.json")["rows"]
    assert (row["state"], row["paused"]) == ("firing", True)
    assert "above the limit" in row["message"]
    assert "load test" in row["message"]


def test_application_policy_and_setup_say_what_the_verbs_say(shown: Shown) -> None:
    running(shown.world, "web")
    shown.world.people.push("Slip", {f"{POLICIES}/slip.yaml": policy("slip").replace("interval", "intervall")}, START)
    shown.watch().tick(START)
    page = shown.words(f"/a/{NAME}")
    assert "What would happen if it fired now" in page
    assert "revert by push" in re.sub(r"\s+", " ", page)
    listed = shown.json("/policies.json")["policies"]
    assert {one["name"]: one.get("refused", False) for one in listed} == {"web": False, f"{POLICIES}/slip.yaml": True}
    broken = shown.json(f"/p/shop/config.json?path={POLICIES}/slip.yaml")
    assert "intervall" in broken["marks"][0]["message"]
    assert shown.json(f"/p/shop/config.json?path={POLICIES}/web.yaml")["effective"]["timing"]["initialDelay"] == "15s"
    assert "mend it" in shown.words("/setup") or shown.json("/setup.json")["findings"]


def test_a_shorter_name_leads_to_the_one_application_that_has_it(shown: Shown) -> None:
    running(shown.world, "web")
    shown.watch().tick(START)
    for short in ("web", "argocd/web", "Application/web"):
        answer = shown.browser.get(f"/a/{short}")
        assert (answer.status_code, answer.headers["location"]) == (302, f"/a/{NAME}")
    assert shown.browser.get("/a/web.json", follow_redirects=True).json()["application"] == NAME
    assert shown.browser.get("/a/we").status_code == 404


def test_a_name_that_several_have_leads_to_a_page_of_them(shown: Shown) -> None:
    running(shown.world, "web", "api")
    same = {f"{POLICIES}/{one}.yaml": policy(one).replace(f"- name: {one}", "- name: shop") for one in ("web", "api")}
    shown.world.people.push("Call both shop", same, START)
    shown.watch().tick(START + MINUTE)
    answer = shown.browser.get("/a/shop")
    assert answer.status_code == 300
    assert "2 applications have this name" in answer.text
    assert f'href="/a/{NAME}"' in answer.text
    assert [one["application"] for one in shown.browser.get("/a/shop.json").json()["rows"]] == [
        "default/Application/argocd/api",
        NAME,
    ]
    assert shown.browser.get(f"/a/{NAME}").status_code == 200


def test_a19_the_words_of_a_commit_are_text_wherever_they_stand(shown: Shown) -> None:
    running(shown.world, "web")
    bad = START + MINUTE
    text = f"# {EVIL}\nkind: Deployment\nmetadata: {{name: web}}\nversion: 2\n"
    commit = shown.world.people.push(EVIL, {"apps/web/web.yaml": text}, bad)
    shown.world.engine.deploy("web", commit, bad)
    shown.world.metrics.break_from("web", bad)
    shown.watch().until(bad, bad + 2 * MINUTE)
    (told,) = shown.json("/rollbacks.json")["rollbacks"]
    for path in ("/", f"/r/{told['id']}", f"/a/{NAME}", "/applications?q=%3Cscript%3E"):
        page = shown.html(path)
        assert "<script>" not in page
        assert "<img" not in page
        assert "\u202e" not in page
    assert visible("a\u202eb\x1b") == "a\\u202eb\\u001b"


def test_who_calls_it_by_a_strangers_name_or_wants_to_write_gets_nothing(shown: Shown) -> None:
    assert shown.browser.get("/", headers={"Host": "evil.example"}).status_code == 421
    assert shown.browser.get("/", headers={"Host": "ops.example:8090"}).status_code == 200
    assert shown.browser.post("/").status_code == 405
    assert shown.browser.get("/static/x/..%2fdashboard.py").status_code == 404
    assert shown.browser.get("/r/rb-0").status_code == 404
    assert shown.browser.get("/applications?page=99999999999999").status_code == 200
    assert is_ours("[::1]:8090", ())
    assert not is_ours("", ())
    assert not is_ours("127.0.0.1.evil.example", ())


def test_p20_more_pages_than_it_has_room_for_are_refused_and_the_others_go_on(shown: Shown) -> None:
    running(shown.world, "web")
    shown.watch().tick(START)
    address = (shown.server.url.rpartition("/")[2].split(":")[0], int(shown.server.url.rpartition(":")[2]))
    streams = [socket.create_connection(address, 5) for _ in range(32)]
    try:
        for one in streams:
            one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one.recv(12) == b"HTTP/1.1 200"
        assert shown.browser.get("/events").status_code == 503
        assert shown.browser.get("/applications").status_code == 200
    finally:
        for one in streams:
            one.close()


def test_an_open_page_is_told_of_the_next_look(shown: Shown) -> None:
    running(shown.world, "web")
    replica = shown.watch()
    replica.tick(START)
    with shown.browser.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"
        replica.tick(START + timedelta(seconds=15))
        assert next(line for line in lines if line.startswith("event:")) == "event: look"


def test_what_others_made_is_what_they_published(shown: Shown) -> None:
    for line in (STATIC / "VENDORED.sha256").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest
    page = shown.html("/")
    assert not re.search(r"""(?:src|href)="(?:https?:)?//""", page)
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert shown.browser.get(path).headers["cache-control"].endswith("immutable")


def test_a_policy_in_force_reads_like_a_file() -> None:
    nested = {"suspend": False, "triggers": [{"name": "errors", "baseline": {"factor": 2.0}}], "labels": ["a", "b"]}
    lines = ["suspend: false", "triggers:", "  - name: errors", "    baseline:", "      factor: 2.0"]
    assert outline(nested) == [*lines, "labels:", "  - a", "  - b"]


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("+          image: registry.example/web:1.41.0", "1.41.0"),
        ("+    - image: 'localhost:5000/shop/web:v2'", "v2"),
        ("+    newTag: v1.2.3", "v1.2.3"),
        ('+      tag: "1.2"', "1.2"),
        ("+  image: web@sha256:0a1b", ""),  # nobody reads that as a version
        ("+  image: web:1\n+  image: mail:2", ""),
        ("-  image: web:1\n+  replicas: 3", ""),
    ],
)
def test_the_sentence_names_the_version_that_comes_back_where_there_is_one(line: str, version: str) -> None:
    assert version_back(f"--- a/web.yaml\n+++ b/web.yaml\n{line}\n") == version


def test_a_rollback_of_several_commits_lists_each_and_what_is_still_ahead(shown: Shown) -> None:
    rolled_back(shown)
    (picture,) = shown.board.pictures().values()
    (record,) = picture.view.journal.records.values()
    alone = rollback_document(picture, record, {})
    assert alone["steps"] == []
    stepped = replace(record, steps=(replace(record.steps[0], n=1, of=2), StepRecord(2, 2, None)))
    first, second = rollback_document(picture, stepped, {})["steps"]
    assert (first["n"], first["of"], first["commit"]) == (1, 2, record.commit)
    assert first["subject"].startswith('Revert "')
    assert (second["commit"], second["pushed"]) == (None, None)


def test_the_page_of_one_rollback_says_in_which_part_it_is(shown: Shown) -> None:
    rolled_back(shown)
    (told,) = shown.json("/rollbacks.json")["rollbacks"]
    assert '<a href="/rollbacks" aria-current="true">' in shown.html(f"/r/{told['id']}")


def test_the_word_of_a_decision_says_what_it_means_where_it_stands(shown: Shown) -> None:
    rolled_back(shown)
    means = meaning_of("TriggerFired")
    assert means is not None
    page = unescape(shown.html(f"/a/{NAME}"))
    assert f'href="/reasons#TriggerFired"><code title="{means.says} To do: {means.todo}">TriggerFired</code>' in page


def test_each_word_of_a_decision_has_its_place_on_one_page_of_ours(shown: Shown) -> None:
    page = unescape(shown.html("/reasons")).replace("<code>", "`").replace("</code>", "`")
    for one in Reason:
        assert f'<div id="{one.value}">' in page
    first = shown.json("/reasons.json")["sections"][0]["reasons"][0]
    assert first["says"] in page
    assert first["todo"] in page
