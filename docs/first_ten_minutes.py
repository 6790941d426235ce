"""Makes `first-ten-minutes.md`: goes the way of a newcomer in the sandbox, and notes what each step really printed.

`tests/e2e/test_first_ten_minutes.py` goes the same way, and holds the page to what it prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from gitops_rollback.cli.main import outcome_of
from gitops_rollback.sandbox.argocd import Timing
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.world import NAMESPACE, SERVICES, World

PAGE = "first-ten-minutes.md"
POLICY = ".gitops-rollback/policies/config.yaml"
ADDRESS = "https://git.example.com/shop/config.git"  # in place of the sandbox's
APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}-prod, namespace: argocd}}
spec:
  project: default
  source: {{repoURL: "{url}", path: apps/{name}, targetRevision: main}}
  destination: {{server: "https://kubernetes.default.svc", namespace: {namespace}}}
  syncPolicy: {{automated: {{prune: true, selfHeal: true}}}}
"""
QUICK = Timing(reconciliation=0.5, jitter=0.0, ready=0.1, settle=0.1, wave=0.1, events=0.1)
PARTS = (
    (
        "Look at the repository",
        "In a clone of the config repository. It holds three services and their Argo CD Applications here; with Flux, "
        "with charts, or with nothing but folders it goes the same way. `--dry-run` only prints.",
        ("gitops-rollback init",),
    ),
    (
        "What it wrote",
        "A policy that only watches. It is yours: the names can be changed, and triggers added.",
        (f"cat {POLICY}",),
    ),
    (
        "Check it, and let it land",
        "By pull request, if that is your way. The engine applies none of it.",
        (
            "gitops-rollback lint .",
            "git add .gitops-rollback",
            "git commit -q -m 'Watch for bad commits'",
            "git push -q",
        ),
    ),
    (
        "Would a rollback work?",
        "Each line is well (✔), or says what mends it (✖, and the exit code is 1), or was not looked at (-). With "
        "`--push` it pushes an empty commit to the journal's branch, since only that shows what a hook refuses.",
        ("gitops-rollback doctor --push",),
    ),
    (
        "What would it do now?",
        "The policy is read from the branch. A plan names the commits that it would undo, what each guard says, and "
        "what would be pushed.",
        ("gitops-rollback get applications", "gitops-rollback plan checkout-api"),
    ),
)
END = """\
## And then

`gitops-rollback run --observe` watches, decides in full and writes nothing but its own log;
`gitops-rollback report --since 7d` says what it would have done, beside what people reverted meanwhile. Once you trust
it, leave `--observe` out: then each decision stands in the journal, and `gitops-rollback explain checkout-api` says why
it was made. Change one trigger's `severity` to `page_and_suggest`, later to `auto_rollback`, by pull request.
"""


@dataclass
class Newcomer:
    """Somebody at a shell in `home`, in the clone as soon as there is one."""

    home: Path
    environment: Mapping[str, str]
    hidden: Mapping[str, str] = field(default_factory=dict)  # what stands in output, and what the page says instead

    def types(self, command: str) -> str:
        """What the command prints. Raises: RuntimeError if it fails."""
        words = shlex.split(command)
        code, said = self._ours(words[1:]) if words[0] == "gitops-rollback" else self._other(words)
        if code:
            raise RuntimeError(f"{command} ended with {code}:\n{said}")
        for found, shown in self.hidden.items():
            said = said.replace(found, shown)
        return said

    def _ours(self, words: list[str]) -> tuple[int, str]:
        out = io.StringIO()
        with (
            patch.dict(os.environ, self.environment, clear=True), contextlib.chdir(self.home),
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(out),
        ):  # fmt: skip
            return outcome_of(words), out.getvalue()

    def _other(self, words: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            words, cwd=self.home, env=dict(self.environment), capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout + done.stderr


def page(folder: Path) -> str:
    """The page, as the way goes in a fresh sandbox in `folder`. Raises: RuntimeError if a step fails."""
    clock = ScaledClock()
    world = World(folder / "world", clock, timing=QUICK)
    _declare(world, clock)
    world.start()
    try:
        _release(world, clock)
        home = folder / "config"
        environment = _environment(world, folder)
        subprocess.run(["git", "clone", "-q", world.url, str(home)], env=environment, check=True, timeout=60)
        person = Newcomer(home, environment, _hidden(world))
        return "\n".join([_beginning(), *(_part(person, *part) for part in PARTS), END])
    finally:
        world.stop()


def _declare(world: World, clock: ScaledClock) -> None:
    """The sandbox's Argo CD has its applications; most people's have them from git."""
    texts = {
        f"argocd/{name}.yaml": APPLICATION.format(name=name, url=ADDRESS, namespace=NAMESPACE) for name in SERVICES
    }
    world.people.push("Declare the applications to Argo CD", texts, clock.now())


def _release(world: World, clock: ScaledClock) -> None:
    """A release like any other, so that what runs has something to go back to."""
    _await(world, dict.fromkeys(SERVICES, world.people.head()))
    path, old, new = "apps/checkout-api/deployment.yaml", "checkout-api:1.41.0", "checkout-api:1.42.0"
    _await(world, {"checkout-api": world.people.edit("Bump checkout-api to 1.42.0", path, old, new, clock.now())})


def _await(world: World, revisions: Mapping[str, str]) -> None:
    """Until these are deployed, and healthy. Raises: RuntimeError if they are not."""
    argocd = world.argocd
    if argocd is None:
        raise RuntimeError("there is no Argo CD")

    def runs(name: str, revision: str) -> bool:
        health = argocd.application(name)["status"].get("health", {}).get("status")
        return argocd.deployed(name).revision == revision and health == "Healthy" and not argocd.busy(name)

    if not argocd.wait_until(lambda: all(runs(f"{name}-prod", revision) for name, revision in revisions.items())):
        raise RuntimeError("the engine has not deployed")


def _environment(world: World, folder: Path) -> dict[str, str]:
    given = {name: value for name, value in world.environment(folder / "state").items() if not name.endswith("_CLOCK")}
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "Mara Lind"), ("EMAIL", "mara.lind@shop.example"))
    }
    no_other = {"HOME": str(folder), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return given | who | no_other


def _hidden(world: World) -> dict[str, str]:
    argocd = world.argocd.url if world.argocd is not None else ""
    return {
        world.url: ADDRESS, argocd: "https://argocd.example.com", world.prometheus.url: "https://prometheus.example.com"
    }  # fmt: skip


def _beginning() -> str:
    return (
        "# The first ten minutes\n\n"
        "From a config repository to a policy that watches it. `python3 make.py docs` made this page: all of it is"
        " what the commands printed, with the sandbox's Argo CD. Addresses stand for the sandbox's.\n\n"
        "The program comes with `pip install .` in a clone of gitops-rollback, or `pip install` of its wheel, with"
        " Python 3.11 and git 2.38; for Flux see [that page](flux.md).\n"
    )


def _part(person: Newcomer, title: str, text: str, commands: tuple[str, ...]) -> str:
    if commands[0].startswith("cat "):
        shown = f"`{commands[0].removeprefix('cat ')}`:\n\n```yaml\n{person.types(commands[0])}```"
    else:
        shown = "```text\n" + "\n".join(f"$ {one}\n{person.types(one)}".rstrip("\n") for one in commands) + "\n```"
    return f"## {title}\n\n{text}\n\n{shown}\n"


def settled(text: str) -> str:
    """The page without what differs from one time to the next: commits, times, ids."""
    text = re.sub(r"\b(?:rb-)?[0-9a-f]{7,64}\b", "0", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?", "then", text)
    return re.sub(r"\b(?:\d+[hms])+\b|\b\d+ s\b", "a while", text)
