"""What time is it elsewhere? By the `Date` that a server puts on each of its answers, in whole seconds.

Source: RFC 9110, 6.6.1.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from gitops_rollback.adapters.http import Http, HttpSettings
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.errors import RollbackError


def time_at(url: str, rules: OriginRules, timeout: timedelta, ca_file: str = "") -> datetime | None:
    """What time the server says it is, whatever else it answers; None where it does not say, or may not be asked."""
    try:
        http = Http(rules, HttpSettings(ca_file=ca_file))
    except RollbackError:
        return None  # who needs the file says so
    try:
        return _date(http.get(url, timeout, method="HEAD").headers.get("date", ""))
    except RollbackError:
        return None
    finally:
        http.close()


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
