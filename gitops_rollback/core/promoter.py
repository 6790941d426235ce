"""What GitOps Promoter writes to a branch, by its objects: from which branch, and made of which dry commit.

It merges `proposedBranch` into `activeBranch` as soon as every gate of the proposed commit is a success; so a revert of
the active branch alone is gone with the next promotion.
Source: gitops-promoter api/v1alpha1 (ChangeTransferPolicySpec and -Status, CommitBranchState, EnvironmentStatus,
GitRepositorySpec), docs/gating-promotions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitops_rollback.core.fields import Object, entries, part, text
from gitops_rollback.core.repository_url import path_of

GROUP = "promoter.argoproj.io"
TRANSFER, STRATEGY, REPOSITORY = "ChangeTransferPolicy", "PromotionStrategy", "GitRepository"
OWNERS = ("owner", "namespace", "project")  # what a forge calls that which a repository is in
SUCCESS = "success"  # phase of a CommitStatus
SHOWN = 12  # digits of a commit


@dataclass(frozen=True)
class Promoting:
    """One object that has a branch written. `dry` is what stands there now, `coming` what is proposed; "" unknown.

    `shut` are the gates of what is proposed, each with its phase. Not `automatic`: a person merges it, at `request`.
    """

    named: str
    branch: str
    proposed: str
    dry: str = ""
    coming: str = ""
    shut: tuple[str, ...] = ()
    automatic: bool = True
    request: str = ""

    @property
    def words(self) -> str:
        """For people: half a sentence."""
        made = f", made of {self.dry[:SHOWN]}" if self.dry else ""
        return f"GitOps Promoter ({self.named}) writes {self.branch} from {self.proposed}{made}"

    @property
    def remedy(self) -> str:
        """What a person does where it reads, and what would bring it here."""
        what = f"revert {self.dry[:SHOWN]} on the dry branch" if self.dry else "revert the commit on the dry branch"
        if self.shut:
            way = f"it comes here once {', '.join(self.shut)} let it"
        elif self.automatic:
            way = "it is merged here by itself once every gate is open"
        else:
            way = f"a person merges it here{': ' + self.request if self.request else ''}"
        ahead = f"; {self.coming[:SHOWN]} is proposed now" if self.coming and self.coming != self.dry else ""
        return f"{what}; {way}{ahead}"


def promoting(found: Iterable[Object], branch: str, url: str) -> Promoting | None:
    """The object of these that writes this branch of the repository at `url`; None for none.

    A transfer knows more than the strategy that it was made for. Where the object of its repository is not among them,
    the branch's name alone counts: to be asked is better than to be written over. Raises: Unclear.
    """
    listed = tuple(found)
    ours = [one for one in listed if _is_of(one, listed, url)]
    seen = (*_transfers(ours, branch), *_environments(ours, branch))
    return seen[0] if seen else None


def _transfers(found: Iterable[Object], branch: str) -> Iterator[Promoting]:
    for one in found:
        spec = part(one, "spec")
        if one.get("kind") == TRANSFER and text(spec, "activeBranch") == branch:
            yield _promoting(one, branch, text(spec, "proposedBranch"), spec, part(one, "status"))


def _environments(found: Iterable[Object], branch: str) -> Iterator[Promoting]:
    for one in (one for one in found if one.get("kind") == STRATEGY):
        states = {text(state, "branch"): state for state in entries(part(one, "status"), "environments")}
        for environment in entries(part(one, "spec"), "environments"):
            if text(environment, "branch") == branch:
                yield _promoting(one, branch, f"{branch}-next", environment, states.get(branch, {}))


def _promoting(one: Object, branch: str, proposed: str, rules: Object, status: Object) -> Promoting:
    metadata, next_one = part(one, "metadata"), part(status, "proposed")
    gates = ((text(gate, "key"), text(gate, "phase")) for gate in entries(next_one, "commitStatuses"))
    return Promoting(
        named=f"{one.get('kind')} {text(metadata, 'namespace')}/{text(metadata, 'name')}",
        branch=branch,
        proposed=proposed,
        dry=text(part(status, "active", "dry"), "sha"),
        coming=text(part(next_one, "dry"), "sha"),
        shut=tuple(f"{key} ({phase or 'no word yet'})" for key, phase in gates if phase != SUCCESS),
        automatic=rules.get("autoMerge") is not False,
        request=text(part(status, "pullRequest"), "url"),
    )


def _is_of(one: Object, found: Iterable[Object], url: str) -> bool:
    """It promotes in the repository at `url`, as far as anybody can tell."""
    if one.get("kind") not in (TRANSFER, STRATEGY):
        return False
    named = text(part(one, "spec", "gitRepositoryRef"), "name")
    home = text(part(one, "metadata"), "namespace")
    repository = next((each for each in found if _is_named(each, home, named)), None)
    forges = [value for value in part(repository, "spec").values() if isinstance(value, dict)] if repository else []
    places = [place for value in forges if (place := _place(value)) is not None]
    return not places or any(_stands_in(path_of(url), *place) for place in places)


def _is_named(one: Object, namespace: str, name: str) -> bool:
    metadata = part(one, "metadata")
    return one.get("kind") == REPOSITORY and (text(metadata, "namespace"), text(metadata, "name")) == (namespace, name)


def _place(forge: Object) -> tuple[str, str] | None:
    owner = next((text(forge, key) for key in OWNERS if text(forge, key)), "")
    return (owner.lower(), text(forge, "name").lower()) if owner and text(forge, "name") else None


def _stands_in(path: str, owner: str, name: str) -> bool:
    before, _, last = path.rpartition("/")
    return last == name and f"/{owner}/" in f"/{before}/"
