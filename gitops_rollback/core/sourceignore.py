"""The line of `.sourceignore` by which Flux leaves our files alone, where it would take all of a repository.

Source: Flux source-controller, GitRepository, "Excluding files": the patterns are those of gitignore.
"""

from __future__ import annotations

import re

SOURCE_IGNORE = ".sourceignore"
LINE = "/.gitops-rollback/\n"
IGNORED = re.compile(rb"^/?\.gitops-rollback(?:/|/\*\*|/\*)?[ \t]*\r?$", re.MULTILINE)
