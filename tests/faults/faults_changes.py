"""A person changes something in the middle of it: a secret, the settings, the kill switch, the policy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from fault_world import FaultWorld
from live_world import MAIN, MINUTE, NO_POLLS, POLICY_PATH, patient_policy
from proxy import Exchange, delay, pushes_to
from scene import Scene, scene

from gitops_rollback.sandbox.stories import release

SETTINGS = "budgets: {repository: %d/1h}\n"


class Rotated(FaultWorld):
    """git asks for a password, which the controller has from a file; the settings have a file as well."""

    password = "the-first"

    def start_world(self) -> None:
        self.world.git.user, self.world.git.password = "gitops", self.password
        super().start_world()
        self.give("token", self.password)
        self.give("settings.yaml", SETTINGS % 4)
        self.more_environment |= {
            "GITOPS_ROLLBACK_CONFIG": str(self.folder / "settings.yaml"),
            "GITOPS_ROLLBACK_GIT_USERNAME": "gitops",
            "GITOPS_ROLLBACK_GIT_TOKEN_FILE": str(self.folder / "token"),
        }

    def give(self, name: str, text: str) -> None:
        """As Kubernetes replaces a file: another one is moved there."""
        fresh = self.folder / f"{name}.new"
        fresh.write_text(text)
        fresh.replace(self.folder / name)


def changes(folder: Path, seed: int) -> tuple[str, ...]:
    """F45: each change takes effect within a tick or two, loses nothing, and never lets a second push start."""
    with scene(folder, seed, kind=Rotated, timing=NO_POLLS) as it:
        _rotate(it, before="the push")
        _stop_mid_push(it)
        it.live.people.push("Drop the policy", {POLICY_PATH: None}, it.live.now())
        if it.dice.random() < 0.5:
            _rotate(it, before="the verification")
        it.live.give("settings.yaml", SETTINGS % 5)
        it.verified()
        it.live.people.push("Watch the shop again", {POLICY_PATH: patient_policy()}, it.live.now())
        it.live.let_pass(timedelta(seconds=31))
        it.live.world.failing_tags.add("1.43.0")
        release(it.live.telling, "1.43.0")
        it.nothing_for(5 * MINUTE, "after the kill switch was thrown")
        it.check(it.explained("Paused"), "it never says that it is stopped")
        it.check(any(line.get("msg") == "reloaded the settings" for line in it.live.logged()), "no reload")
    return tuple(it.broken)


def _rotate(it: Scene, before: str) -> None:
    """The server takes the new secret only; the controller's file follows a while later, as it mostly does."""
    it.live.world.git.password = fresh = f"another-{it.dice.random()}"
    it.secrets += [fresh, Rotated.password]
    it.until(lambda: it.paged("CredentialsRejected"), f"the old secret is told of, before {before}")
    asked = len(it.live.world.git.requests)
    it.live.let_pass(MINUTE)
    it.check(len(it.live.world.git.requests) - asked <= 40, "it knocks in a loop with a secret that was refused")
    it.live.give("token", fresh)
    it.until(lambda: it.live.probe("/readyz")[0] == 200, f"ready with the new secret, before {before}")


def _stop_mid_push(it: Scene) -> None:
    """The kill switch is thrown while our push is on its way: that one may land, and it goes on to its end."""
    thrown: list[str] = []

    def throw(exchange: Exchange) -> bool:
        if pushes_to(MAIN)(exchange) and not thrown:
            thrown.append("now")
            done = it.live.verb("pause", "--all", "--for", "24h", "--reason", "stop", **_around(it))
            it.check(done.code == 0, f"the pause was refused: {done.err}")
        return False

    it.live.links.git.strike(delay(0), throw)
    it.live.fail()
    it.until(lambda: bool(it.reverts()), "the push that was on its way has landed")
    it.check(bool(thrown), "the kill switch was never thrown")


def _around(it: Scene) -> dict[str, str]:
    """A person's own way to git, past the link whose push waits for them."""
    return {"GITOPS_ROLLBACK_REPO": it.live.world.url}


FAULTS = {"F45": changes}
