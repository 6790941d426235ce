"""What does one HTTP answer of a forge mean: data, a refusal in its own words, or something that is no forge?

Of a refusal only the forge's message is shown, cut short and without our credentials.
Source: contracts/forges.md, section 9; GitHub REST, "Troubleshooting"; GitLab REST, "Data validation and error
reporting"; a real Gitea's answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gitops_rollback.adapters.git.headers import seconds_of
from gitops_rollback.adapters.json_node import Node, load
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, ForgeUnavailable, RollbackError

SHOWN = 300  # characters of the forge's own words
MOST_WORDS = 8  # messages of one refusal
PASSING = (408, 425, 429)


class OutcomeUnknown(ForgeUnavailable):
    """A write was sent, and nobody said what became of it: look before it is written again."""


@dataclass(frozen=True)
class Answer:
    """A whole answer. Header names are lower case. `secrets` are what must not be repeated, should they come back."""

    subject: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def fine(self) -> bool:
        return 200 <= self.status < 300

    def node(self) -> Node:
        """The JSON of a success; an empty node for an empty body. Raises: ForgeUnavailable for what is no JSON."""
        if not self.body.strip():
            return Node(None)
        try:
            return Node(load(self.body))
        except ValueError as exc:
            said = f"answers {self.status} with {self._media_type() or 'no content type'}: that is no forge's API"
            raise ForgeUnavailable(self.subject, said) from exc

    def words(self) -> str:
        """The forge's own message, on one line; "" where it gives none."""
        try:
            found = Node(load(self.body)) if self.body.strip() else Node(None)
        except ValueError:
            return ""
        text = "; ".join(list(dict.fromkeys(_messages(found.value)))[:MOST_WORDS])
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:SHOWN]

    def refusal(self) -> RollbackError:
        """The error that this answer is."""
        words = self.words()
        said = f"answers {self.status}: {words}" if words else f"answers {self.status}"
        if self.status == 401:
            return CredentialsRejected(self.subject, said)
        if self.status == 403:
            return CredentialsRejected(self.subject, said + self.missing())
        if self.status >= 500 or self.status in PASSING:
            return ForgeUnavailable(self.subject, said, seconds_of(self.headers.get("retry-after", "").strip()))
        return ForgeRefused(self.subject, said, self.status)

    def missing(self) -> str:
        """What GitHub says that a token would need for this; "" elsewhere."""
        needed = self.headers.get("x-accepted-github-permissions", "")
        scopes = self.headers.get("x-accepted-oauth-scopes", "")
        if needed:
            return f"; it takes the permission {needed[:SHOWN]}"
        return f"; it takes one of the scopes {scopes[:SHOWN]}" if scopes.strip() else ""

    def _media_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()[:60]


def _messages(value: object) -> Iterator[str]:
    """The texts under the keys that forges put their words at, and all texts of a list or of fields with faults."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _messages(one)
    elif isinstance(value, dict):
        keys = [key for key in ("message", "error", "errors", "error_description") if value.get(key)]
        if keys:
            for key in keys:
                yield from _messages(value[key])
        elif all(isinstance(one, list) for one in value.values()):
            for key, one in value.items():
                yield from (f"{key} {text}" for text in _messages(one))
        else:
            yield from (f"{key} {one}" for key, one in value.items() if isinstance(one, str) and one)
