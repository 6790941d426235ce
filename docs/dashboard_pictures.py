"""Makes the pictures of the dashboard in `docs/pictures/`: stories are told in the sandbox, and Chromium looks at them.

`../.venv/bin/python dashboard_pictures.py`: a minute or two. The same pages, with other times and SHAs, each time.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from gitops_rollback.sandbox.all_stories import find_story
from gitops_rollback.sandbox.demo import Demo

PICTURES = Path(__file__).with_name("pictures")
WIDTH, HEIGHT, TALL = 1180, 800, 920
SPEED = 30.0
LONGEST_SECONDS = 60


def main() -> int:
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with told("bad-release") as demo:
            picture(browser, demo, "overview", lambda _page: None)
            picture(browser, demo, "rollback", lambda page: page.click(".past a"))
        with told("asks-first") as demo:
            picture(browser, demo, "approve", to_what_waits, logged_in=True)
        browser.close()
    return 0


@contextmanager
def told(name: str) -> Iterator[Demo]:
    """A story that has ended as it should, with its dashboard up."""
    story = find_story(name, "argocd")
    if story is None:
        raise SystemExit(f"there is no story {name}")
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(story, SPEED, Path(folder) / "out", print, shown=True)
        try:
            if not demo.run():
                raise SystemExit(f"{name} did not end as told")
            demo.start_controller()
            if not demo.wait_for(lambda: has_looked(demo.dashboard), LONGEST_SECONDS):
                raise SystemExit("the dashboard shows nothing")
            yield demo
        finally:
            demo.stop_controller()
            demo.close()


def picture(browser: Browser, demo: Demo, name: str, go: Callable[[Page], None], logged_in: bool = False) -> None:
    size = {"width": WIDTH, "height": TALL if logged_in else HEIGHT}
    page = browser.new_context(viewport=size, color_scheme="light").new_page()
    page.set_default_timeout(1000 * LONGEST_SECONDS)
    if logged_in:
        page.goto(f"{demo.dashboard}login")
        page.fill("input[name=token]", demo.token)
        page.click("button.main")
    page.goto(demo.dashboard)
    page.wait_for_selector(".past a")
    go(page)
    page.wait_for_selector("#live-state.on")
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
    page.context.close()


def has_looked(url: str) -> bool:
    """The controller that was started again serves, and knows of a rollback again."""
    try:
        with urllib.request.urlopen(f"{url}rollbacks.json", timeout=5) as answer:
            return bool(json.load(answer)["rollbacks"])
    except OSError:
        return False


def to_what_waits(page: Page) -> None:
    page.click(".past a")
    page.click("text=Show what would change")
    page.wait_for_selector("text=Approve this")


if __name__ == "__main__":
    sys.exit(main())
