"""A drill on a copy of a user's own repository: its history, one of its applications, and the policy that watches it.

The copy is served on loopback, and nothing of the clone is written. What the policy asks of metrics is made up: all is
well, but for restarts of Pods, which a crash loop brings. So it is seen whether the policy, as it is written, finds
Pods that do not come up; what only real metrics could show, no sandbox shows.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from gitops_rollback.adapters.policies.loading import PolicyFile, load_policies
from gitops_rollback.app.local_clone import LocalClone
from gitops_rollback.core.breaking import MARK, Break
from gitops_rollback.core.commit import REGULAR_MODE
from gitops_rollback.core.drill import SUBJECT
from gitops_rollback.core.errors import QueryInvalid, SettingsInvalid
from gitops_rollback.core.paths import matches
from gitops_rollback.core.policy import Policy, Target, Trigger
from gitops_rollback.core.query import render, variables_of
from gitops_rollback.core.survey import Ours, survey
from gitops_rollback.sandbox.argocd import AppSpec
from gitops_rollback.sandbox.telling import Claim, Story, Telling

POLICIES = ".gitops-rollback/policies"
WINDOW = re.compile(r"\[[^\]]*\]|\s+")  # a range may be cut while it is verified
RESTARTS = "restarts_total"
PER_SECOND = 100.0  # requests
SPEAKS_PROMQL = ("", "prometheus", "thanos", "mimir", "victoriametrics")
LONGEST = timedelta(hours=3)


@dataclass(frozen=True)
class Practised:
    """The application as it is copied: its target, its policy, and where it renders from."""

    policy: Policy
    target: Target
    folder: str
    how: Break


def practice_story(clone: Path, word: str, how: Break, timeout: str, folder: str = "") -> Story:
    """The drill as a story of the demo. `folder`: where the application renders from, if git does not say so.

    Raises: SettingsInvalid, with what to do.
    """
    practised = _practised(clone, word, how, folder)
    namespace = practised.target.workload.namespace if practised.target.workload else "default"
    spec = AppSpec(practised.target.application.name, path=practised.folder, destination_namespace=namespace)
    typed = ("drill", practised.target.name, "--break", how.value, "--timeout", timeout)
    return Story(
        "drill",
        f"A drill on a copy of {clone}: {practised.target.name} is broken by {how.words}. Nothing real is touched.",
        prepare=lambda telling: _prepare(telling, practised),
        begin=lambda telling: _made_up(telling, practised),
        act=lambda telling: _drill(telling, typed),
        ended=lambda telling: bool(telling.exits),
        claims=_claims,
        source=clone,
        applications=(spec,),
        longest=LONGEST,
        engines=("argocd",),
    )


def _practised(clone: Path, word: str, how: Break, folder: str) -> Practised:
    with LocalClone(clone) as local:
        tree, urls = local.tree(), local.urls()
        found = survey(tree, Ours(urls, local.branch()), clone.name)
        paths = [path for path in tree.blobs if path.startswith(f"{POLICIES}/")]
        files = [PolicyFile(path, REGULAR_MODE, tree.text(path)) for path in paths]
    policies = load_policies(files, "").policies
    named = [(policy, target) for policy in policies for target in policy.targets]
    mine = [pair for pair in named if word in (pair[1].name, pair[1].application.name)]
    if len(mine) != 1:
        known = ", ".join(sorted(target.name for _, target in named)) or "none; `gitops-rollback init` writes a policy"
        why = "several targets are" if mine else "no target of a policy is"
        raise SettingsInvalid(word, f"{why} called so; known: {known}")
    policy, target = mine[0]
    called = {target.application.name, target.name}
    seen = next((one for one in found.found if one.name in called), None)
    folders = [folder] if folder else list(seen.folders) if seen else _of_globs(target.paths, tree.blobs)
    if len(folders) != 1:
        why = f"renders from {', '.join(folders) or 'a folder that git does not name'}"
        raise SettingsInvalid(word, f"{why}: say which one to practise on with --path")
    return Practised(policy, target, folders[0], how)


def _of_globs(globs: Sequence[str], paths: Mapping[str, str]) -> list[str]:
    """The first folder that the policy's globs name."""
    return [glob.partition("*")[0].strip("/") for glob in globs if any(matches(glob, path) for path in paths)][:1]


def _prepare(telling: Telling, practised: Practised) -> None:
    """The one policy, as it is but for what leads out of the sandbox; the others are for what does not run here."""
    people = telling.world.people
    others = people.git("ls-tree", "-r", "--name-only", "main", f"{POLICIES}/").split("\n")
    files: dict[str, str | None] = {path: None for path in others if path}
    files[practised.policy.path] = copied_policy(people.read(practised.policy.path), practised)
    people.push("Practise in the sandbox", files, telling.world.clock.now())


def copied_policy(text: str, practised: Practised) -> str:
    """The policy's text with one target, no address, no receiver, and only what can be seen in the sandbox."""
    document: dict[str, Any] = yaml.safe_load(text)
    spec = document["spec"]
    prometheus = practised.policy.metrics.provider in SPEAKS_PROMQL
    target = next(one for one in spec["targets"] if one["name"] == practised.target.name)
    name = practised.target.application.name
    target |= {"engine": "argocd", "application": {"namespace": "argocd", "name": name}, "drill": "allowed"}
    spec["targets"] = [{key: value for key, value in target.items() if key not in ("dependsOn", "selector")}]
    usable = {one.name for one in practised.policy.triggers if one.type != "alert" and (prometheus or not _asks(one))}
    spec["triggers"] = [one for one in spec["triggers"] if one["name"] in usable]
    for key in ("metrics", "notifications", "git"):
        spec.pop(key, None)
    spec["delivery"] = {"mode": "push"}
    checks = (spec.get("verification") or {}).get("checks")
    if checks is not None:
        spec["verification"]["checks"] = [one for one in checks if _is_seen(one, usable)]
    return f"# +argocd:skip-file-rendering\n{yaml.safe_dump(document, sort_keys=False)}"


def _asks(trigger: Trigger) -> bool:
    return bool(trigger.query or trigger.bad or trigger.total)


def _is_seen(check: Mapping[str, Any], usable: set[str]) -> bool:
    return check.get("type") in ("engine", "kubernetes") or check.get("queryFrom") in usable


# Metrics that are made up


def _made_up(telling: Telling, practised: Practised) -> None:
    """Each query of the policy gets an answer by which all is well, for as long as Pods do not crash."""
    broken = _Broken(telling, practised.target.application.name)
    variables = variables_of(practised.target, practised.target.application.namespace or "default", "", "default")
    for trigger in practised.policy.triggers:
        for template, value in _well(trigger).items():
            try:
                wanted = _plain(render(template, variables))
            except QueryInvalid:
                continue  # the controller says so, too
            crashes = practised.how is Break.CRASH_LOOP and RESTARTS in template
            bad = 2 * trigger.threshold + 1 if crashes else value
            telling.world.prometheus.set_evaluator(_asking(wanted), _answer(value, bad, broken))


def _asking(wanted: str) -> Callable[[str], bool]:
    return lambda query: _plain(query) == wanted


def _answer(well: float, bad: float, broken: Callable[[datetime], bool]) -> Callable[[str, datetime], float]:
    return lambda _query, at: bad if broken(at) else well


def _plain(query: str) -> str:
    return WINDOW.sub("", query)


def _well(trigger: Trigger) -> dict[str, float]:
    """What each expression of a trigger is while all is well."""
    if trigger.total:
        return {trigger.bad: 0.0, trigger.total: max(PER_SECOND, 2 * trigger.minimum_per_second)}
    if not trigger.query:
        return {}
    known = {trigger.beside: 1.0} if trigger.beside else {}
    if trigger.comparison.value == "less_than":
        return {**known, trigger.query: 2 * abs(trigger.threshold) + 1}
    return {**known, trigger.query: trigger.threshold / 2 if trigger.threshold > 0 else trigger.threshold - 1}


class _Broken:
    """Whether the application runs what the drill broke, and since when."""

    def __init__(self, telling: Telling, application: str) -> None:
        self._telling = telling
        self._application = application
        self._since: dict[str, datetime | None] = {}

    def __call__(self, at: datetime) -> bool:
        revision = self._telling.live_revision(self._application)
        if revision not in self._since:
            found = self._telling.world.people.git("grep", "-l", MARK, revision, check=False) if revision else ""
            self._since[revision] = at if found else None
        since = self._since[revision]
        return since is not None and at >= since


# The drill


def _drill(telling: Telling, typed: Sequence[str]) -> None:
    telling.before = telling.world.people.head()
    threading.Thread(target=lambda: telling.exits.append(_typed(telling, typed)), daemon=True).start()


def _typed(telling: Telling, typed: Sequence[str]) -> int:
    try:
        return telling.command(typed)
    except subprocess.TimeoutExpired:
        return -1


def _claims(telling: Telling) -> list[Claim]:
    people = telling.world.people
    told = [entry for entry in telling.decisions() if entry["application"].startswith(SUBJECT)]
    telling.bad = str(told[0]["details"]["commit"]) if told else telling.before
    same = people.git("rev-parse", "main^{tree}") == people.git("rev-parse", f"{telling.before}^{{tree}}")
    words = str(told[-1]["message"]).removeprefix("DRILL: ") if told else f"it did not begin: {_said(telling)}"
    return [
        Claim(words, telling.exits == [0]),
        Claim("the copy's files are as they were before", same),
        Claim("the controller reverted it, and not the drill itself", bool(telling.rollbacks())),
    ]


def _said(telling: Telling) -> str:
    """The last words of the verb."""
    log = telling.world.directory / "person.log"
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"
