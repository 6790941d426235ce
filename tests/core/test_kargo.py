"""Does a Stage of Kargo's carry another Freight than the bad one? Only its own status says so."""

from __future__ import annotations

import pytest

from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.kargo import judge_stage, stage_object
from gitops_rollback.core.upstream import KARGO, Upstream

BAD = Upstream(KARGO, "main", ("a" * 40,), stage="shop:prod", freight="2222222", previous="1111111")


def stage(*names: object, **status: object) -> dict[str, object]:
    items = {f"Warehouse/{n}": {"name": name} for n, name in enumerate(names)}
    return {"status": {"freightHistory": [{"items": items}, {"items": {"Warehouse/0": {"name": "2222222"}}}], **status}}


SEEN = [
    pytest.param(stage("1111111aaa"), True, "carries Freight 1111111aaa", id="another"),
    pytest.param(stage("2222222bbb"), None, "still", id="the bad one"),
    pytest.param(stage("1111111aaa", "2222222bbb"), None, "still", id="the bad one of two origins"),
    pytest.param(stage("1111111aaa", currentPromotion={"name": "p"}), None, "under way", id="a promotion runs"),
    pytest.param(stage(), None, "does not say", id="none"),
    pytest.param(stage(7), None, "does not say", id="no name"),
    pytest.param({"status": {"freightHistory": "x"}}, None, "does not say", id="no history"),
    pytest.param({}, None, "does not say", id="no status"),
    pytest.param(None, None, "is not seen", id="not seen"),
]


@pytest.mark.parametrize(("document", "ok", "words"), SEEN)
def test_only_another_freight_and_no_promotion_under_way_is_good(
    document: dict[str, object] | None, ok: bool | None, words: str
) -> None:
    found = judge_stage(BAD, document)
    assert found.ok is ok
    assert words in found.message


def test_a_stage_is_looked_for_in_its_project() -> None:
    assert stage_object("shop:prod") == RunObject("kargo.akuity.io/v1alpha1", "Stage", "shop", "prod")
    assert stage_object("prod") is None
