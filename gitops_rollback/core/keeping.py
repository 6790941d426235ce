"""Does an application keep data, as far as its manifests show? Then only its team knows whether it may go back.

Source: safety.md, Data: a mounted claim, a StatefulSet, or a database's address in the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gitops_rollback.core.kinds import bears_claims
from gitops_rollback.core.manifest import ManifestObject, walk

STORE = r"(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MARIADB|MONGO|MONGODB|SQL|JDBC)"
NAMES = re.compile(rf"(?:.*_)?{STORE}_?(?:URL|URI|DSN|HOST|HOSTNAME|ADDRESS|SERVER|CONNECTION(?:_?STRING)?)")
ADDRESSES = re.compile(r"(?:jdbc:)?(?:postgres|postgresql|mysql|mariadb|mongodb(?:\+srv)?|sqlserver|cockroachdb)://?.*")


def what_is_kept(objects: Iterable[ManifestObject]) -> str:
    """Why its data asks for a person, as half a sentence; "" where nothing is seen."""
    return next((why for one in objects if (why := _why(one))), "")


def _why(found: ManifestObject) -> str:
    if found.kind == "StatefulSet":
        return f"{found.name} is a StatefulSet"
    if found.kind == "PersistentVolumeClaim":
        return f"it brings the volume claim {found.name}"
    if bears_claims(found):
        return f"{found.name} mounts a volume claim"
    variable = next(_databases(found), "")
    return f"{found.name} has a database in its environment ({variable})" if variable else ""


def _databases(found: ManifestObject) -> Iterator[str]:
    for path, mapping in walk(dict(found.document)):
        name, value = mapping.get("name"), mapping.get("value")
        if path[-1:] == ("env",) and isinstance(name, str):
            address = isinstance(value, str) and ADDRESSES.fullmatch(value.strip())
            if address or NAMES.fullmatch(name.upper()):
                yield name
