"""The floor: list all applications once more, parse them, hold them, and say what that took. Prints JSON.

`_bare_client.py URL TOKEN [FIELDS]`: with fields one list, as Argo CD's server has it; else pages of 500. The first
list warms up; the CPU time is that of the second. Nothing of the product is imported.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

PAGE = "500"


def main(url: str, token: str, fields: str = "") -> None:
    read_all(url, token, fields)
    started = time.process_time()
    items, size = read_all(url, token, fields)
    seconds = time.process_time() - started
    print(json.dumps({"applications": len(items), "bytes": size, "seconds": seconds, "mib": resident()}))


def read_all(url: str, token: str, fields: str) -> tuple[list[Any], int]:
    """All items, and the bytes that came."""
    query = {"fields": fields} if fields else {"limit": PAGE}
    items: list[Any] = []
    size = 0
    while True:
        request = Request(f"{url}?{urlencode(query)}", headers={"Authorization": f"Bearer {token}"})
        with urlopen(request, timeout=120) as answer:
            body = answer.read()
        page = json.loads(body)
        items += page["items"]
        size += len(body)
        if fields or not page["metadata"].get("continue"):
            return items, size
        query["continue"] = page["metadata"]["continue"]


def resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
