"""Whose review is asked for, by the file that the forge itself would read."""

from __future__ import annotations

import pytest

from gitops_rollback.core.code_owners import MAX_OWNERS, owner_rules, owners_of, places

GITHUB = """# who looks at what
*                    @org/platform
*.tf                 @infra           # the rest of the line is a comment
/apps/payments/      @pay @org/payments someone@example.com
apps/*/base/**       @base
docs/*               @writers
/apps/legacy/
/odd\\ name/          @spaces
!/apps/x             @never
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", ("org/platform",)),
        ("infra/net/main.tf", ("infra",)),
        ("apps/payments/overlays/prod/kustomization.yaml", ("pay", "org/payments")),
        ("apps/web/base/deep/web.yaml", ("base",)),
        ("docs/index.md", ("writers",)),
        ("docs/deep/index.md", ("org/platform",)),
        ("apps/legacy/x.yaml", ()),
        ("odd name/x", ("spaces",)),
        ("apps/x", ("org/platform",)),
    ],
)
def test_the_last_rule_that_matches_counts(path: str, owners: tuple[str, ...]) -> None:
    assert owners_of((path,), owner_rules(GITHUB, "github")) == owners


GITLAB = """* @all
[Payments] @pay
apps/payments/
apps/payments/db/ @dba
^[Docs][2] @writers
*.md
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("apps/payments/web.yaml", ("all", "pay")),
        ("apps/payments/db/x.sql", ("all", "dba")),
        ("apps/payments/README.md", ("all", "pay", "writers")),
    ],
)
def test_every_section_of_gitlab_adds_its_owners(path: str, owners: tuple[str, ...]) -> None:
    assert owners_of((path,), owner_rules(GITLAB, "gitlab")) == owners


def test_giteas_patterns_are_expressions_over_the_whole_path() -> None:
    rules = owner_rules("apps/payments/.* @pay\n.*\\.tf @infra\n(a+)+b @never\n.*{1,99} @never\n", "gitea")
    assert owners_of(("apps/payments/x/y.yaml", "infra/a.tf", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"), rules) == (
        "pay",
        "infra",
    )


def test_a_plan_over_many_files_asks_each_owner_once_and_not_too_many() -> None:
    rules = owner_rules("\n".join(f"/apps/{n}/ @owner{n} @all" for n in range(40)), "github")
    found = owners_of([f"apps/{n}/x" for n in range(40)], rules)
    assert found[:3] == ("owner0", "all", "owner1")
    assert len(found) == MAX_OWNERS


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea", "forgejo", "another"])
def test_what_is_no_such_file_asks_nobody(kind: str) -> None:
    assert owners_of(("a",), owner_rules("<html>\n\x00\n@\n[x\n\\\n", kind)) == ()
    assert "CODEOWNERS" in places(kind)
