"""The page of the first ten minutes says what a newcomer really sees: the way is gone again, in a fresh sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path[:0] = [str(DOCS)] if str(DOCS) not in sys.path else []


def test_the_page_shows_what_each_step_prints(tmp_path: Path) -> None:
    import first_ten_minutes

    written = (DOCS / first_ten_minutes.PAGE).read_text("utf-8")
    gone = first_ten_minutes.page(tmp_path)
    assert first_ten_minutes.settled(gone) == first_ten_minutes.settled(written)
