"""Titles and texts in a team's own words: string templates over a message's fields, by event.

Source: Python `string.Template` (`$title`, `${title}`, `$$` for a dollar).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import Template as StringTemplate

from gitops_rollback.ports import Message

ANY = "*"


@dataclass(frozen=True)
class Template:
    """ "" leaves that part as it is."""

    title: str = ""
    text: str = ""


def fields_of(message: Message) -> dict[str, str]:
    """What a template may name."""
    details = message.details or {}
    return {
        "event": message.event,
        "application": message.application,
        "name": "/".join(message.application.split("/")[-2:]),
        "title": message.title,
        "text": message.text,
        "reason": message.reason,
        "rollback": message.rollback_id,
        "commit": str(details.get("commit") or ""),
        "restores": str(details.get("restores") or ""),
        "guide": "\n".join(message.guide),
    }


FIELDS = tuple(fields_of(Message("", "", "", "", "", "")))


def fault_of(template: str) -> str:
    """What is wrong with it, in a sentence; "" if it can be used."""
    parsed = StringTemplate(template)
    if not parsed.is_valid():
        return "holds a `$` that begins no field; write `$$` for a dollar"
    unknown = sorted(set(parsed.get_identifiers()) - set(FIELDS))
    if not unknown:
        return ""
    near = difflib.get_close_matches(unknown[0], FIELDS, n=1)
    return f"names no field of a message: ${unknown[0]}" + (
        f", did you mean ${near[0]}?" if near else f"; there are {', '.join('$' + name for name in FIELDS)}"
    )


def rendered(message: Message, templates: Mapping[str, Template]) -> Message:
    """In the words of the template of its event, or of `*`."""
    template = templates.get(message.event) or templates.get(ANY)
    if template is None:
        return message
    fields = fields_of(message)
    title = StringTemplate(template.title).safe_substitute(fields) if template.title else message.title
    text = StringTemplate(template.text).safe_substitute(fields) if template.text else message.text
    return replace(message, title=title, text=text)
