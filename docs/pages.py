"""Writes the pages beside it: the reference, what people do at a forge as its stories are told, and the first minutes.

Run it as `python3 make.py docs`. `tests/e2e/test_stories.py` and `test_first_ten_minutes.py` hold the pages to it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import first_ten_minutes
import reference_pages

from gitops_rollback.sandbox.demo import Demo
from gitops_rollback.sandbox.forge import BOT
from gitops_rollback.sandbox.forge.events import Event, What
from gitops_rollback.sandbox.forge_stories import FORGE_STORIES, REQUEST, REQUEST_PATH
from gitops_rollback.sandbox.telling import Story

HERE = Path(__file__).resolve().parent
SPEED = 10.0
OUT = "demo-out"  # in place of the folder that it was told in, as the demo names it


def page(story: Story, out: Path) -> str:
    """The page of one story. Raises: RuntimeError if it does not end as it is told."""
    lines: list[str] = []
    written: list[str] = []
    demo = Demo(story, SPEED, out, lines.append)
    if demo.world.forge is None:
        raise RuntimeError(f"{story.name} has no forge")

    def listen(event: Event) -> None:
        comment = event.about.get("comment")
        if event.what in (What.COMMENTED, What.COMMENT_EDITED) and getattr(comment, "author", "") == BOT:
            written.append(str(getattr(comment, "body", "")))

    demo.world.forge.machine.listeners.append(listen)
    try:
        if not demo.run():
            raise RuntimeError("\n".join([f"{story.name} did not end as told", *lines]))
    finally:
        demo.close()
    opened = demo.world.forge.state.pulls[1].body
    told = "\n".join(lines).replace(str(out), OUT)
    return "\n\n".join([*_beginning(story), f"```text\n{told}\n```", *_texts(opened, written)]) + "\n"


def _beginning(story: Story) -> list[str]:
    command = f"python3 make.py demo STORY={story.name}"
    parts = [
        f"# {story.name}",
        story.summary,
        f"`python3 make.py docs` made this page: all of it is what `{command}` printed and wrote. "
        "`FORGE=github` and `FORGE=gitlab` tell it at those.",
    ]
    if story.name == "request":
        parts += [f"The pull request adds one file, `{REQUEST_PATH}`:", f"```yaml\n{REQUEST}```"]
    return [*parts, "What the demo prints:"]


def _texts(opened: str, written: list[str]) -> list[str]:
    """What the controller writes there: the body of what it opened, its comment at first and in the end."""
    named = [("The pull request's text", opened)] if opened else []
    named += [("The comment at first", written[0]), ("The same comment in the end", written[-1])]
    return [part for name, text in named for part in (f"## {name}", _quoted(text))]


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def main() -> int:
    """All pages, or those that are named; `reference` are those that are made from the code."""
    if not sys.argv[1:] or "reference" in sys.argv[1:]:
        reference_pages.written()
        print(f"docs/reference/: {', '.join(reference_pages.PAGES)}")
    if not sys.argv[1:] or first_ten_minutes.PAGE.removesuffix(".md") in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            (HERE / first_ten_minutes.PAGE).write_text(first_ten_minutes.page(Path(folder)), "utf-8")
        print(f"docs/{first_ten_minutes.PAGE}")
    for story in FORGE_STORIES:
        if sys.argv[1:] and story.name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            (HERE / f"{story.name}.md").write_text(page(story, Path(folder) / "told"), "utf-8")
        print(f"docs/{story.name}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
