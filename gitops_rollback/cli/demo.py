"""`gitops-rollback demo`: a story in the sandbox. Exit 0 only if it ended as told."""

from __future__ import annotations

import importlib.util
import sys
import threading
from dataclasses import replace
from pathlib import Path

import click

from gitops_rollback.adapters.extras import install
from gitops_rollback.cli.main import TIMEOUT
from gitops_rollback.cli.output import say
from gitops_rollback.sandbox.all_stories import ALL_STORIES, find_story, stories_of
from gitops_rollback.sandbox.demo import Demo, NotUp
from gitops_rollback.sandbox.quarter_demo import QUARTER, tell_quarter
from gitops_rollback.sandbox.world import Ports


def carry_out(
    story: str, engine: str, forge: str | None, speed: float, out: str, port: int, serve: bool, list_them: bool
) -> None:
    if list_them:
        for one in ALL_STORIES:
            click.echo(f"{one.name:<18}{'' if len(one.engines) > 1 else f'({one.engines[0]}) '}{one.summary}")
        click.echo(f"{QUARTER.name:<18}{QUARTER.summary}")
        return
    if story == QUARTER.name:
        if serve:
            raise click.UsageError(f"the story {story!r} is told by backtest, and has no pages: leave --serve away")
        sys.exit(0 if tell_quarter(Path(out).resolve(), click.echo) else 1)
    chosen = find_story(story, engine)
    if chosen is None:
        names = ", ".join(one.name for one in stories_of(engine)) + f", {QUARTER.name}"
        raise click.UsageError(f"there is no story {story!r} with {engine}; stories: {names}")
    if engine == "flux" and importlib.util.find_spec("lightkube") is None:
        raise click.UsageError(f"with Flux it needs the extra: {install('kubernetes')}")
    if forge is not None:
        if not chosen.forge:
            raise click.UsageError(f"the story {story!r} is told without a forge: leave --forge away")
        chosen = replace(chosen, forge=forge)
    ports = Ports(port, port + 1, port + 2) if port else None
    demo = Demo(chosen, speed, Path(out).resolve(), click.echo, ports, engine=engine, shown=serve)
    try:
        true = demo.run()
        if serve:
            demo.start_controller()
            click.echo(f" the sandbox of {engine} and the dashboard, {demo.dashboard}, stay up until Ctrl-C")
            threading.Event().wait()
    except NotUp as error:
        say(f"{error}. A machine that has much else to do is too slow for it: try again later.")
        sys.exit(TIMEOUT)
    finally:
        demo.stop_controller()
        demo.close()
    sys.exit(0 if true else 1)
