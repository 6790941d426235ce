"""Where one repository's forge is, and how it is spoken to.

Source: contracts/forges.md, sections 3 to 5, for the addresses of the three kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

GITHUB, GITLAB, GITEA = "github", "gitlab", "gitea"
KINDS = (GITHUB, GITLAB, GITEA)
GITHUB_VERSION = "2022-11-28"


@dataclass(frozen=True)
class AppKey:
    """A GitHub App: `id` is its client id (or the number), `installation` 0 looks up that of the repository."""

    id: str
    private_key: str = field(repr=False)
    installation: int = 0


@dataclass(frozen=True)
class ForgeSettings:
    """One repository at one forge. `api` is the root of its REST API, without a slash at the end.

    `guessed`: the kind is what the host's name suggests, so the first request asks the host whether it is so.
    `approvers`: logins that count as writers where the forge does not tell what a person may do.
    """

    kind: str
    api: str
    repository: str  # the path at the forge: `owner/name`, `group/sub/name`
    web_url: str
    token: str = field(default="", repr=False)
    app: AppKey | None = None
    guessed: bool = False
    approvers: tuple[str, ...] = ()
    ca_file: str = ""
    api_version: str = GITHUB_VERSION  # of GitHub's API alone
    timeout: timedelta = timedelta(seconds=10)  # of one read; a write, such as a merge, may take twice as long
    patience: timedelta = timedelta(seconds=30)  # of one call with all its requests
    settling: timedelta = timedelta(seconds=60)  # how long a mergeability that nobody understands may still be made up

    @property
    def headers(self) -> Mapping[str, str]:
        """What each request bears, credentials aside."""
        if self.kind == GITHUB:
            return {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": self.api_version}
        return {"Accept": "application/json"}

    @property
    def subject(self) -> str:
        """How errors name it."""
        return f"{self.kind} {self.repository}"


def default_api(kind: str, web: str) -> str:
    """The root of the API of a forge whose pages are at the origin `web`."""
    scheme, _, host = web.partition("://")
    if kind == GITHUB and host == "github.com":
        return "https://api.github.com"
    if kind == GITHUB and host.endswith(".ghe.com"):
        return f"{scheme}://api.{host}"
    return f"{web}/api/{ {GITHUB: 'v3', GITLAB: 'v4', GITEA: 'v1'}[kind] }"
