"""How is a config repository read and written? By git plumbing on bare clones; `door.py` alone imports GitPython."""

import os

# GitPython runs git when it is imported and fails there if git is missing; the door says that better, and later.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
