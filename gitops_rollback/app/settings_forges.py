"""The settings of a repository's forge, and what follows from the repository's own URL where they say nothing.

A kind that only the host's name suggests is a guess: the client asks the host before it believes it.
Source: interfaces.md, Environment; contracts/forges.md, sections 3 to 5, and slip 7 of section 10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator

from gitops_rollback.adapters.forges.installed import installed
from gitops_rollback.adapters.forges.settings import GITEA, GITHUB, GITHUB_VERSION, GITLAB, KINDS, default_api
from gitops_rollback.app.origins import origin_of, repository_path
from gitops_rollback.app.settings_values import Closed, HttpUrl, Words

_PATH = re.compile(r"[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _path(value: str) -> str:
    if value and not _PATH.fullmatch(value):
        raise ValueError("must be the path at the forge, like acme/deploy or group/sub/deploy")
    return value


def _version(value: object) -> object:
    if not _DATE.fullmatch(str(value)):
        raise ValueError(f"must be a version of GitHub's API like {GITHUB_VERSION}")
    return str(value)


def _kind(value: str) -> str:
    if value not in {*KINDS, *installed()}:
        raise ValueError(f"must be {', '.join(KINDS)}, or the name of an installed forge")
    return value


class ForgeApp(Closed):
    """A GitHub App: `id` is its client id or its number; `installation` left out is looked up."""

    id: Annotated[str, BeforeValidator(str)]
    installation: int = 0
    private_key: SecretStr
    private_key_file: str | None = None


class ForgeAccess(Closed):
    """Where pull requests are opened, and as whom. Left out, `kind`, `api` and `repository` follow from the URL.

    `kind` is github, gitlab, gitea, or the name of a forge that a package brings.

    Without `token` and `app` the well-known variable of the kind counts, else the token that git pushes with.
    `approvers` may give commands where the forge does not tell what a person may do.
    """

    kind: Annotated[str, AfterValidator(_kind)] | None = None
    api: HttpUrl | None = None
    repository: Annotated[str, AfterValidator(_path)] = ""
    token: SecretStr | None = None
    token_file: str | None = None
    app: ForgeApp | None = None
    approvers: Words = ()
    ca_file: str | None = None
    api_version: Annotated[str, BeforeValidator(_version)] = GITHUB_VERSION

    @model_validator(mode="after")
    def _an_installed_one_has_an_address(self) -> ForgeAccess:
        if self.kind is not None and self.kind not in KINDS and self.api is None:
            raise ValueError(f"api is missing: nobody but you knows where the API of {self.kind} begins")
        return self


@dataclass(frozen=True)
class KnownForge:
    """`variables` hold a token of it; `username` goes with that token to git; `hosts` are its own."""

    kind: str
    variables: tuple[str, ...]
    username: str
    hosts: re.Pattern[str]
    named: bool  # the variables also serve a host of any name whose kind the settings say


KNOWN: Sequence[KnownForge] = (
    KnownForge(GITHUB, ("GITHUB_TOKEN", "GH_TOKEN"), "x-access-token", re.compile(r"github\.com"), named=False),
    KnownForge(GITLAB, ("GITLAB_TOKEN",), "oauth2", re.compile(r"gitlab\.com|gitlab\..+"), named=True),
    KnownForge(
        GITEA, ("GITEA_TOKEN",), "oauth2", re.compile(r"gitea\.com|gitea\..+|codeberg\.org|forgejo\..+"), named=True
    ),
)


def known_by_host(url: str) -> KnownForge | None:
    """The forge whose own hosts the URL's belongs to, by the whole name; None for any other."""
    host = _host(url)
    return next((one for one in KNOWN if one.hosts.fullmatch(host)), None)


def variable_of(known: KnownForge, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that holds its token, and the settings' key that it gives; None if none is set."""
    for name in known.variables:
        for variable, key in ((name, "token"), (f"{name}_FILE", "tokenFile")):
            if environ.get(variable):
                return variable, key
    return None


def token_variable(url: str, kind: object, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """As `variable_of`, for the API of the repository at `url` whose kind the settings call `kind` (None: nothing)."""
    known = known_by_host(url)
    if kind is not None and (known is None or known.kind != kind):
        known = next((one for one in KNOWN if one.kind == kind and one.named), None)
    return variable_of(known, environ) if known is not None else None


@dataclass(frozen=True)
class ForgePlace:
    """Where a repository's forge is."""

    kind: str
    api: str
    web: str
    repository: str
    guessed: bool


def forge_place(url: str, forge: ForgeAccess | None) -> ForgePlace | None:
    """None where neither the settings nor the host's name say what it is."""
    told = forge or ForgeAccess()
    known = known_by_host(url)
    kind = told.kind or (known.kind if known is not None else None)
    if kind is None or not _host(url):
        return None
    web = _web(url, told.api)
    api = told.api.rstrip("/") if told.api else default_api(kind, web)
    return ForgePlace(kind, api, web, told.repository or repository_path(url), guessed=told.kind is None)


def _web(url: str, api: str | None) -> str:
    """The origin of its pages: git by SSH may have another host than the pages."""
    if url.startswith(("http://", "https://")) or not api:
        return origin_of(url) if url.startswith(("http://", "https://")) else f"https://{_host(url)}"
    scheme, _, host = origin_of(api).partition("://")
    return f"{scheme}://{host.removeprefix('api.')}"


def _host(url: str) -> str:
    """Host of a git URL, with the port that a web address has."""
    scheme, _, host = origin_of(url).partition("://")
    return host.partition(":")[0] if scheme == "ssh" else host
