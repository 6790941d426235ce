"""`gitops-rollback demo`: a story in the sandbox. Exit 0 only if it ended as told."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import click

from gitops_rollback.sandbox.demo import Demo
from gitops_rollback.sandbox.stories import STORIES, find_story
from gitops_rollback.sandbox.world import Ports


@click.command("demo")
@click.option("--story", default="bad-release", show_default=True, metavar="NAME", help="Which story; see --list.")
@click.option("--engine", default="argocd", show_default=True, type=click.Choice(["argocd"]), help="Which engine.")
@click.option("--speed", default=30.0, show_default=True, type=click.FloatRange(1.5, 200), help="How fast time runs.")
@click.option("--out", default="demo-out", show_default=True, metavar="DIR", help="Made anew; keeps the repository.")
@click.option("--port", default=0, type=click.IntRange(0, 65533), help="First of three fixed ports; 0: free ones.")
@click.option("--serve", is_flag=True, help="Keep the sandbox up afterwards, until Ctrl-C.")
@click.option("--list", "list_them", is_flag=True, help="List the stories.")
def command(story: str, engine: str, speed: float, out: str, port: int, serve: bool, list_them: bool) -> None:
    """Tell a story: a small GitOps world on loopback, and the real controller that mends it.

    \b
    Examples:
      gitops-rollback demo
      gitops-rollback demo --story push-race --speed 20
    """
    if list_them:
        for one in STORIES:
            click.echo(f"{one.name:<16}{one.summary}")
        return
    chosen = find_story(story)
    if chosen is None:
        names = ", ".join(one.name for one in STORIES)
        raise click.UsageError(f"there is no story {story!r}; stories: {names}")
    ports = Ports(port, port + 1, port + 2) if port else None
    demo = Demo(chosen, speed, Path(out).resolve(), click.echo, ports)
    try:
        true = demo.run()
        if serve:
            click.echo(f" the sandbox of {engine} stays up until Ctrl-C")
            threading.Event().wait()
    finally:
        demo.close()
    sys.exit(0 if true else 1)
