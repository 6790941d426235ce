"""From what Slack sends when somebody presses a button to a press of the core; the signature was checked before.

Source: docs.slack.dev, Handling user interaction (a form with the field `payload`), block_actions payloads.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from urllib.parse import parse_qs

from gitops_rollback.adapters.notifiers.slack_answers import ORIGIN
from gitops_rollback.adapters.notifiers.slack_blocks import APPROVE, DIFF, PAUSE
from gitops_rollback.core.press import Button, Press

BUTTONS = {APPROVE: Button.APPROVE, PAUSE: Button.PAUSE, DIFF: Button.DIFF}
USER = re.compile(r"[UW][A-Z0-9]{2,30}")
VALUE = re.compile(r"(?P<id>rb-[0-9a-f]{16})(?: (?P<head>[0-9a-f]{40}|[0-9a-f]{64}))?")


def press_of(body: bytes, now: datetime) -> Press | None:
    """The first button of ours that was pressed; None for anything else. One that names another place than Slack's for
    its answer is given none. Never raises.
    """
    try:
        (payload,) = parse_qs(body.decode(), max_num_fields=20).get("payload", [""])
        found = json.loads(payload)
        user, actions = found["user"]["id"], found["actions"]
        if found["type"] != "block_actions" or not isinstance(user, str) or not USER.fullmatch(user):
            return None
        action = next(one for one in actions if one["action_id"] in BUTTONS)
        value = VALUE.fullmatch(action["value"])
        url = found.get("response_url")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, StopIteration):
        return None
    if value is None:
        return None
    to = url if isinstance(url, str) and url.startswith(f"{ORIGIN}/") else ""
    return Press(user, BUTTONS[action["action_id"]], value["id"], value["head"] or "", now, to)
