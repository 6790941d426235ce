"""The dashboard in a real Chromium: what a person sees, with and without JavaScript, by keyboard, narrow and wide."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_world import MINUTE, POLICIES, START, World
from playwright.sync_api import Browser, Page, expect, sync_playwright
from test_dashboard import NAME, Shown, deployed_bad, rolled_back
from test_dashboard_actions import GRACE, Desk

CHROMIUM = shutil.which("chromium") or ""
AXE = (Path(__file__).parent / "axe-4.14.1.min.js").read_text()

if not os.environ.get("CI") and (not CHROMIUM):
    pytest.skip("chromium is not installed here", allow_module_level=True)

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 360, "height": 800}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def shown(world: World) -> Iterator[Shown]:
    shown = Shown(world)
    yield shown
    shown.browser.close()
    shown.server.stop()


def pages_of(shown: Shown) -> list[str]:
    (told,) = shown.json("/rollbacks.json")["rollbacks"]
    policy = f"/p/shop/config?path={POLICIES}/web.yaml"
    return ["/", "/applications", f"/a/{NAME}", "/rollbacks", f"/r/{told['id']}", "/policies", policy, "/setup"]


def faults_of(page: Page) -> list[str]:
    """What axe finds that hinders people seriously, with the place of each."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {node['html'][:120]}" for one in serious for node in one["nodes"]]


def test_each_page_can_be_used_by_everybody_narrow_and_wide_light_and_dark(shown: Shown, chromium: Browser) -> None:
    rolled_back(shown)
    complaints: list[str] = []
    for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", NARROW)):
        context = chromium.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: complaints.append(asked.url) if shown.server.url not in asked.url else None)
        for path in pages_of(shown):
            page.goto(shown.server.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            if (scheme, size) == ("light", WIDE) or path.startswith("/r/"):  # the same parts make up all of them
                assert faults_of(page) == [], (path, scheme, size)
        context.close()
    assert [one for one in complaints if not one.startswith("data:")] == []


def test_without_javascript_the_same_is_there(shown: Shown, chromium: Browser) -> None:
    rolled_back(shown)
    page = chromium.new_context(java_script_enabled=False, viewport=WIDE).new_page()
    page.goto(shown.server.url)
    page.click("text=was rolled back to")
    expect(page.locator("svg polyline.curve:visible")).to_have_count(1)
    expect(page.locator("h1")).to_contain_text("and recovered")
    page.click("text=The same as a table")
    expect(page.locator("#chart-table td", has_text="0.5").first).to_be_visible()


def test_an_open_page_follows_the_story_and_keeps_what_was_opened(shown: Shown, chromium: Browser) -> None:
    replica, world = deployed_bad(shown), shown.world
    replica.tick(START)
    page = chromium.new_context(viewport=WIDE).new_page()
    page.goto(shown.server.url)
    expect(page.locator("#live-state")).to_have_text("live")
    expect(page.locator("h1")).to_have_text("All is quiet")
    page.click("text=The same as a table")
    replica.until(START, START + 3 * MINUTE)
    expect(page.locator("h1")).to_have_text("A rollback is under way")
    expect(page.locator("#timeline-table")).to_have_attribute("open", "")
    world.engine.deploy("web", world.head(), START + 3 * MINUTE)
    world.metrics.mend("web", START + 3 * MINUTE)
    replica.until(START + 3 * MINUTE, START + 5 * MINUTE)
    expect(page.locator(".past a")).to_contain_text("and recovered")


def test_the_way_from_the_first_page_to_a_cause_needs_no_mouse(shown: Shown, chromium: Browser) -> None:
    rolled_back(shown)
    page = chromium.new_context(viewport=WIDE).new_page()
    page.goto(shown.server.url + "/applications")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("web")
    page.keyboard.press("Enter")
    page.wait_for_url("**/applications?q=web*")
    page.locator("tbody a").focus()
    page.keyboard.press("Enter")
    page.locator(".past a").focus()
    page.keyboard.press("Enter")
    page.locator("#zoom summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#zoom .uplot canvas")).to_be_visible()


def test_a_person_logs_in_and_approves_with_javascript_and_without(world: World, chromium: Browser) -> None:
    desk = Desk(world)
    try:
        plain = chromium.new_context(java_script_enabled=False, viewport=NARROW).new_page()
        plain.goto(desk.shown.server.url + "/login")
        plain.fill("input[name=token]", GRACE)
        plain.click("button.main")
        plain.goto(desk.shown.server.url + desk.page)
        plain.click("text=Show what would change")
        desk.look()
        expect(plain.locator(".told")).to_contain_text("Nothing is written yet")  # the page renews itself
        whose = plain.context.storage_state()
        page = chromium.new_context(storage_state=whose, viewport=WIDE, bypass_csp=True).new_page()
        page.goto(desk.shown.server.url + desk.page)
        expect(page.locator("#live-state")).to_have_text("live")
        page.fill("input[aria-label='Why it is rejected']", "half a sen")
        desk.look()
        expect(page.locator("input[aria-label='Why it is rejected']")).to_have_value("half a sen")
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDE["width"]
        page.click("text=Show what would change")
        expect(page.locator(".told")).to_contain_text("The next look at the repository answers")
        desk.look()
        expect(page.locator(".told")).to_contain_text("Nothing is written yet")
        assert faults_of(page) == []
        page.click("text=Approve this")
        expect(page.locator(".told")).to_contain_text("The next look at the repository answers")
        desk.look()
        expect(page.locator(".told")).to_contain_text("Approved, and pushed.")
        desk.look()
        expect(page.locator("button", has_text="Stop following it")).to_be_visible()
        plain.click("text=Approve this")
        expect(plain.locator(".told")).to_contain_text("The next look")
        desk.look()
        expect(plain.locator(".told")).to_contain_text("does not wait for a word")
    finally:
        desk.close()
