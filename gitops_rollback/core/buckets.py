"""Which of a store's buckets of time is the newest that is over, and in which all has arrived that is still to come?"""

from __future__ import annotations

from datetime import datetime, timedelta


def newest_bucket(at: datetime, length: timedelta, arrival: timedelta) -> datetime:
    """When the newest bucket began that at `at` is over since `arrival`. Buckets are multiples of their length."""
    seconds = int(length.total_seconds())
    arrived = int((at - arrival).timestamp()) // seconds * seconds
    return datetime.fromtimestamp(arrived - seconds, at.tzinfo)
