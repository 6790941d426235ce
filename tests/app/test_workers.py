"""Looks side by side."""

from __future__ import annotations

import threading

from gitops_rollback.app.workers import SideBySide


def test_a_late_look_at_an_application_that_is_gone_is_not_kept() -> None:
    free, ended = threading.Event(), threading.Event()

    def look(name: str) -> str:
        if name == "preview":
            free.wait(30)
        return name

    side: SideBySide[str, str] = SideBySide(lambda name: name, lambda _name, _error: None, lambda: 0.05)
    assert side(look, ["web", "preview"]) == ("web",)
    side._under_way["preview"].future.add_done_callback(lambda _future: ended.set())
    free.set()
    assert ended.wait(30)
    side(look, ["web"])
    assert list(side._under_way) == []
    side.close()
