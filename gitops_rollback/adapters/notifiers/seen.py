"""Which keys were told already? The newest of them, a bounded number."""

from __future__ import annotations

import threading
from collections import OrderedDict

REMEMBERED_KEYS = 1024


class Seen:
    """The newest keys, a bounded number of them. Usable from several threads."""

    def __init__(self, limit: int = REMEMBERED_KEYS) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._limit = limit
        self._lock = threading.Lock()

    def again(self, key: str) -> bool:
        """True if `key` was asked about before and is still remembered; an empty key never was."""
        if not key:
            return False
        with self._lock:
            known = key in self._keys
            self._keys[key] = None
            self._keys.move_to_end(key)
            if len(self._keys) > self._limit:
                self._keys.popitem(last=False)
            return known

    def forget(self, key: str) -> None:
        """A message that was never delivered may be told again."""
        with self._lock:
            self._keys.pop(key, None)
