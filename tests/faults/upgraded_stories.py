"""A story of the demo in whose middle another build takes over: does it leave what an undisturbed telling leaves?

Judged by the config repository and the journal alone, without times and SHAs, beside the story's own claims.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path

from machine import lacks

from gitops_rollback.sandbox.all_stories import ALL_STORIES
from gitops_rollback.sandbox.demo import Demo
from gitops_rollback.sandbox.simulation.wire.gitlog import keep_reflogs
from gitops_rollback.sandbox.simulation.wire.history import Known, check_history
from gitops_rollback.sandbox.story_texts import POLICY_PATH
from gitops_rollback.sandbox.telling import CONTROLLER, Story
from gitops_rollback.sandbox.world import run_command

ROOT = Path(__file__).resolve().parents[2]
SPEED = 25.0  # whoever takes over is there within a minute of the world's time
BACK = (40, 25, 10)  # so many commits ago is the other build, where no release can tell the story
LONGEST_DELAY = 30.0
UNKNOWN = "is not carried out by this version"
TOLD = ("bad-release", "crash-loop", "stuck-hook", "push-race", "came-back", "two-deployments", "flux-health-wait")
# No build of some commits ago rolls a HelmRelease back, is told with a replica beside it, judges by what an
# application renders from, prepares plans after a rollback that did not help, takes a request, goes in steps,
# watches the run of infrastructure, knows of drills, or takes back what another writer reads.
TOO_YOUNG = (
    *("helm-release", "helm-remediated", "two-replicas", "still-bad", "image-held", "request", "protected-branch"),
    *("conflict", "bot-bumped-again", "shared-base", "two-suspects", "one-commit-thirty-clusters"),
    *("canary-steps", "blue-green", "feature-flag", "migration", "cascade", "infrastructure", "drill"),
    "rollout-promoted",
    *("promotion", "hydrator"),
)
RECORDED = (
    "phase",
    "outcome",
    "reason",
    "triggers",
    "applications",
    "badRevision",
    "reverts",
    "restores",
    "requestedBy",
)
TRAILERS = ("Application", "Trigger", "Reverts", "Restores", "Bad-Revision", "Step", "Requested-By")


class Stage(IntEnum):
    """How far a story is: the release is bad, its revert has landed, a bot has landed the release again."""

    QUIET = 0
    ALARM = 1
    FOLLOW = 2
    AGAIN = 3


@dataclass(frozen=True)
class TakeOver:
    """When the second build takes over: so long (world time) into a stage; `loses_disk`: with an empty disk."""

    stage: Stage
    delay: timedelta
    loses_disk: bool


class UpgradedStory(Demo):
    """Told by the builds of `turns`, environments of `run`, one after the other; without `take_over` by the first."""

    def __init__(
        self, story: Story, engine: str, out: Path, turns: Sequence[Mapping[str, str]], take_over: TakeOver | None
    ) -> None:
        self.lines: list[str] = []
        super().__init__(story, SPEED, out, self.lines.append, engine=engine)
        keep_reflogs(self.world.bare)
        self._turns = list(turns)
        self._take_over = take_over
        self._reached: dict[Stage, datetime] = {}
        self.codes: list[int | None] = []

    @property
    def stage(self) -> Stage:
        if "again" in self.telling.landed:
            return Stage.AGAIN
        if not self.telling.bad:
            return Stage.QUIET
        return Stage.FOLLOW if self.telling.reverts() else Stage.ALARM

    def start_controller(self, **more: str) -> None:
        super().start_controller(**self._turns.pop(0), **more)

    def wait_for(
        self, condition: Callable[[], bool], real_seconds: float, each: Callable[[], None] | None = None
    ) -> bool:
        def look() -> None:
            self._hand_over()
            if each is not None:
                each()

        return super().wait_for(condition, real_seconds, look)

    def _hand_over(self) -> None:
        wanted, stage = self._take_over, self.stage
        if wanted is None or stage < wanted.stage:
            return
        now = self.world.clock.now()
        if now - self._reached.setdefault(wanted.stage, now) < wanted.delay:
            return
        self._take_over = None
        self.codes.append(self.stop_controller())
        if wanted.loses_disk:
            shutil.rmtree(self._out / "state", ignore_errors=True)
        self.start_controller()

    def judge(self) -> Iterator[str]:
        """What is wrong with what they left behind, beside the story's own claims."""
        if self._take_over is not None:
            yield f"nobody took over in stage {self._take_over.stage.name}"
        yield from (f"the first build ended with {code}" for code in self.codes if code != 0)
        yield from check_history(self.world.bare, Known(bad={self.telling.bad}))
        for line in self._replicas.log(1).read_text("utf-8", "replace").splitlines():
            if '"exception"' in line or line.startswith("Traceback"):
                yield f"an internal error: {line[:300]}"

    def history(self) -> list[str]:
        """Commits and records in words that are the same for each telling of the story."""
        people = self.world.people
        found = [f"in the end {people.git('rev-parse', 'main:apps').strip()}"]
        for line in people.git("log", "--format=%H %cn: %s", f"{self.telling.before}..main").splitlines():
            sha, said = line.split(" ", 1)
            found.append(said if not said.startswith(CONTROLLER) else f"{said} {self._trailers(sha)}")
        for record in self.telling.records():
            found.append(json.dumps({name: record.get(name) for name in RECORDED} | {"steps": len(record["steps"])}))
        return sorted(self._named(line) for line in found)

    def _trailers(self, sha: str) -> str:
        formats = (f"%(trailers:key=Rollback-{name},separator=%x2C)" for name in TRAILERS)
        return self.world.people.git("log", "-1", f"--format={' '.join(formats)}", sha).strip()

    def _named(self, line: str) -> str:
        """With the commits by their parts in the story, since their SHAs differ."""
        landed = {sha: f"the commit {name}" for name, sha in self.telling.landed.items()}
        for sha, name in {self.telling.bad: "the release", self.telling.before: "what was before", **landed}.items():
            line = line.replace(sha, name).replace(sha[:12], name)
        return line


def upgraded(folder: Path, name: str, seed: int) -> tuple[str, ...]:
    """Tell a story twice, undisturbed and with a build that takes over at a moment; what differs or is wrong."""
    dice = random.Random(f"{name} {seed}")
    # No build of some commits ago knows what a registry in its settings is.
    story = replace(next(one for one in ALL_STORIES if one.name == name), images=())
    engine = dice.choice(story.engines)
    other = {"PYTHONPATH": str(other_build(folder / "other-build", story.policy))}
    turns: list[Mapping[str, str]] = [{}, other] if dice.random() < 0.5 else [other, {}]
    stage = dice.choice([Stage.ALARM, Stage.FOLLOW, *([Stage.AGAIN] if story.then else [])])
    delay = timedelta(seconds=dice.uniform(0, LONGEST_DELAY) if stage < Stage.AGAIN else 0)
    take_over = TakeOver(stage, delay, loses_disk=dice.random() < 0.5)
    wrong, undisturbed = _tell(UpgradedStory(story, engine, folder / "undisturbed", [{}], None))
    more, disturbed = _tell(UpgradedStory(story, engine, folder / "upgraded", turns, take_over))
    found = [*wrong, *more, *(f"only undisturbed: {line}" for line in undisturbed if line not in disturbed)]
    found += [f"only upgraded: {line}" for line in disturbed if line not in undisturbed]
    what = f"{engine}/{name}, {take_over}, begun by {'the other' if turns[0] else 'this'} build"
    return (what, *found) if found else ()


def _tell(demo: UpgradedStory) -> tuple[list[str], list[str]]:
    try:
        true = demo.run()
        return [*([] if true else demo.lines), *demo.judge()], demo.history()
    finally:
        demo.close()


def other_build(folder: Path, policy: str = "") -> Path:
    """The last release, or the product as it was a while ago: one that carries out all that `policy` says."""
    tag = _git("describe", "--tags", "--abbrev=0", "HEAD^").strip()
    for ref in (*([tag] if tag else []), *(f"HEAD~{back}" for back in BACK)):
        shutil.rmtree(folder, ignore_errors=True)
        done = subprocess.run(
            ["git", "archive", ref, "gitops_rollback", "fixtures"], cwd=ROOT, capture_output=True, check=False
        )
        if done.returncode:
            continue
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
            files.extractall(folder, filter="data")
        if not policy or _carries_out(folder, policy):
            return folder
    return lacks("no other build that can tell the story in this clone")


def _carries_out(build: Path, policy: str) -> bool:
    path = build / POLICY_PATH
    path.parent.mkdir(parents=True)
    path.write_text(policy)
    command = [*run_command()[:-1], "lint", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(build)}
    done = subprocess.run(command, env=environment, cwd=build, capture_output=True, text=True, check=False)
    return done.returncode == 0 and UNKNOWN not in done.stdout + done.stderr


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout
