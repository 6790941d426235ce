"""`gitops-rollback init`: the first step on one's own things. Looks at a repository, writes a policy that only watches.

Exit code 0: all that is needed stands there now, 1: nothing was found, or a file that stands there was kept though it
differs, 2: the repository or a policy in it cannot be read, or a file cannot be written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from gitops_rollback.adapters.policies.loading import PolicyFile
from gitops_rollback.app.beginning import (
    Beginning,
    Draft,
    Place,
    State,
    beginning,
    policies_in,
    standing_in,
    write,
)
from gitops_rollback.app.local_clone import LocalClone
from gitops_rollback.app.manifests import manifests_for
from gitops_rollback.app.origins import repository_name
from gitops_rollback.app.settings_repositories import DEFAULT_POLICIES
from gitops_rollback.app.surveying import tree_at
from gitops_rollback.cli.access import document, opened_sources, settings_of
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import print_document, say, shown
from gitops_rollback.cli.plugins import linked
from gitops_rollback.core.repository_url import without_credentials
from gitops_rollback.core.sourceignore import SOURCE_IGNORE
from gitops_rollback.core.survey import ARGOCD, FLUX, Ours

WORDS = {State.NEW: "wrote", State.SAME: "stands", State.KEPT: "kept", State.GROWN: "added to"}
PRINTED = {**WORDS, State.NEW: "would write", State.GROWN: "would add to"}


def carry_out(
    ctx: click.Context,
    directory: Path,
    repo: str | None,
    branch: str | None,
    config: str | None,
    alias: tuple[str, ...],
    engine: str | None,
    dry_run: bool,
    print_manifests: bool,
    plugins: bool,
    output: str,
) -> None:
    if plugins:
        ctx.exit(_plugins(output))
    if repo is None:
        with LocalClone(directory) as clone:
            urls = (*clone.urls(), *alias)
            name = repository_name(urls[0]) if urls else clone.root.name
            ours, root = Ours(urls, branch or clone.branch()), clone.root
            place = Place(name, ours, clone.tree(), lambda path: standing_in(root, path), policies_in(root))
            found = beginning(place, engine or "")
            if print_manifests:
                ctx.exit(_manifests(found, place, engine))
            if not dry_run:
                write(clone.root, found.drafts)
            _print(found, place, dry_run, output)
    else:
        with _remote(repo, branch, config, alias) as place:
            found, dry_run = beginning(place, engine or ""), True
            if print_manifests:
                ctx.exit(_manifests(found, place, engine))
            _print(found, place, dry_run, output)
            say("Nothing is written at a remote: clone it, and run `gitops-rollback init` there.")
    if not found.survey.found:
        say("No application was found: name the engine's objects, or the folders, in a policy of your own (README.md).")
    ctx.exit(NO if not found.survey.found or _kept(found.drafts) else OK)


@contextmanager
def _remote(url: str, branch: str | None, config: str | None, alias: Sequence[str]) -> Iterator[Place]:
    with opened_sources(settings_of((url,), branch, config)) as (source, *_):
        repo, head = source.repo, source.heads.branch
        files = [
            PolicyFile(entry.path, entry.mode, repo.read(entry.blob)) for entry in repo.files(head, DEFAULT_POLICIES)
        ]
        ours = Ours((url, *source.opened.settings.aliases, *alias), repo.branch)
        yield Place(
            repository_name(url), ours, tree_at(repo, head), lambda path: document(repo, head, path), tuple(files)
        )


def _manifests(found: Beginning, place: Place, engine: str | None) -> int:
    """Of the engine that is named, else of those that the repository tells, else of Argo CD."""
    engines = (engine,) if engine else found.survey.engines or (ARGOCD,)
    url = without_credentials(place.ours.urls[0]) if place.ours.urls else ""
    click.echo(manifests_for(engines, url), nl=False)
    return OK


def _plugins(output: str) -> int:
    found = tuple(linked(os.environ))
    if output == "json":
        print_document([asdict(one) for one in found], output)
    else:
        for one in found:
            remedy = f"  -> {one.remedy}" if one.remedy else ""
            click.echo(shown(f"{'✔' if one.found else '✖'} {one.message}{remedy}"))
    return OK if all(one.found for one in found) else NO


def _kept(drafts: Sequence[Draft]) -> bool:
    return any(draft.state is State.KEPT for draft in drafts)


def _print(found: Beginning, place: Place, dry_run: bool, output: str) -> None:
    if output == "json":
        print_document(_document(found, place, dry_run), output)
        return
    for line in _lines(found, place, dry_run):
        click.echo(shown(line))
    for draft in found.drafts if dry_run else ():
        if draft.state in (State.NEW, State.GROWN) and not draft.path.endswith(".json"):
            click.echo(f"\n{draft.path}:")
            click.echo(draft.content.decode(), nl=False)


def _lines(found: Beginning, place: Place, dry_run: bool) -> Iterator[str]:
    yield f"repository   {without_credentials(place.ours.urls[0]) if place.ours.urls else place.name}"
    yield f"forge        {_forge(found)}"
    for target in found.targets:
        one = target.found
        guess = ", a guess by the layout" if one.guessed else ""
        where = ", ".join(folder or "the root" for folder in one.folders)
        yield f"found        {target.name}: {one.label}, {one.renderer}{f' in {where}' if where else ''}{guess}"
    if any(target.found.guessed and target.found.engine == ARGOCD for target in found.targets):
        again = "take back what is written, and run init --engine flux" if not dry_run else "init --engine flux"
        yield f"engine       git holds no object of one, so Argo CD is assumed; with Flux: {again}"
    for one in found.watched:
        yield f"watched      {one.label}: a policy names it already"
    for left in found.survey.left_out:
        yield f"left out     {left.label}: {left.why}"
    for draft in found.drafts:
        words = (PRINTED if dry_run else WORDS)[draft.state]
        why = (
            f": Flux's {found.survey.from_root} takes every file of the repository"
            if draft.state is State.GROWN
            else ""
        )
        differs = ": it differs, and is yours; `gitops-rollback schema` prints the newest" if words == "kept" else ""
        yield f"{words:<12} {draft.path}{why}{differs}"
    steps = tuple(_next(found, place))
    width = max((len(step) for step, _ in steps), default=0)
    for number, (step, why) in enumerate(steps, 1):
        yield f"{'next' if number == 1 else '':<12} {step:<{width}}  {why}"


def _why(draft: Draft, found: Beginning) -> str:
    if draft.state is State.KEPT:
        return ": it differs, and is yours; `gitops-rollback schema` prints what would be written"
    if draft.path == SOURCE_IGNORE and draft.state is not State.SAME:
        return f": Flux's Kustomization {found.survey.from_root} takes every file of the repository"
    return ""


def _forge(found: Beginning) -> str:
    if found.forge is None:
        return "not known by the repository: with `forge: {kind: ...}` in the settings, pull requests can be opened"
    return f"{found.forge.kind}: set {found.forge.variables[0]}, so that pull requests can be opened"


def _next(found: Beginning, place: Place) -> Iterator[tuple[str, str]]:
    """What to do now, and why."""
    written = [draft.path for draft in found.drafts if draft.state in (State.NEW, State.GROWN)]
    if written:
        folders = dict.fromkeys(path.partition("/")[0] for path in written)
        yield "gitops-rollback lint .", "after each edit"
        yield f"git add {' '.join(folders)} && git commit", "and push it: by pull request, if that is your way"
    if not found.survey.found:
        return
    address = without_credentials(place.ours.urls[0]) if place.ours.urls else "URL"
    yield f"export GITOPS_ROLLBACK_REPO={address}", "for all that follows"
    if FLUX in found.survey.engines:
        yield "export KUBECONFIG=~/.kube/config", "of the cluster where Flux runs"
    if ARGOCD in found.survey.engines:
        yield "export ARGOCD_SERVER=HOST ARGOCD_AUTH_TOKEN=TOKEN", "or KUBECONFIG of its cluster"
    name = found.targets[0].name if found.targets else found.survey.found[0].name
    yield "gitops-rollback doctor", "would a rollback work, and what is missing?"
    yield f"gitops-rollback plan {name}", "what would be done now, and why"
    yield "gitops-rollback run --observe", "decides in full, writes nothing"


def _document(found: Beginning, place: Place, dry_run: bool) -> dict[str, object]:
    return {
        "repository": without_credentials(place.ours.urls[0]) if place.ours.urls else place.name,
        "forge": found.forge.kind if found.forge else None,
        "applications": [
            {
                "target": target.name,
                "engine": target.found.engine,
                "kind": target.found.kind,
                "namespace": target.found.namespace,
                "name": target.found.name,
                "renderer": target.found.renderer,
                "folders": list(target.found.folders),
                "manifest": target.found.manifest,
                "guessed": target.found.guessed,
                "keeps": target.found.keeps,
            }
            for target in found.targets
        ],
        "watched": [one.label for one in found.watched],
        "leftOut": [{"object": one.label, "why": one.why} for one in found.survey.left_out],
        "files": [
            {"path": draft.path, "state": draft.state.value, "content": draft.content.decode()}
            for draft in found.drafts
        ],
        "dryRun": dry_run,
        "next": [step for step, _ in _next(found, place)],
    }
