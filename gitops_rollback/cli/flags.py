"""The flags that verbs share. Light, since `--help` and each press of Tab load it: no settings, no engine, no git."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import click
from click.core import ParameterSource

CLUSTER_FLAGS = ("argocd_objects", "flux", "kubeconfig", "context", "namespace", "request_timeout")


def repository_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--repo`, `--branch` and `--config`; the verb itself gets the `settings` that they lead to.

    Below `cluster_options`, for a verb that asks engines, those count, too.
    """

    @repository_flags
    @functools.wraps(command)
    def with_settings(
        *arguments: object,
        repo: tuple[str, ...],
        branch: str | None,
        config: str | None,
        cluster: Mapping[str, object] | None = None,
        **options: object,
    ) -> None:
        from gitops_rollback.cli.access import settings_of  # brings all that reads settings

        command(*arguments, settings=settings_of(repo, branch, config, cluster), **options)

    return with_settings


def repository_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The same three, as they were given, for a verb that may do without settings."""
    for flag in (
        click.option("--config", metavar="FILE", help="Settings file; default: gitops-rollback.yaml."),
        click.option("--branch", metavar="NAME", help="Followed branch; default: the remote's HEAD."),
        click.option("--repo", multiple=True, metavar="URL", help="Config repository; else those of the settings."),
    ):
        command = flag(command)
    return command


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Which engines of which cluster, as `run` is told. The verb itself gets those flags that were given as `cluster`.

    The settings read the environment themselves, each variable in its own spelling and by its own name.
    """

    @click.option(
        "--argocd-objects/--no-argocd-objects", default=None, help="The cluster's Argo CD, without its token."
    )
    @click.option("--flux/--no-flux", default=None, help="The Flux of the cluster. Default: if the settings name it.")
    @click.option("--kubeconfig", metavar="FILE", help="Default: the Pod's account, KUBECONFIG, ~/.kube/config.")
    @click.option("--context", metavar="NAME", help="The context of the kubeconfig.")
    @click.option("-n", "--namespace", multiple=True, metavar="NAME", help="Look into these namespaces only.")
    @click.option("--request-timeout", metavar="DURATION", help="How long one request to the Kubernetes API may take.")
    @functools.wraps(command)
    def with_cluster(*arguments: object, **options: object) -> None:
        asked = {name: options.pop(name) for name in CLUSTER_FLAGS}
        source = click.get_current_context().get_parameter_source
        given = {name: value for name, value in asked.items() if source(name) is ParameterSource.COMMANDLINE}
        command(*arguments, cluster=given, **options)

    return with_cluster
