"""A sandbox world whose real controller reaches git, Argo CD and Prometheus through a fault proxy each.

    with fault_world(folder) as world:                 # everything runs, all is healthy
        world.links.git.strike(cut_before_reply(), posts_to("git-receive-pack"), times=1)
        world.fail()                                   # a developer lands a bad release
        world.until_verified()
        return history_faults(world)

`world` is a `Live` of `tests/e2e/live_world.py`: `until`, `let_pass`, `pages`, `telling`, `people` and the rest are
there. The sandbox's parts themselves and the people talk past the proxies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aftermath import aftermath
from live_world import POLICY_PATH, Live, living, patient_policy
from proxy import FaultProxy

from gitops_rollback.sandbox.simulation.wire.gitlog import keep_reflogs
from gitops_rollback.sandbox.simulation.wire.history import Known

UNHURRIED = 25.0  # a tick each 0.6 s: there is time to strike between the bad release and the rollback


@dataclass(frozen=True)
class Links:
    """The controller's ways out."""

    git: FaultProxy
    argocd: FaultProxy
    prometheus: FaultProxy

    def all(self) -> tuple[FaultProxy, ...]:
        return self.git, self.argocd, self.prometheus


class FaultWorld(Live):
    """`links` are there once the world has started."""

    links: Links
    git_door = ""  # another address of the config repository for the git link to lead to: TLS, SSH

    def start_world(self) -> None:
        keep_reflogs(self.world.bare)
        super().start_world()
        git, argocd, prometheus = self.world.url, self.argocd.url, self.world.prometheus.url
        self.links = Links(FaultProxy(self.git_door or git), FaultProxy(argocd), FaultProxy(prometheus))
        self.more_environment |= {
            "GITOPS_ROLLBACK_REPO": self.links.git.url,
            "GITOPS_ROLLBACK_REPO_ALIAS": git,  # what the engine calls it
            "ARGOCD_SERVER": self.links.argocd.url,
            "PROMETHEUS_URL": self.links.prometheus.url,
        }

    def deployed(self) -> bool:
        """The controller has looked at the bad release as what runs, whatever it thinks of it yet."""
        return self.looked_at_bad()

    def looked_at_bad(self, reason: str = "") -> bool:
        """It has looked at the bad release, and thought this of it; "": whatever it thought."""
        looked = [line for line in self.logged() if line.get("msg") == "looked"]
        return any(one.get("revision") == self.telling.bad[:12] and reason in ("", one.get("reason")) for one in looked)

    def heal(self) -> None:
        """End all faults of all links."""
        for link in self.links.all():
            link.heal()

    def close(self) -> None:
        self.kill_controller()
        for link in self.links.all() if hasattr(self, "links") else ():
            link.stop()
        super().close()


def fault_world(
    folder: Path, controller: bool = True, prepare: Callable[[FaultWorld], None] = lambda _world: None, **words: Any
) -> AbstractContextManager[FaultWorld]:
    """A started world, with a running controller unless told otherwise; `words` are those of `Live`.

    `prepare` comes before the start: credentials of the git server, `git_door`, `more_environment`.
    """
    words.setdefault("policies", {POLICY_PATH: patient_policy()})
    return living(folder, controller, FaultWorld, prepare, **words)


def history_faults(
    world: FaultWorld, reverts: int = 1, forced: Collection[str] = (), settled: bool = True
) -> tuple[str, ...]:
    """What no fault excuses, and a living controller with `reverts` commits of its own on the branch.

    `forced` are heads that a person forced on a branch; `settled` as the checker of histories has it.
    """
    bad = {world.telling.bad} if world.telling.bad else None
    recorded = settled and not world.git_door
    wrong = list(aftermath(world, Known(bad=bad, forced=forced, settled=settled), recorded=recorded))
    ours = world.telling.reverts() if world.telling.before else []
    if len(ours) != reverts:
        wrong.append(f"{len(ours)} commits of the controller on the branch, {reverts} were due")
    if world.controller is not None and world.controller.poll() is not None:
        wrong.append(f"the controller ended with {world.controller.poll()}")
    return tuple(wrong)
