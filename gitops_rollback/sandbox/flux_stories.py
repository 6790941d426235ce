"""Stories that Flux tells best: what is suspended, a health wait, and an image automation that would undo it."""

from __future__ import annotations

from datetime import timedelta

from gitops_rollback.sandbox.flux_side import FluxSide
from gitops_rollback.sandbox.kubernetes.kinds import IMAGE_POLICY, IMAGE_UPDATE_AUTOMATION
from gitops_rollback.sandbox.stories import (
    DEPLOYMENT,
    NEW_TAG,
    OLD_TAG,
    SERVICE,
    decided,
    failing_release,
    journal_says,
    nothing_written,
    release,
    rolled_back,
    waiting,
)
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

APPLIED_WITHIN_SECONDS = 20.0
HEALTH_TIMEOUT = timedelta(minutes=8)
IMAGE = f"registry.example/shop/{SERVICE}"
MARK = f' # {{"$imagepolicy": "flux-system:{SERVICE}"}}'
AUTOMATION, FIXED_TAG = "shop", "1.42.1"
HOLD = "  onImageAutomation: hold\n"


def flux_of(telling: Telling) -> FluxSide:
    if telling.world.flux is None:
        raise RuntimeError("this story is told with Flux alone")
    return telling.world.flux


def suspended_release(telling: Telling) -> None:
    """A release fails; before anything is done a person suspends the Kustomization to look at it."""
    flux = flux_of(telling)
    failing_release(telling)
    flux.store.wait_for(lambda: flux.seen(SERVICE).applied == telling.bad, APPLIED_WITHIN_SECONDS)
    flux.suspend(SERVICE)


def still_suspended(telling: Telling) -> list[Claim]:
    flux = flux_of(telling)
    return [
        *nothing_written(telling),
        decided(telling, "SuspendedApplication"),
        *waiting(telling),
        Claim("the Kustomization is still suspended", flux.kustomization(SERVICE)["spec"].get("suspend") is True),
        Claim("Flux still runs the bad release", flux.seen(SERVICE).applied == telling.bad),
    ]


def waits_for_health(telling: Telling) -> None:
    """Each Kustomization waits for the health of what it has applied."""
    telling.world.kustomization = {"wait": True, "timeout": f"{HEALTH_TIMEOUT.seconds // 60}m"}


def unhealthy_release(telling: Telling) -> None:
    """Requests fail, and the new Pods are never ready, so that Flux waits for them until its time-out."""
    tag = f"{NEW_TAG}-slow"
    telling.world.failing_tags.add(tag)
    release(telling, tag)


def waited(telling: Telling) -> list[Claim]:
    history = flux_of(telling).kustomization(SERVICE)["status"].get("history") or ()
    failed = [one for one in history if one["lastReconciledStatus"] == "HealthCheckFailed"]
    return [
        *rolled_back(telling),
        Claim(
            "Flux waited for the bad release until its time-out",
            any(telling.bad in one["metadata"]["revision"] for one in failed),
        ),
    ]


def leader_dies(telling: Telling) -> None:
    """The replica that pushed the revert is killed before it has seen that it helped."""
    telling.killed = telling.kill_leader()


def finished_by_the_other(telling: Telling) -> list[Claim]:
    taken = flux_of(telling).lease().get("leaseTransitions", 0)
    return [
        *rolled_back(telling),
        Claim("the replica that pushed the revert was killed", bool(telling.killed)),
        Claim("the other one took the Lease, and finished it", taken > 0),
    ]


def mark_the_image(telling: Telling) -> None:
    """The marker by which an image automation knows what it may write."""
    people, now = telling.world.people, telling.world.clock.now()
    lines = people.read(DEPLOYMENT).splitlines()
    text = "\n".join(line + MARK if f"shop/{SERVICE}:" in line else line for line in lines) + "\n"
    people.push("Let Flux write the image of checkout-api", {DEPLOYMENT: text}, now)


def selected(telling: Telling, tag: str) -> None:
    """The registry has a newer image, and the policy selects it."""
    flux_of(telling).set_status(IMAGE_POLICY, SERVICE, latestRef={"name": IMAGE, "tag": tag}, observedGeneration=1)


def bumped(telling: Telling, tag: str) -> str:
    """The automation's commit with this image, once it has landed; a webhook tells Flux of it."""
    people, flux = telling.world.people, flux_of(telling)
    selected(telling, tag)
    flux.store.wait_for(lambda: f"{IMAGE}:{tag} #" in people.read(DEPLOYMENT), APPLIED_WITHIN_SECONDS)
    telling.refresh()
    return people.head()


def updated_by_a_bot(telling: Telling) -> None:
    """The engine's own updater lands the release: Flux's image automation, or Argo CD Image Updater."""
    if telling.world.flux is not None:
        updated_by_automation(telling)
        return
    people, now = telling.world.people, telling.world.clock.now()
    telling.world.failing_tags.add(NEW_TAG)
    telling.before = people.head()
    text = people.read(DEPLOYMENT)
    message = "build: automatic update of checkout-api-prod\n\n"
    message += f"updates image {IMAGE} tag '{OLD_TAG}' to '{NEW_TAG}'\n"
    bot = "argocd-image-updater <noreply@argoproj.io>"
    telling.bad = people.push(message, {DEPLOYMENT: text.replace(f":{OLD_TAG}", f":{NEW_TAG}")}, now, bot)
    telling.refresh()


def asked_about_the_bot(telling: Telling) -> list[Claim]:
    reason = "ImageAutomation" if telling.world.flux is not None else "WrittenByAnother"
    return [*nothing_written(telling), decided(telling, reason), *waiting(telling)]


def updated_by_automation(telling: Telling) -> None:
    """An image automation of Flux's lands the release, and would land it again after a rollback."""
    flux = flux_of(telling)
    policy_spec = {"imageRepositoryRef": {"name": SERVICE}, "policy": {"semver": {"range": ">=1.0.0"}}}
    flux.create(IMAGE_POLICY, SERVICE, policy_spec)
    author = {"name": "fluxcdbot", "email": "flux@example.org"}
    spec = {
        "interval": "1m",
        "sourceRef": {"kind": "GitRepository", "name": "config"},
        "git": {"checkout": {"ref": {"branch": "main"}}, "commit": {"author": author}},
        "update": {"path": "./apps", "strategy": "Setters"},
    }
    flux.create(IMAGE_UPDATE_AUTOMATION, AUTOMATION, spec)
    telling.world.failing_tags.add(NEW_TAG)
    telling.before = telling.world.people.head()
    telling.bad = bumped(telling, NEW_TAG)


def looked_at(telling: Telling) -> str:
    """The commit at which the automation has looked last."""
    status = flux_of(telling).status_of(IMAGE_UPDATE_AUTOMATION, AUTOMATION)
    return str(status.get("observedSourceRevision", "")).rpartition(":")[2]


def verified_and_looked_at(telling: Telling) -> bool:
    return telling.is_done("verified") and looked_at(telling) == telling.world.people.head()


def fixed_image(telling: Telling) -> None:
    """The team publishes a fixed release; nobody touches the config repository."""
    telling.landed["held"] = telling.world.people.head()
    selected(telling, FIXED_TAG)


def fixed_is_live(telling: Telling) -> bool:
    """The automation has written the fixed image by itself, and Flux runs it."""
    people = telling.world.people
    if f"{IMAGE}:{FIXED_TAG} #" not in people.read(DEPLOYMENT):
        return False
    if "fixed" not in telling.landed:
        telling.landed["fixed"] = people.head()
        telling.refresh()
    flux = flux_of(telling)
    return flux.seen(SERVICE).applied == telling.landed["fixed"] and flux.rolled_out(SERVICE)


def held_and_let_go(telling: Telling) -> list[Claim]:
    people, ours, held = telling.world.people, telling.reverts(), telling.landed.get("held", "")
    marked = people.read(DEPLOYMENT, telling.before)
    bare = marked.replace(MARK, "")
    released = ours[0] if len(ours) == 2 else ""
    changed = [people.git("show", "--format=", "--name-only", sha).split() for sha in ours]
    return [
        Claim("the branch has two commits of the controller", len(ours) == 2),
        Claim("they change the one file alone", changed == [[DEPLOYMENT]] * 2),
        Claim("the first one takes the image back, and the mark off", people.read(DEPLOYMENT, ours[-1]) == bare),
        Claim("the automation looked at it and wrote nothing", held == ours[-1]),
        Claim("the second one puts the mark back", bool(released) and people.read(DEPLOYMENT, released) == marked),
        Claim("it came after there was something newer", telling.world.people.git("rev-parse", f"{released}^") == held),
        Claim("the automation wrote that by itself", fixed_is_live(telling)),
        *journal_says(telling, "verified"),
    ]


FLUX_STORIES: tuple[Story, ...] = (
    Story(
        "flux-suspended",
        "A person suspended the Kustomization. It stays suspended, nothing is written, and the person is asked.",
        act=suspended_release,
        ended=lambda telling: telling.has_decided("SuspendedApplication"),
        claims=still_suspended,
        policy=policy(),
        engines=("flux",),
    ),
    Story(
        "flux-health-wait",
        "Flux waits for the health of the bad release and ignores the revert. That is said at once, and waited for.",
        prepare=waits_for_health,
        act=unhealthy_release,
        ended=lambda telling: telling.is_done("verified"),
        claims=waited,
        policy=policy(),
        engines=("flux",),
    ),
    Story(
        "two-replicas",
        "Two replicas share the work by a Lease. The one that pushed the revert is killed; the other one finishes it.",
        act=failing_release,
        ended=lambda telling: any(one["phase"] == "Syncing" for one in telling.records()),
        then=leader_dies,
        ended_again=lambda telling: telling.is_done("verified"),
        claims=finished_by_the_other,
        policy=policy(),
        engines=("flux",),
        replicas=2,
    ),
    Story(
        "image-updater",
        "An image updater would write the bad tag back. It is found before the push, and a person is asked.",
        prepare=mark_the_image,
        act=updated_by_a_bot,
        ended=lambda telling: telling.has_decided("ImageAutomation", "WrittenByAnother"),
        claims=asked_about_the_bot,
        policy=policy(),
    ),
    Story(
        "image-held",
        "A policy lets the image be held: the revert takes its mark off, until the automation selects a newer one.",
        prepare=mark_the_image,
        act=updated_by_automation,
        ended=verified_and_looked_at,
        then=fixed_image,
        ended_again=fixed_is_live,
        claims=held_and_let_go,
        policy=policy() + HOLD,
        engines=("flux",),
    ),
)
