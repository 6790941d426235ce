"""Do both parsers of PyYAML see the same in a policy, so that the quick one may be asked first?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gitops_rollback.core import written
from gitops_rollback.core.written import read_written

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {file.name: file.read_bytes() for file in sorted((ROOT / "policies").glob("*.yaml"))}
README = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
TEXTS |= {f"readme-{number}": text.encode() for number, text in enumerate(README)}
TEXTS |= {
    "tab": b"a:\n\t- b\n",
    "anchor": b"a: &x 1\nb: *x\n",
    "second": b"a: 1\n---\nb: 2\n",
    "deep": b"[" * 60 + b"]" * 60,
    "escape": b'a: "\\x52oll\\u0062ack"\n',
    "block": b"a: |\n  one\n\n  two\nb: >-\n  folded\n  text\n",
    "flow": b"{a: [1, 2, {b: c}], 'd': \"e\"}\n",
    "control": b"a: b\x01\n",
    "comment": b"# one\na: b # two\n\n# three\n",
    "colon": b"a: b: c\n",
    "windows": b"a: 1\r\nb:\r\n  - 2\r\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_quick_parser_gives_the_same_tree_and_the_same_faults(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = read_written(TEXTS[name], "a.yaml")
    monkeypatch.setattr(written, "QUICK_LOADER", None)
    assert quick == read_written(TEXTS[name], "a.yaml")


def test_the_quick_parser_is_there() -> None:
    assert written.QUICK_LOADER is yaml.CSafeLoader
