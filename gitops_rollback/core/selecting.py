"""Which applications does a target mean that has a selector, and what is it called for each of them?

A target with a selector is a pattern: for each application that it takes in it becomes a target like any other, with
the object's own words in place of its variables.
Source: safety.md, Selectors and clusters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from gitops_rollback.core.policy import ApplicationRef, Policy, Selector, Target
from gitops_rollback.core.sync import ApplicationId, ApplicationState

ENGINE_OF = {"Application": "argocd", "Kustomization": "flux", "HelmRelease": "flux"}
LABEL = "LABEL_"
VARIABLE = re.compile(r"\$([A-Z][A-Za-z0-9_]*)")
_NO_WORD = re.compile(r"[^A-Za-z0-9_]")


def engine_of(kind: str, instance: str) -> str:
    """What a policy calls the engine of an application; that of a package is called by its instance."""
    return ENGINE_OF.get(kind, instance)


@dataclass(frozen=True)
class Selectable:
    """What selectors look at. `namespace` is where its workloads live, `cluster` the destination's name or address."""

    id: ApplicationId
    project: str = ""
    cluster: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> Mapping[str, str]:
        """Each variable with its word; what a label's name has besides letters, digits and `_` becomes `_`."""
        labels = {LABEL + _NO_WORD.sub("_", name): value for name, value in self.labels.items()}
        own = {"APPLICATION": self.id.name, "PROJECT": self.project, "CLUSTER": self.cluster}
        return {**labels, **own, "NAMESPACE": self.namespace}


def selectable(state: ApplicationState) -> Selectable:
    """What an engine says of an application, as far as selectors look at it."""
    return Selectable(state.id, state.project, state.destination, state.namespace, state.labels)


def takes_in(selector: Selector, one: Selectable) -> bool:
    """True if all that the selector says is so. One that says nothing takes in nothing, whatever wrote it."""
    said = (selector.project, selector.namespace, selector.name, selector.labels)
    return (
        any(said)
        and engine_of(one.id.kind, one.id.instance) == selector.engine
        and _fits(selector.project, one.project)
        and _fits(selector.namespace, one.id.namespace)
        and _fits(selector.name, one.id.name)
        and all(one.labels.get(name) == value for name, value in selector.labels)
    )


def filled(target: Target, one: Selectable) -> Target | None:
    """The target for this application; None where a variable has no word: a label that it does not bear, say."""
    words = one.words
    texts = (target.name, target.rehearse, *target.paths, *target.depends_on, *_workload_texts(target))
    if any(not words.get(name) for text in texts for name in VARIABLE.findall(text)):
        return None

    def fill(text: str) -> str:
        return VARIABLE.sub(lambda match: words[match[1]], text)

    workload = target.workload
    if workload is not None:
        workload = replace(workload, namespace=fill(workload.namespace), name=fill(workload.name))
    return replace(
        target,
        name=fill(target.name),
        application=ApplicationRef(one.id.namespace, one.id.name, one.id.kind, one.id.instance),
        workload=workload,
        rehearse=fill(target.rehearse),
        paths=tuple(map(fill, target.paths)),
        depends_on=tuple(map(fill, target.depends_on)),
        selector=None,
    )


def placed(policy: Policy, cluster: str) -> Policy | None:
    """The policy with the one metric source that serves this cluster; None where none of its sources does."""
    if not policy.sources:
        return policy
    serving = (one for one in policy.sources if not one.clusters or cluster in one.clusters)
    source = next(serving, None)
    return replace(policy, metrics=source, sources=()) if source is not None else None


def each(policies: Iterable[Policy], seen: Iterable[Selectable]) -> Iterator[tuple[Policy, Target]]:
    """Each target of each policy; a pattern stands for one for each application of `seen` that it takes in."""
    known = tuple(seen)
    for policy in policies:
        for target in policy.targets:
            if target.selector is None:
                yield policy, target
                continue
            taken = (filled(target, one) for one in known if takes_in(target.selector, one))
            yield from ((policy, one) for one in taken if one is not None)


def _workload_texts(target: Target) -> tuple[str, ...]:
    return (target.workload.namespace, target.workload.name) if target.workload else ()


def _fits(pattern: str, word: str) -> bool:
    return not pattern or fnmatchcase(word, pattern)
