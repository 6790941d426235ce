"""From GitHub's webhook about a button of a check to a press of the core; the signature was checked before.

Who pressed it and at which commit is believed as GitHub signs it. What it may do is asked of the forge, later.
Source: docs.github.com, webhook `check_run` (`requested_action`, `rerequested`); contracts/forges.md, section 3.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.press import CheckPress
from gitops_rollback.web.hints import urls_of

MARK = re.compile(r"pull/(?P<number>[1-9][0-9]{0,17})/[0-9a-f]{1,64}")
RUN_AGAIN = "plan"  # what GitHub's own button "Re-run" comes to
LONGEST_LOGIN = 100


def check_press_of(event: str, body: bytes, now: datetime) -> CheckPress | None:
    """The press of a button below a check of ours; None for anything else. Never raises."""
    if event.strip().lower() != "check_run":
        return None
    try:
        return _read(json.loads(body), now)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _read(found: Any, now: datetime) -> CheckPress | None:
    run, sender = found["check_run"], found["sender"]
    again = found["action"] == "rerequested"
    button = RUN_AGAIN if again else found["requested_action"]["identifier"]
    mark = MARK.fullmatch(run["external_id"])
    login, head, places = sender["login"], run["head_sha"], urls_of(found)
    known = isinstance(login, str) and 0 < len(login) <= LONGEST_LOGIN and isinstance(head, str) and is_sha(head)
    if not (again or found["action"] == "requested_action") or mark is None or not known or not places:
        return None
    return CheckPress(
        id=f"check-{int(run['id'])}-{mark.group(0).rpartition('/')[2]}-{button}-{login}",
        login=login,
        by_bot=sender.get("type") != "User",
        number=int(mark["number"]),
        head=head,
        button=str(button),
        at=now,
        places=places,
    )
