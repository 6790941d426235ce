"""What people press on the dashboard, over real HTTP and real git: who may, what it does, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import httpx
import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, deployment, policy, running, ship
from fake_forge import FakeForge
from pydantic import ValidationError
from test_dashboard import EVIL, NAME, Shown

from gitops_rollback.app.chat_door import Presses
from gitops_rollback.app.receipts import Receipts
from gitops_rollback.app.settings_doors import DashboardLogin
from gitops_rollback.app.taking import take_pages, take_requests
from gitops_rollback.core.pull_request import Permission
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import CONTROL_BRANCH, HEAD_PATH, Pause, encode_pauses
from gitops_rollback.web.actions import Actions
from gitops_rollback.web.login import Login, Rates

FILE = "apps/web/web.yaml"
GRACE, ADA = "grace-has-a-long-token", "ada-has-another-token"
LOGIN = {
    "tokens": [{"login": "grace", "token": GRACE}, {"login": "ada", "token": ADA}],
    "proxy": {"trusted": "127.0.0.1", "people": {"mary@example.com": "mary"}},
}
BY_PROXY = {"X-Forwarded-Email": "mary@example.com"}


class Desk:
    """A plan that waits for a word on a dashboard with a login, and a browser without JavaScript."""

    def __init__(self, world: World, login: dict | None = None) -> None:
        self.world, self.receipts, self.presses = world, Receipts(), Presses()
        self.login = Login(DashboardLogin.model_validate(login or LOGIN), now=lambda: self.now)
        self.now = 1_800_000_000.0
        self.shown = Shown(world, self._actions)
        self.one = self._story()
        take_pages(self.one.reconciler, self.presses, self.receipts, self.login.settings.logins)

    def _actions(self, shown: Shown) -> Actions:
        return Actions(
            self.login, self.receipts, self.presses.add, shown.board.pictures, lambda: self.world.clock, ["ops.example"]
        )

    def _story(self) -> Replica:
        world = self.world
        running(world, "web")
        asks = policy("web", severity="page_and_suggest")
        world.people.push("Ask", {f"{POLICIES}/web.yaml": asks}, START - 50 * MINUTE)
        world.engine.deploy("web", world.head(), START - 49 * MINUTE)
        bad = ship(world, "web", START - MINUTE)
        one = self.shown.watch()
        world.engine.deploy("web", bad, START)
        world.metrics.break_from("web", START + MINUTE)
        one.until(START, START + 3 * MINUTE)
        return one

    @property
    def record(self) -> RollbackRecord:
        (record,) = self.one.reconciler.see_now().journal.records.values()
        return record

    @property
    def page(self) -> str:
        return f"/r/{self.record.id}"

    def log_in(self, token: str = GRACE, **headers: str) -> httpx.Response:
        return self.post("/login", {"token": token}, **headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
        return self.shown.browser.post(path, data=form, headers={"Origin": self.shown.server.url, **headers})

    def form(self, page: str, button: str, **headers: str) -> dict[str, str]:
        """The fields of the form with this button, as the page has them."""
        html = self.shown.browser.get(page, headers=headers).text
        (form,) = [one for one in re.findall(r'<form class="act".*?</form>', html, re.S) if f'value="{button}"' in one]
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
        return {**{name: unescape(value) for name, value in fields}, "button": button}

    def press(self, button: str, page: str = "", **fields: str) -> str:
        """The words that the page shows after the next look."""
        where = self.press_only(button, page, **fields)
        self.look()
        return self.told(where)

    def shown_plan(self) -> str:
        """Where the page shows what the waiting plan would change, and may be approved."""
        where = self.press_only("plan")
        self.look()
        return where

    def press_only(self, button: str, page: str = "", **fields: str) -> str:
        answer = self.post("/act", {**self.form(page or self.page, button), **fields})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def look(self) -> None:
        at = self.world.clock.at + timedelta(seconds=15)
        self.one.until(at, at)

    def told(self, where: str) -> str:
        found = re.search(r'<section class="card told".*?</section>', self.shown.html(where), re.S)
        return unescape(re.sub(r"<[^>]*>", "", found[0])).strip() if found else ""

    def close(self) -> None:
        self.shown.browser.close()
        self.shown.server.stop()


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    desk = Desk(world)
    yield desk
    desk.close()


def test_an_approval_pushes_what_the_page_showed_in_the_name_of_who_pressed_it(desk: Desk) -> None:
    assert desk.log_in().status_code == 303
    where = desk.press_only("plan")
    assert "The next look at the repository answers" in desk.told(where)
    desk.look()
    assert "+          image: registry.example/web:1.0" in desk.told(where)
    assert "it would be another change by now" in desk.press("approve", where, seen="0" * 32)
    assert "✔ Approved, and pushed." in desk.press("approve", where)
    assert desk.world.people.read(FILE) == deployment("web", "1.0")
    assert desk.record.requested_by == "grace"
    said = [one for one in desk.one.reconciler.see_now().journal.decisions if one.application == "dashboard"]
    assert [(one.details["by"], one.details["button"]) for one in said] == [("grace", "approve")]


def test_what_a_button_told_is_for_whoever_pressed_it(desk: Desk) -> None:
    desk.log_in()
    where = desk.shown_plan()
    assert "✔" in desk.told(where)
    desk.log_in(ADA)
    assert desk.told(where) == ""


def test_a_no_with_its_reason_ends_the_plan(desk: Desk) -> None:
    desk.log_in()
    assert "✔ Rejected." in desk.press("reject", reason="fixed <b>forward</b>")
    assert (desk.record.outcome, desk.record.reason) == ("refused", "Rejected")
    assert "grace rejected it: fixed" in desk.record.message
    assert "does not wait for a word" not in desk.shown.html(desk.page)
    assert "<b>forward" not in desk.shown.html(desk.page)


def test_an_open_rollback_is_stopped_and_what_is_pushed_stays(desk: Desk) -> None:
    desk.log_in()
    desk.press("approve", desk.shown_plan())
    desk.look()
    assert "Stopped; commit " in desk.press("stop", reason="wrong application")
    assert (desk.record.outcome, desk.record.reason) == ("failed", "Aborted")
    assert desk.world.reverts() == 1


def test_pause_and_hold_last_from_the_press_and_everything_can_be_stopped(desk: Desk) -> None:
    desk.log_in()
    assert "is paused until" in desk.press("hold", f"/a/{NAME}", lasts="10m", reason="the flag goes off")
    assert "a fix in 10m: the flag goes off" in desk.world.people.read("pause.yaml", CONTROL_BRANCH)
    end = desk.world.clock.at + timedelta(hours=4)
    assert f"is paused until {end:%FT%TZ}" in desk.press("pause", f"/a/{NAME}", lasts="4h", reason="load test")
    assert 'by: "grace"' in desk.world.people.read("pause.yaml", CONTROL_BRANCH)
    assert "at most an hour" in desk.press("hold", f"/a/{NAME}", lasts="4h")
    assert "everything is paused without an end" in desk.press("pause", "/", lasts="", reason="all hands")
    assert "all: true" in desk.world.people.read("pause.yaml", CONTROL_BRANCH)


def test_a_pause_is_shown_and_ended_where_it_was_made_and_what_else_stops_it_is_said(desk: Desk) -> None:
    desk.log_in()
    desk.press("pause", f"/a/{NAME}", lasts="4h", reason="load test")
    desk.look()
    page = desk.shown.html(f"/a/{NAME}")
    assert "What stops it" in page
    assert "load test" in page
    assert desk.press("resume", f"/a/{NAME}") == f"✔ {NAME} goes on."
    assert "load test" not in desk.world.people.read("pause.yaml", CONTROL_BRANCH)
    desk.look()
    assert "What stops it" not in desk.shown.html(f"/a/{NAME}")
    desk.press("pause", "/", lasts="", reason="all hands")
    desk.look()
    assert 'value="resume"' not in desk.shown.html(f"/a/{NAME}")  # it stops the others, too
    desk.world.people.push("Freeze", {HEAD_PATH: encode_pauses((Pause(None, reason="audit"),)).decode()}, START)
    said = desk.press("resume", "/")
    assert said.startswith("✔ everything goes on. Still stopped: paused without an end")
    assert "audit" in said
    assert "all: true" not in desk.world.people.read("pause.yaml", CONTROL_BRANCH)
    desk.look()
    page = desk.shown.html("/")
    assert "No button ends that" in page
    assert 'value="resume"' not in page


def test_a_rollback_is_shown_before_it_is_asked_for_and_lands_as_it_was_shown(desk: Desk) -> None:
    desk.log_in()
    where = desk.press_only("plan", f"/a/{NAME}", reason="cards fail")
    desk.look()
    assert "+          image: registry.example/web:1.0" in desk.told(where)
    assert desk.world.reverts() == 0
    assert "✔ Pushed as rb-" in desk.press("rollback", where)
    assert desk.world.people.read(FILE) == deployment("web", "1.0")


def test_a_rollback_is_undone_by_who_has_seen_what_would_come_again(desk: Desk) -> None:
    desk.log_in()
    desk.press("approve", desk.shown_plan())
    desk.world.engine.deploy("web", desk.world.head(), desk.world.clock.at)
    desk.world.metrics.mend("web", desk.world.clock.at)
    desk.one.until(desk.world.clock.at, desk.world.clock.at + 12 * MINUTE)
    assert desk.record.outcome == "verified"
    where = desk.press_only("plan", reason="it was the cache")
    desk.look()
    assert "+          image: registry.example/web:1.1" in desk.told(where)
    assert "Pushed as rb-" in desk.press("rollback", where, reason="it was the cache")
    assert desk.world.people.read(FILE) == deployment("web", "1.1")
    assert desk.world.reverts() == 2


def test_a16_a_rollback_that_would_change_something_else_by_now_is_not_done(desk: Desk) -> None:
    desk.log_in()
    where = desk.press_only("plan", f"/a/{NAME}", reason="cards fail")
    desk.look()
    text = desk.world.people.read(FILE).replace("info", "debug")
    desk.world.people.push("Change it", {FILE: text}, desk.world.clock.at)
    assert "it would be another change by now" in desk.press("rollback", where)
    assert desk.world.reverts() == 0


def test_a16_what_changed_since_the_page_was_made_is_looked_at_again(desk: Desk) -> None:
    desk.log_in()
    form = desk.form(desk.shown_plan(), "approve")
    text = desk.world.people.read(FILE).replace("info", "debug")
    desk.world.people.push("Change it", {FILE: text}, desk.world.clock.at)
    where = desk.post("/act", form).headers["location"]
    desk.look()
    assert "the branch is not what was shown" in desk.told(where)
    assert desk.world.reverts() == 0


def test_without_a_login_nothing_can_be_pressed_and_with_one_it_takes_no_more_than_the_page(desk: Desk) -> None:
    assert "approve" not in re.findall(r'name="button" value="(\w+)"', desk.shown.html(desk.page))
    assert desk.post("/act", {"button": "approve"}).status_code == 403
    assert desk.log_in("grace-has-a-wrong-token").status_code == 403
    assert desk.shown.browser.post(desk.page).status_code == 405
    desk.look()
    assert desk.world.reverts() == 0


def test_csrf_a_form_counts_from_pages_of_ours_alone(desk: Desk) -> None:
    desk.log_in()
    form = desk.form(desk.page, "plan")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},  # of a page that hides where it is
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert desk.post("/act", form, **headers).status_code == 403
    assert desk.shown.browser.post("/act", data=form).status_code == 403
    assert desk.post("/act", form, **{"Content-Type": "text/plain"}).status_code == 415
    assert not desk.presses.take()
    assert desk.post("/act", form, Origin="https://ops.example").status_code == 303  # by a proxy's name


def test_csrf_a_ticket_is_good_for_one_person_one_hour_and_one_press(desk: Desk) -> None:
    desk.log_in()
    form = desk.form(desk.page, "plan")
    desk.log_in(ADA)
    assert desk.post("/act", form).status_code == 403
    desk.log_in()
    for ticket in ("", "x", form["ticket"][:-1] + ("0" if form["ticket"][-1] != "0" else "1")):
        assert desk.post("/act", {**form, "ticket": ticket}).status_code == 403
    assert desk.post("/act", form).status_code == 303
    assert desk.post("/act", form).status_code == 303  # a second click
    assert len(desk.presses.take()) == 1
    form = desk.form(desk.page, "plan")
    desk.now += 3601
    assert desk.post("/act", form).status_code == 403


def test_a_session_ends_after_a_day_of_work_and_cannot_be_made_up(desk: Desk) -> None:
    cookie = desk.log_in().headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert GRACE not in cookie
    desk.now += 8 * 3600 + 1
    assert "Log in" in desk.shown.html("/")
    session = desk.login.session_of(GRACE)
    for forged in (session.replace(b"grace".hex(), b"ada".hex()), session[:-2] + "00", "grace.9.x", "..", "é"):
        desk.shown.browser.cookies.clear()
        answer = desk.shown.browser.get("/", headers={b"cookie": f"gitops-rollback-session={forged}".encode()})
        assert "Log in" in answer.text
    desk.log_in()
    assert desk.post("/logout", {"": ""}).status_code == 303
    assert "Log in" in desk.shown.html("/")


def test_a_trusted_proxy_says_who_it_is_and_who_is_not_named_may_only_look(desk: Desk) -> None:
    form = desk.form(desk.page, "reject", **BY_PROXY) | {"reason": "fixed forward"}
    stranger = {"X-Forwarded-Email": f"{EVIL.encode('ascii', 'ignore').decode()}@example.com"}
    html = desk.shown.browser.get("/", headers=stranger).text
    assert "may only look" in html
    assert "<script>alert" not in html
    assert desk.post("/act", form, **stranger).status_code == 403
    twice = [("X-Forwarded-Email", "mary@example.com"), ("X-Forwarded-Email", "eve@example.com")]
    assert "mary@" not in desk.shown.browser.get("/", headers=twice).text
    assert desk.post("/act", form, **BY_PROXY).status_code == 303
    desk.look()
    assert "mary rejected it" in desk.record.message


def test_a15_whoever_is_no_trusted_proxy_can_say_of_nobody_who_they_are(world: World) -> None:
    proxy = {**LOGIN["proxy"], "trusted": ["10.9.0.0/16"]}
    desk = Desk(world, {**LOGIN, "proxy": proxy})
    try:
        for also in ({}, {"X-Forwarded-For": "10.9.0.1"}, {"Forwarded": "for=10.9.0.1"}):
            assert "mary@" not in desk.shown.browser.get("/", headers={**BY_PROXY, **also}).text
    finally:
        desk.close()


def test_a15_what_the_forge_says_of_a_login_counts_more_than_the_settings(desk: Desk) -> None:
    forge = FakeForge(desk.world)
    take_requests(desk.one.reconciler, forge)
    take_pages(desk.one.reconciler, desk.presses, desk.receipts, ("grace",), forge)
    forge.permissions = {"grace": Permission.READ}
    desk.log_in()
    assert "may not see plans" in desk.press("plan")
    assert "may not do this" in desk.press("reject", reason="no")
    assert desk.world.reverts() == 0


def test_where_a_replica_may_not_write_the_press_is_answered_with_the_verb(desk: Desk) -> None:
    desk.log_in()
    door = take_pages(desk.one.reconciler, desk.presses, desk.receipts, ("grace",))
    where = desk.press_only("plan")
    door.turn_away({}, desk.world.clock.at, "stands by: pod-2 leads")
    assert "Run `gitops-rollback explain rb-" in desk.told(where)
    where = desk.press_only("reject", reason="no")
    desk.world.clock.at += timedelta(minutes=11)
    desk.look()
    assert "pressed too long ago" in desk.told(where)
    assert desk.world.reverts() == 0


def test_the_pages_of_a_replica_that_stands_by_have_no_button_but_the_name_of_who_leads(desk: Desk) -> None:
    desk.log_in()
    desk.shown.board.read("shop/config", desk.one.reconciler.stand_by(), "pod-2")
    for page in (desk.page, "/"):
        html = desk.shown.html(page)
        assert "pod-2 leads it" in html
        assert 'action="/act"' not in html


def test_a_form_that_no_page_of_ours_has_changes_nothing(desk: Desk) -> None:
    desk.log_in()
    form = desk.form(desk.page, "plan")
    for fields, status in (
        ({"button": "resume"}, 400),  # of a rollback: that must not end what stops everything
        ({"button": "undo"}, 400),
        ({"button": "reject"}, 400),  # without a reason
        ({"repository": "shop/other"}, 400),
        ({"rollback": ""}, 400),
        ({"rollback": "", "application": NAME}, 400),  # without a reason
        ({"rollback": "", "button": "approve"}, 400),
        ({"button": "pause", "reason": "x", "lasts": "9y"}, 400),
        ({"reason": "x" * 9000}, 413),
        ({f"f{number}": "x" for number in range(30)}, 400),
    ):
        assert desk.post("/act", {**form, **fields}).status_code == status, fields
    assert not desk.presses.take()


def test_p20_who_tries_tokens_or_presses_too_often_must_wait(desk: Desk) -> None:
    assert [desk.log_in(f"wrong-token-number-{number}").status_code for number in range(11)][-2:] == [403, 429]
    assert desk.log_in().status_code == 429
    assert desk.shown.browser.get("/").status_code == 200
    now = [0.0]
    rates = Rates(2, 60.0, lambda: now[0])
    assert [rates.take("ada") for _ in range(3)] == [True, True, False]
    assert rates.take("grace")
    now[0] = 61.0
    assert rates.take("ada")
    for number in range(3000):
        rates.take(str(number))
    assert len(rates._seen) <= 1000


@pytest.mark.parametrize(
    ("login", "why"),
    [
        ({}, "needs tokens or proxy"),
        ({"tokens": [{"login": "a", "token": GRACE}, {"login": "b", "token": GRACE}]}, "the same token"),
        ({"tokens": [{"login": "a", "token": GRACE}, {"login": "a", "token": ADA}]}, "the same login"),
        ({"tokens": [{"login": "a", "token": "short"}]}, "at least 16"),
        ({"proxy": {"trusted": ["0.0.0.0/0"]}}, "every address"),
        ({"proxy": {"trusted": ["10.0.0.1/8"]}}, "a network like"),
        ({"proxy": {"people": {}}}, "Field required"),
    ],
)
def test_a_login_that_would_let_in_more_than_it_says_is_refused(login: dict, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        DashboardLogin.model_validate(login)
