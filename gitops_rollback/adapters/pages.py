"""Where people read more of a rollback or of a reason: pages of the dashboard, below the address that they use."""

from __future__ import annotations

from urllib.parse import quote

from gitops_rollback.core.reasons import meaning_of


class Pages:
    """Links below one address, such as `https://rollback.example.com`."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def rollback(self, rollback_id: str) -> str:
        """The page of one rollback."""
        return f"{self._address}/r/{quote(rollback_id, safe='')}"

    def reason(self, word: str) -> str | None:
        """What it means, and what to do about it; None for a word that is no reason."""
        return None if meaning_of(word) is None else f"{self._address}/reasons#{word}"
