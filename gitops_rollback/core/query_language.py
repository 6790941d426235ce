"""In which language is a query written, and what do its variables, its reach and its ranges mean there?

The text alone says it: no query is valid in two of the languages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from gitops_rollback.core import cloudwatch_query, datadog_query, other_query, query, web_query
from gitops_rollback.core.grouping import Grouping, grouping_of


@dataclass(frozen=True)
class Language:
    """`fill`, `look_back` and `cut_ranges` as in `core.query`; each may raise QueryInvalid.

    `group` as in `core.grouping`.
    """

    name: str
    fill: Callable[[str, Mapping[str, str]], str]
    look_back: Callable[[str], timedelta]
    cut_ranges: Callable[[str, timedelta], str | None]
    group: Callable[[str], Grouping | None]


def _uncut(_expression: str, _longest: timedelta) -> str | None:
    return None


def _ungrouped(_template: str) -> Grouping | None:
    return None


PROMQL = Language("PromQL", query.render, query.look_back, query.cut_ranges, grouping_of)
DATADOG = Language("Datadog", datadog_query.fill, datadog_query.look_back, _uncut, _ungrouped)
WEB = Language("web", web_query.fill, web_query.look_back, _uncut, _ungrouped)
CLOUDWATCH = Language("CloudWatch", cloudwatch_query.fill, cloudwatch_query.look_back, _uncut, _ungrouped)
OTHER = Language("other", other_query.fill, other_query.look_back, _uncut, _ungrouped)
OF_PROVIDER: Mapping[str, Language] = {
    "datadog": DATADOG,
    "web": WEB,
    "cloudwatch": CLOUDWATCH,
}  # all others that are ours speak PromQL; those that are installed beside us name themselves


def language_of(text: str) -> Language:
    """The language of a template or of a filled query."""
    if web_query.is_web(text):
        return WEB
    if other_query.is_other(text):
        return OTHER
    if cloudwatch_query.is_cloudwatch(text):
        return CLOUDWATCH
    return DATADOG if datadog_query.is_datadog(text) else PROMQL
