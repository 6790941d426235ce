"""What a jsonnet file imports: its path is always written out, so it can be followed without running anything.

Source: jsonnet language reference, `import`, `importstr`, `importbin`: beside the importing file, then in libraries.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence

from gitops_rollback.core.closure.tree import Gathered, joined

ENDINGS = (".jsonnet", ".libsonnet")
IMPORT = re.compile(rb"""\bimport(?:str|bin)?\s*@?(?:"([^"\\\n]{1,1000})"|'([^'\\\n]{1,1000})')""")


def imports(inputs: Gathered, paths: Iterable[str], libraries: Sequence[str]) -> None:
    """Adds all that these files import, and what that imports. A library is a folder of the repository."""
    pending, seen = [*paths], set(paths)
    while pending:
        path = pending.pop()
        for match in IMPORT.finditer(inputs.tree.text(path) or b""):
            name = (match[1] or match[2]).decode("utf-8", "surrogateescape")
            found = (joined(folder, name) for folder in (posixpath.dirname(path), *libraries))
            local = next((one for one in found if one is not None and inputs.tree.is_file(one)), None)
            if local is None:
                inputs.missing.append(f"{name} (imported by {path})")
            elif local not in seen:
                seen.add(local)
                inputs.add(local, f"imported by {path}")
                if local.endswith(ENDINGS):
                    pending.append(local)
