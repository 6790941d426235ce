"""Does a scenario give the same repository each time, and is a wrong one refused?"""

from __future__ import annotations

from pathlib import Path

import pytest
from remote_world import git

from gitops_rollback.core.errors import StalledError
from gitops_rollback.sandbox.replay import replay

SHOP = Path(__file__).resolve().parents[2] / "fixtures/repos/shop/history.yaml"
SHOP_HEAD = "96b88f4eab4b0a38f4b2f9d367a20ce5366e646e"


def test_the_shop_has_the_same_commits_everywhere(tmp_path: Path) -> None:
    first, second = (replay(SHOP, tmp_path / f"{n}.git") for n in range(2))
    assert first == second == replay(SHOP, tmp_path / "0.git")
    assert first["storefront-cache-two"] == SHOP_HEAD == git("rev-parse", "main", cwd=tmp_path / "0.git")
    assert git("fsck", "--strict", cwd=tmp_path / "0.git") == ""


def test_the_shop_s_commits_each_stay_in_one_application(tmp_path: Path) -> None:
    replay(SHOP, tmp_path / "shop.git")
    log = git("log", "--first-parent", "-m", "--name-only", "--format=%x00", "main", cwd=tmp_path / "shop.git")
    for names in log.split("\0")[1:]:
        assert len({"/".join(name.split("/")[:2]) for name in names.split()}) == 1


def test_a_person_s_revert_in_the_shop_names_a_real_commit(tmp_path: Path) -> None:
    shas = replay(SHOP, tmp_path / "shop.git")
    message = git("log", "-1", "--format=%B", shas["storefront-330-revert"], cwd=tmp_path / "shop.git")
    assert f"This reverts commit {shas['storefront-330']}." in message


HEAD = "people: {a: A <a@b>}\ncommits:\n"
FIRST = "  - {id: one, author: a, date: 2026-01-01T00:00:00Z, message: One, put: {f: old, g: '1'}}\n"


def history(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "history.yaml"
    path.write_text(text)
    return path


def test_branches_merges_edits_modes_and_removals_are_replayed(tmp_path: Path) -> None:
    text = HEAD + FIRST
    text += "  - {id: side, author: a, date: 2026-01-02, message: S, branch: fix, remove: [g],\n"
    text += "     put: {s: {text: x, mode: '100755'}}}\n"
    text += "  - {id: two, author: a, date: 2026-01-03, message: T, edit: {f: {old: new}}, put: {b: {base64: /w==}}}\n"
    text += "  - {id: merge, author: a, date: 2026-01-04, message: M, merge: [side]}\n"
    shas = replay(history(tmp_path, text), tmp_path / "x.git")
    lines = git("ls-tree", "main", cwd=tmp_path / "x.git").splitlines()
    assert [(line[:6], line.split("\t")[1]) for line in lines] == [("100644", "b"), ("100644", "f"), ("100755", "s")]
    assert git("show", "main:f", cwd=tmp_path / "x.git") == "new"
    parents = git("log", "-1", "--format=%P", "main", cwd=tmp_path / "x.git").split()
    assert parents == [shas["two"], shas["side"]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "commits: 7",
        "commits: [x]",
        HEAD + FIRST + FIRST,
        HEAD + "  - {id: one, author: a, message: no date}\n",
        HEAD + FIRST + "  - {id: two, author: a, date: 2026-01-02, message: T, edit: {f: {gone: x}}}\n",
        HEAD + FIRST + "  - {id: two, author: a, date: 2026-01-02, message: T, remove: [gone]}\n",
        HEAD + FIRST + "  - {id: two, author: a, date: 2026-01-02, message: T, merge: [gone]}\n",
        HEAD + FIRST + "  - {id: two, author: a, date: 2026-01-02, message: T, typo: 1}\n",
        HEAD + FIRST.replace("author: a", "author: nobody"),
        "]",
    ],
)
def test_a_wrong_history_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(StalledError):
        replay(history(tmp_path, text), tmp_path / "x.git")
