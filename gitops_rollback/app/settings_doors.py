"""The settings of what comes in from outside: webhooks and their secrets, and who may press what."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from gitops_rollback.app.settings_values import Bind, Closed, HttpUrl, Networks, Words

SHORTEST_TOKEN = 16  # characters; the webhooks' port may face the internet
STANDARD_WEBHOOKS_KEY = r"whsec_(?:[A-Za-z0-9+/]{4}){4,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
Token = Annotated[SecretStr, Field(min_length=SHORTEST_TOKEN)]


class Hook(Closed):
    """Who may post to `/hooks/KIND/NAME`: whoever knows the token. A delivery says no more than "look now".

    `previousToken` counts as well, while a sender still uses it. A token of a GitLab door that begins with `whsec_` is
    a signing key.
    """

    kind: Literal["github", "gitlab", "gitea", "argocd", "flux", "alertmanager", "slack"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
    token: Token
    token_file: str | None = None
    previous_token: Token | None = None
    previous_token_file: str | None = None

    @model_validator(mode="after")
    def _signs(self) -> Hook:
        for key in self.keys:
            if self.kind == "gitlab" and key.startswith("whsec_") and not re.fullmatch(STANDARD_WEBHOOKS_KEY, key):
                raise ValueError("the token begins with whsec_ and is no signing key: base64 must follow")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The secrets that count, for whoever checks a delivery."""
        told = (self.token, self.previous_token)
        return tuple(token.get_secret_value() for token in told if token is not None)


class Chat(Closed):
    """Who may press the buttons of our messages: Slack's ids of people, and their logins at the forge."""

    approvers: dict[Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{2,30}$")], str] = Field(default_factory=dict)


class TokenLogin(Closed):
    """Who logs in with a token, and is whom at the forge."""

    login: Annotated[str, Field(min_length=1, max_length=100)]
    token: Token
    token_file: str | None = None


class ProxyLogin(Closed):
    """A proxy that has asked who it is, for example oauth2-proxy. Its `header` counts from `trusted` addresses alone.

    `people`: the user as the header has it, and the login at the forge. Whoever is not named may only look.
    """

    trusted: Annotated[Networks, Field(min_length=1)]
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")] = "X-Forwarded-Email"
    people: dict[str, str] = Field(default_factory=dict)


class DashboardLogin(Closed):
    """Who may press the buttons of the dashboard; what each may do there is the forge's word, where there is one."""

    tokens: tuple[TokenLogin, ...] = ()
    proxy: ProxyLogin | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> DashboardLogin:
        if not self.tokens and self.proxy is None:
            raise ValueError("needs tokens or proxy; left out, the dashboard only reads")
        for what, told in (
            ("login", [one.login for one in self.tokens]),
            ("token", [one.token.get_secret_value() for one in self.tokens]),
        ):
            if len(set(told)) != len(told):
                raise ValueError(f"two of its tokens have the same {what}")
        return self

    @property
    def logins(self) -> tuple[str, ...]:
        """Everybody whom it names."""
        people = self.proxy.people.values() if self.proxy is not None else ()
        return tuple(dict.fromkeys([*(one.login for one in self.tokens), *people]))


class DashboardPlace(Closed):
    """Where the dashboard is served; nowhere without `bind`. It only reads unless `login` says who may do more.

    `hosts`: names, besides addresses and localhost, by which browsers may call it. `address` is where people reach it,
    such as `https://rollback.example.com`: messages then lead to its pages.
    """

    bind: Bind | None = None
    address: HttpUrl | None = None
    hosts: Words = ()
    login: DashboardLogin | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The host names by which browsers may call it; that of its address is one."""
        own = urlsplit(self.address).hostname if self.address else None
        return tuple(dict.fromkeys([*self.hosts, *([own] if own else [])]))
