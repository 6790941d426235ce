"""The sandbox as a whole: a config repository over smart HTTP, an Argo CD or a Flux, a Prometheus, three services."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.sandbox.argocd import AppSpec, ArgoCdSandbox, Deployed, Timing
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.flux_side import FluxSide
from gitops_rollback.sandbox.forge import BOT, Access, ForgeSandbox, Kind, token_of
from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.kubernetes import Store as KubernetesStore
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.registry import RegistrySandbox
from gitops_rollback.sandbox.rendering import Json
from gitops_rollback.sandbox.replay import replay
from gitops_rollback.sandbox.services import FAILING, GOOD, LOOPING, STOPPED, Behaviour, Service

SERVICES = ("checkout-api", "ledger-api", "storefront")
NAMESPACE = "shop"
REPOSITORY = "shop/config"
REGISTRY = "registry.example"  # as the services' images name it
MIRROR = "mirror.example"
TEAM = {"jonas": Access.WRITE, "mara": Access.WRITE, "guest": Access.READ}  # people at the forge, where there is one
COPY_SECONDS = 600.0
CRASHING_TAG = "crash"  # the sandbox's kubelet never lets an image of such a tag become ready


@dataclass(frozen=True)
class Ports:
    """Ports on 127.0.0.1; 0 takes a free one. `argocd` is the engine's: with Flux it is the Kubernetes API."""

    git: int = 0
    argocd: int = 0
    prometheus: int = 0


class Data(Protocol):
    """A database behind checkout-api."""

    def run_job(self, job: Json) -> bool:
        """Do what the Job's arguments say; False if that fails."""
        ...

    def serve(self, images: Sequence[str]) -> None:
        """The code in these images runs from now on; () for none."""
        ...

    def publish(self, prometheus: PrometheusSandbox) -> None:
        """Answer queries about what is stored."""
        ...


class World:
    """Build, `start`, let things happen by `people`, `stop`. `directory` keeps the repository.

    `engine` is `argocd` or `flux`; the other one is not there. `more` are further services that Argo CD runs. `forge`
    is `github`, `gitlab` or `gitea`, and stands before the repository; without one everybody may push everything.
    `source` is a clone whose history is served, in place of the shop's; then only `applications` run.
    """

    def __init__(
        self,
        directory: Path,
        clock: ScaledClock,
        applications: Sequence[AppSpec] = (),
        timing: Timing | None = None,
        ports: Ports | None = None,
        engine: str = "argocd",
        more: Sequence[str] = (),
        forge: str = "",
        source: Path | None = None,
    ) -> None:
        self.engine = engine
        self.flux: FluxSide | None = None
        self.kustomization: dict[str, Any] = {}  # what each Kustomization says besides, from `start` on
        self._ports = ports or Ports()
        self.directory = directory
        self.clock = clock
        self.bare = directory / f"{REPOSITORY}.git"
        self.bare.parent.mkdir(parents=True, exist_ok=True)
        self.labels = replay(scenario("shop"), self.bare) if source is None else copied(source, self.bare)
        self.people = People(self.bare)
        self.git = GitServer(directory, port=self._ports.git)
        self.forge = ForgeSandbox(forge, self.git, REPOSITORY, clock, TEAM) if forge else None
        if self.forge is not None:
            self.people.on_push = self.forge.machine.notice
        self.prometheus = PrometheusSandbox(clock, self._ports.prometheus)
        self.services = {name: Service(name, NAMESPACE) for name in (() if source else (*SERVICES, *more))}
        self.failing_tags: set[str] = set()
        self.applications = tuple(applications) or tuple(map(default_application, self.services))
        rendered = next((one.target_revision for one in self.applications if one.dry_path), "")
        self.followed = People(self.bare, rendered) if rendered else self.people  # on the branch of the controller
        self._timing = timing or Timing()
        self.argocd: ArgoCdSandbox | None = None
        self.rights: tuple[str, ...] = ("get", "sync")  # of the controller's token, from `start` on
        self.registry: RegistrySandbox | None = None  # of the services' images, if that is set before the start
        self.mirror: RegistrySandbox | None = None  # of that registry, likewise
        self.data: Data | None = None  # what Jobs and code of checkout-api work on, if that is set before the start
        self.objects: KubernetesStore | None = None  # where Argo CD's objects are, too, if that is set before the start

    @property
    def url(self) -> str:
        """The config repository's address."""
        return f"{self.git.url}/{REPOSITORY}.git"

    def start(self) -> None:
        """Serve everything; the engine begins to apply what the branch holds."""
        self.git.start()
        if self.forge is not None:
            self.forge.start()
        self.prometheus.start()
        for registry in filter(None, (self.registry, self.mirror)):
            registry.start()
        for service in self.services.values():
            service.publish(self.prometheus)
        if self.engine == "flux":
            self._start_flux()
        else:
            self._start_argocd()

    def _start_flux(self) -> None:
        self.flux = FluxSide(
            *(self.bare, self.url, self.clock, SERVICES, NAMESPACE, self._asked_for),
            port=self._ports.argocd,
            more=self.kustomization,
        )
        self.flux.start()

    def _start_argocd(self) -> None:
        self.argocd = ArgoCdSandbox(
            self.bare,
            self.url,
            self.applications,
            self.clock,
            timing=self._timing,
            port=self._ports.argocd,
            rights=self.rights,
            objects=self.objects,
        )
        self.argocd.on_change(self._deployed)
        if self.data is not None:
            self.argocd.on_job(self.data.run_job)
            self.data.publish(self.prometheus)
        self.argocd.start()

    def stop(self) -> None:
        if self.argocd is not None:
            self.argocd.stop()
        if self.flux is not None:
            self.flux.stop()
        for registry in filter(None, (self.registry, self.mirror)):
            registry.stop()
        self.prometheus.stop()
        if self.forge is not None:
            self.forge.stop()
        self.git.stop()

    def environment(self, state: Path, **more: str) -> dict[str, str]:
        """What a user would set to run the controller against this world."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITOPS_ROLLBACK_"))}
        return (
            kept
            | self._engine_environment()
            | {
                "PROMETHEUS_URL": self.prometheus.url,
                "GITOPS_ROLLBACK_REPO": self.url,
                "GITOPS_ROLLBACK_BRANCH": self.followed.branch,
                "GITOPS_ROLLBACK_STATE_DIR": str(state),
                "GITOPS_ROLLBACK_BIND": "127.0.0.1:0",
                "GITOPS_ROLLBACK_CLOCK": f"{self.clock.start},{self.clock.speed}",
                "PYTHONUNBUFFERED": "1",
                **({"GITOPS_ROLLBACK_GIT_TOKEN": token_of(BOT)} if self.forge is not None else {}),
                **more,
            }
        )

    def settings(self) -> str:
        """What a user would write into the settings file of this world: what has no variable of its own."""
        text = ""
        if self.registry is not None:
            mirrors = f", mirrors: [{MIRROR}]" if self.mirror is not None else ""
            text += f"registries:\n  - {{name: {REGISTRY}, url: {self.registry.url}{mirrors}}}\n"
        if self.mirror is not None:
            text += f"  - {{name: {MIRROR}, url: {self.mirror.url}}}\n"
        if self.forge is not None:
            # Gitea tells what somebody may do to an administrator alone, and the bot may only write.
            writers = ", ".join(login for login, access in TEAM.items() if access >= Access.WRITE)
            named = f", approvers: [{writers}]" if self.forge.kind is Kind.GITEA else ""
            text += f"repositories:\n  - {{url: {self.url}, forge: {{kind: {self.forge.kind}{named}}}}}\n"
        return text

    def _engine_environment(self) -> dict[str, str]:
        if self.flux is not None:
            return self.flux.environment(self.directory)
        if self.argocd is None:
            raise RuntimeError("start the world first")
        return {"ARGOCD_SERVER": self.argocd.url, "ARGOCD_AUTH_TOKEN": self.argocd.token}

    def _asked_for(self, workload: str, images: Sequence[str]) -> None:
        """A workload that a service has beside its own bears its name first."""
        named = (name for name in self.services if workload == name or workload.startswith(f"{name}-"))
        service = next(named, None)
        if service is not None:
            self.services[service].behave(self.behaviour_of_images(images), self.clock.now())

    def _deployed(self, application: str, deployed: Deployed) -> None:
        service = self.services.get(application.removesuffix("-prod"))
        if service is not None:
            service.behave(self.behaviour_of(deployed) if deployed.images else STOPPED, self.clock.now())
        if self.data is not None and application == "checkout-api-prod":
            self.data.serve(deployed.images)

    def behaviour_of(self, deployed: Deployed) -> Behaviour:
        """By the images that run: those that were named failing, and those that crash."""
        return self.behaviour_of_images(deployed.images)

    def behaviour_of_images(self, images: Sequence[str]) -> Behaviour:
        """The same by the images alone."""
        tags = {image.rpartition(":")[2] for image in images}
        if any(CRASHING_TAG in tag for tag in tags):
            return LOOPING
        return FAILING if tags & self.failing_tags else GOOD


def copied(source: Path, bare: Path) -> dict[str, str]:
    """A copy of what is checked out in a clone, as the branch `main` of a bare repository. Raises: SettingsInvalid."""
    command = ["git", "clone", "--quiet", "--bare", "--no-hardlinks", "--single-branch", str(source), str(bare)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for words in (command, ["git", f"--git-dir={bare}", "branch", "--force", "main", "HEAD"],
                  ["git", f"--git-dir={bare}", "symbolic-ref", "HEAD", "refs/heads/main"]):  # fmt: skip
        done = subprocess.run(words, capture_output=True, env=environment, check=False, timeout=COPY_SECONDS)
        if done.returncode != 0:
            raise SettingsInvalid(str(source), f"cannot be copied: {done.stderr.decode('utf-8', 'replace').strip()}")
    return {}


def default_application(service: str) -> AppSpec:
    """One directory, one application, as the scenario has it."""
    return AppSpec(f"{service}-prod", path=f"apps/{service}", destination_namespace=NAMESPACE)


def scenario(name: str) -> Path:
    """The history of a scenario: beside the source in a checkout, inside the package where it is installed."""
    inside = Path(__file__).parent / "scenarios" / name / "history.yaml"
    beside = Path(__file__).resolve().parents[2] / "fixtures" / "repos" / name / "history.yaml"
    return inside if inside.exists() else beside


def run_command() -> list[str]:
    """The same controller that a user would start."""
    return [sys.executable, "-m", "gitops_rollback", "run"]
