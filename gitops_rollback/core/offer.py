"""A plan that waits as a pull request: what the journal keeps of it, before and after the forge knows it.

It is written before anything is pushed or opened, so that a landing is recognised whatever becomes of the process and
whatever the forge makes of the commit. Everybody with the right to push may have written into the journal: what is read
back is checked.
Source: interfaces.md, Branches; safety.md, The journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gitops_rollback.core.commit import is_sha

NAMESPACE = "gitops-rollback"
ID_DIGITS = 12
NAME_LIMIT = 120  # characters of a branch's name for the application; a file name may hold 255 bytes
MAX_HEADS = 50
MAX_SAID = 20

Blobs = Mapping[str, str | None]  # path -> blob after the plan; None: removed


@dataclass(frozen=True)
class PlannedHead:
    """One commit of ours at the tip of the branch: on which base it was built, and what it leaves of each file."""

    commit: str
    base: str
    blobs: Blobs = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """The pull request of a record. `heads` are the oldest first; `number` is None until it is known to be open.

    `automatic`: the plan needs no person's word, so the forge may merge it by itself where the policy says so.
    `scheduled`: we asked the forge to do that, and have not taken it back. `approved` is the one head that a person's
    word to us was about, "" if there was none. `said` are the words that people were told once; `settled`: the forge
    shows how it ended, and nothing is left to do there.
    """

    automatic: bool = False
    heads: tuple[PlannedHead, ...] = ()
    number: int | None = None
    url: str = ""
    scheduled: bool = False
    approved: str = ""
    settled: bool = False
    said: tuple[str, ...] = ()

    @property
    def newest(self) -> PlannedHead | None:
        return self.heads[-1] if self.heads else None

    def made(self, sha: str) -> bool:
        """This head is one of ours."""
        return any(head.commit == sha for head in self.heads)

    def with_head(self, head: PlannedHead) -> Offer:
        """With this commit on top; the very first one stays, since the search for a landing begins there."""
        if self.newest is not None and self.newest.commit == head.commit:
            return self
        later = tuple(one for one in self.heads[1:] if one.commit != head.commit)
        return replace(self, heads=(*self.heads[:1], *later[2 - MAX_HEADS :], head))

    def tell(self, word: str) -> Offer:
        """People are told this once."""
        return replace(self, said=tuple(dict.fromkeys((*self.said, word)))[-MAX_SAID:])

    @property
    def document(self) -> dict[str, object]:
        """As it stands in the evidence of a record."""
        return {
            "automatic": self.automatic,
            "heads": [{"commit": one.commit, "base": one.base, "blobs": dict(one.blobs)} for one in self.heads],
            "number": self.number,
            "url": self.url,
            "scheduled": self.scheduled,
            "approved": self.approved,
            "settled": self.settled,
            "said": list(self.said),
        }


def offer_of(document: object) -> Offer | None:
    """The offer of such a document; None for one that is none, and without what is not as we write it."""
    if not isinstance(document, Mapping):
        return None
    number, said, heads = document.get("number"), document.get("said"), document.get("heads")
    return Offer(
        automatic=document.get("automatic") is True,
        heads=tuple(_heads(heads)),
        number=number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None,
        url=str(document.get("url", ""))[:1000],
        scheduled=document.get("scheduled") is True,
        approved=str(document.get("approved", ""))[:64],
        settled=document.get("settled") is True,
        said=tuple(str(word) for word in said[:MAX_SAID]) if isinstance(said, list) else (),
    )


def merge_offers(behind: object, ahead: object) -> object:
    """Two views of one pull request, `ahead` the newer writer's: neither loses a commit of ours, or its number."""
    old, new = offer_of(behind), offer_of(ahead)
    if old is None or new is None:
        return ahead if new is not None else behind
    merged = old
    for head in (*(one for one in new.heads if not old.made(one.commit)), *new.heads[-1:]):
        merged = merged.with_head(head)
    return replace(
        new,
        heads=merged.heads,
        number=new.number or old.number,
        url=new.url or old.url,
        settled=new.settled or old.settled,
        said=tuple(dict.fromkeys((*old.said, *new.said)))[-MAX_SAID:],
    ).document


def branch_of(rollback_id: str, application: str) -> str:
    """The branch of a rollback, without `refs/heads/`: the same for every replica, and for every base.

    `application` is the full name, `instance/kind/namespace/name`. GitLab refuses a name that begins with 40 hex
    digits, and git one with `..` or an end in `.lock`: ours has neither.
    """
    parts = application.split("/")
    kind = _plain(parts[1] if len(parts) > 1 else "application")
    name = _plain("-".join(parts[2:] or parts[-1:]))[:NAME_LIMIT].rstrip("-")
    return f"{NAMESPACE}/{kind}/{name or 'unnamed'}/{rollback_id.removeprefix('rb-')[:ID_DIGITS]}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _heads(found: object) -> Iterator[PlannedHead]:
    for one in found[:MAX_HEADS] if isinstance(found, list) else ():
        if not isinstance(one, Mapping):
            continue
        commit, base, blobs = str(one.get("commit")), str(one.get("base")), one.get("blobs")
        if not (is_sha(commit) and is_sha(base) and isinstance(blobs, Mapping)):
            continue
        if all(_is_blob(blob) for blob in blobs.values()):
            yield PlannedHead(commit, base, {str(path): blob for path, blob in blobs.items()})


def _is_blob(blob: object) -> bool:
    return blob is None or (isinstance(blob, str) and is_sha(blob))
