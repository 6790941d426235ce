"""Requests that make no sense, from a file or a comment: each is answered with the place and the reason. Numbers Q."""

from __future__ import annotations

import pytest

from gitops_rollback.adapters.requests.reader import read_request

PATH = ".gitops-rollback/requests/a.yaml"
REQUEST = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
spec:
  target: {name: checkout-api}
  to: {commit: "5ab3c90d1c7e6f2b8a9d0e4c3f2b1a0998877665"}
  reason: cards fail
"""
SHA = "5ab3c90d1c7e6f2b8a9d0e4c3f2b1a0998877665"

SPOILT = [
    pytest.param(SHA, SHA[:7], (6, 16), "write all 40 digits", id="Q4-short-sha"),
    pytest.param(f'"{SHA}"', "1234567", (6, 16), "write all 40 digits", id="Q4-short-and-a-number"),
    pytest.param(SHA, SHA.upper(), (6, 16), "write all 40 digits", id="Q4-upper-case"),
    pytest.param(SHA, "main", (6, 16), "write all 40 digits", id="Q4-a-branch"),
    pytest.param(SHA, SHA[:-1] + "\u0435", (6, 16), "write all 40 digits", id="Q7-cyrillic-digit-of-a-sha"),
    pytest.param("checkout-api", "checkout\u200b-api", (5, 18), "not a Kubernetes name", id="Q7-zero-width"),
    pytest.param("checkout-api", "che\u0441kout-api", (5, 18), "not a Kubernetes name", id="Q7-cyrillic-letter"),
    pytest.param("checkout-api", "checkout\u2010api", (5, 18), "not a Kubernetes name", id="Q7-another-hyphen"),
]


@pytest.mark.parametrize(("old", "new", "place", "word"), SPOILT)
def test_what_is_not_named_exactly_is_refused_at_its_place(
    old: str, new: str, place: tuple[int, int], word: str
) -> None:
    read = read_request(REQUEST.replace(old, new).encode(), PATH)
    assert read.request is None
    found = [(fault.line, fault.col, str(fault)) for fault in read.errors]
    assert [one for one in found if one[:2] == place and word in one[2]], found
    assert all(text.isprintable() for _, _, text in found)
