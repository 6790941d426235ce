"""Stories of people at a forge: what they ask for by a pull request, and what the controller asks them by one.

They are told with a forge before the repository. What is claimed is read from git, the engine and the forge itself.
"""

from __future__ import annotations

from datetime import timedelta

from gitops_rollback.sandbox.forge import BOT, ForgeSandbox, Kind, PullRequest, Rules
from gitops_rollback.sandbox.stories import (
    DEPLOYMENT,
    SERVICE,
    decided,
    failing_release,
    release,
    rolled_back,
    tree_of,
    until_deployed,
)
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import CONTROLLER, Claim, Story, Telling

BRANCH = "ask-for-checkout"
REQUEST_PATH = ".gitops-rollback/requests/checkout-eu.yaml"
REQUEST = f"""\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
metadata: {{name: checkout-eu}}
spec:
  target: {{name: {SERVICE}}}
  to: {{lastHealthy: true}}
  reason: cards issued in the EU are charged twice, which no metric shows
  expires: 2h
"""
OWNER = "mara"
OWNERS = f"{DEPLOYMENT} @{OWNER}\n"
NUMBER = 1
LONGEST = timedelta(minutes=90)  # each thing that is done at a forge takes several of its calls
STATUS = "gitops-rollback/plan"
# What each says to a push that the branch's rule forbids.
REFUSALS = {
    Kind.GITHUB: "GH006: Protected branch update failed for refs/heads/main",
    Kind.GITLAB: "You are not allowed to push code to protected branches on this project",
    Kind.GITEA: "Not allowed to push to protected branch main",
}


def forge_of(telling: Telling) -> ForgeSandbox:
    """The story's forge."""
    if telling.world.forge is None:
        raise RuntimeError("the story has no forge")
    return telling.world.forge


def pull_of(telling: Telling) -> PullRequest | None:
    """The story's pull request, once it is open."""
    return forge_of(telling).state.pulls.get(NUMBER)


def said(pull: PullRequest) -> str:
    """What the controller says in its comments, as they are now."""
    return "\n".join(one.body for one in list(pull.comments) if one.author == BOT)


def status_of(telling: Telling, sha: str) -> str:
    """The state of the controller's commit status; "" if there is none."""
    found = forge_of(telling).state.statuses_of(sha).get(STATUS)
    return found.state if found is not None else ""


def proved(telling: Telling) -> bool:
    """The rollback has ended, and comment and status say so."""
    pull = pull_of(telling)
    if pull is None or not telling.is_done("verified"):
        return False
    return "| verified |" in said(pull) and status_of(telling, pull.head_sha) == "success"


def landed_by_pull_request(telling: Telling) -> list[Claim]:
    """It is merged as it was approved, the branch is healed, and the comment is the proof."""
    pull, approved = pull_of(telling), telling.landed.get("approved", "")
    if pull is None:
        return [Claim("a pull request was opened", False)]
    return [
        Claim("the pull request is merged", pull.state == "merged" and bool(pull.merge_sha)),
        Claim("its head is the very commit that was approved", bool(approved) and pull.head_sha == approved),
        Claim(f"the status {STATUS} of that commit is success", status_of(telling, approved) == "success"),
        *rolled_back(telling),
        Claim("the comment is the proof", "| verified |" in said(pull)),
        Claim("nothing but that one was opened", list(forge_of(telling).state.pulls) == [NUMBER]),
    ]


# A person asks


def ask(telling: Telling) -> None:
    """A release whose fault no metric shows; somebody sees it, and asks for the way back by a pull request."""
    release(telling)
    until_deployed(telling, telling.bad)
    people = forge_of(telling).people
    telling.landed["request"] = people.push("mara", BRANCH, "Ask for checkout-api to go back", {REQUEST_PATH: REQUEST})
    people.open("mara", BRANCH, "Roll back checkout-api")


def planned(telling: Telling) -> bool:
    """The revert is on the request's own branch; plan, guards and change are shown there, and the status says so."""
    pull = pull_of(telling)
    if pull is None or status_of(telling, pull.head_sha) != "success":
        return False
    parts = (f"Undoes `{telling.bad[:12]}`", "Guards", "### Change", f"/rollback approve {pull.head_sha}")
    return all(part in said(pull) for part in parts)


def approve_by_comment(telling: Telling) -> None:
    """Somebody else reads the plan, and approves the very head that was read; the controller merges it."""
    head = telling.world.people.head(BRANCH)
    if planned(telling):
        telling.landed["shown"] = head
    telling.landed["approved"] = head
    forge_of(telling).people.comment("jonas", NUMBER, f"The plan looks right.\n\n/rollback approve {head}")


def asked_and_done(telling: Telling) -> list[Claim]:
    """The revert came onto the request's own branch, was shown there, and landed as it was approved."""
    people, head, path = telling.world.people, telling.landed.get("approved", ""), f"apps/{SERVICE}"
    parent, made = people.git("log", "-1", "--format=%P %cn", head).split(" ", 1) if head else ("", "")
    records = telling.records()
    asked = [(one["requestedBy"], one["evidence"].get("request")) for one in records]
    return [
        Claim(
            "the revert came onto the request's own branch",
            made == CONTROLLER and parent == telling.landed.get("request"),
        ),
        Claim(
            f"with it {path} is as it was before",
            bool(head) and tree_of(telling, head, path) == tree_of(telling, telling.before, path),
        ),
        Claim("plan, guards and change were shown before the approval", telling.landed.get("shown") == head != ""),
        *landed_by_pull_request(telling),
        Claim("the request stands as it was approved", people.read(REQUEST_PATH) == REQUEST),
        Claim("the journal says who asked, and by which file", asked == [("mara", REQUEST_PATH)]),
    ]


# The branch takes no push


def protect(telling: Telling) -> None:
    """What is deployed has an owner, and the branch takes pull requests alone, each with an approval."""
    telling.world.people.push("Name who owns checkout-api", {"CODEOWNERS": OWNERS}, telling.world.clock.now())
    forge_of(telling).protect(Rules("main", approvals=1))


def offered(telling: Telling) -> bool:
    """The controller has opened a pull request, and asks for the owner's review."""
    pull = pull_of(telling)
    return pull is not None and OWNER in pull.reviewers and status_of(telling, pull.head_sha) == "success"


def approve_on_the_web(telling: Telling) -> None:
    """The owner reads it, and approves; nobody presses a button to merge it."""
    pull = pull_of(telling)
    if pull is not None:
        telling.landed["approved"] = pull.head_sha
        forge_of(telling).people.approve(OWNER, NUMBER, pull.head_sha)


def offered_and_done(telling: Telling) -> list[Claim]:
    """No push of ours came past the rule: what stands on the branch was opened, approved and merged."""
    forge, people, pull = forge_of(telling), telling.world.people, pull_of(telling)
    refusal = REFUSALS[forge.kind]
    reasons = [entry["message"] for entry in telling.decisions() if entry["reason"] == "BranchProtected"]
    mainline = people.git("log", "--first-parent", "--format=%H", f"{telling.bad}..main").split()
    steps = [step["commit"] for record in telling.records() for step in record["steps"]]
    return [
        Claim(f'the journal has what the forge said: "{refusal}"', any(refusal in one for one in reasons)),
        decided(telling, "BranchProtected"),
        Claim("the controller opened the pull request itself", pull is not None and pull.author == BOT),
        Claim("the owner of the file was asked, and approved", pull is not None and _approved_by_owner(pull)),
        *landed_by_pull_request(telling),
        Claim("the branch took nothing but its merge", pull is not None and mainline == [pull.merge_sha]),
        Claim("what was verified is the commit on the branch", steps == mainline),
    ]


def _approved_by_owner(pull: PullRequest) -> bool:
    return OWNER in pull.reviewers and [(one.author, one.state) for one in pull.reviews] == [(OWNER, "approved")]


FORGE_STORIES: tuple[Story, ...] = (
    Story(
        "request",
        "No metric shows the fault. A person asks by a pull request; the revert comes onto it, is approved and proved.",
        act=ask,
        ended=planned,
        then=approve_by_comment,
        ended_again=proved,
        claims=asked_and_done,
        policy=policy(verify_for="30m"),
        longest=LONGEST,
        forge="gitea",
    ),
    Story(
        "protected-branch",
        "The branch takes no push of the controller. It opens a pull request; the owner approves, and it is merged.",
        prepare=protect,
        act=failing_release,
        ended=offered,
        then=approve_on_the_web,
        ended_again=proved,
        claims=offered_and_done,
        policy=policy(verify_for="30m"),
        longest=LONGEST,
        forge="gitea",
    ),
)
