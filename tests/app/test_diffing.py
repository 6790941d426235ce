"""Does a plan's diff say what changes, and no secret?"""

from __future__ import annotations

from gitops_rollback.app.diffing import SECRET


def test_a_file_that_holds_a_secret_of_any_kind_is_known() -> None:
    shown = [
        "kind: Secret",
        '  kind: "SealedSecret"',
        '"kind": "ExternalSecret",',
        "- kind: Deployment",
        "kind: SecretStore",
    ]
    assert [bool(SECRET.search(line)) for line in shown] == [True, True, True, False, False]
