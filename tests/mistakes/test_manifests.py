"""Mistakes outside of selectors: found by their rule, and mended by its first fix."""

from typing import Any

import pytest

from tests.mistakes.suite import Json, documents, findings, with_first_fixes

MISTAKES = documents("manifests.yaml")


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{m['rule']} {i}" for i, m in enumerate(MISTAKES)])
def test_the_first_fix_is_the_one_that_was_meant(mistake: Json) -> None:
    raw = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "mistake", "namespace": "mistakes"},
        "spec": {"devices": mistake["wrong"]},
    }
    found = findings(raw)
    assert mistake["rule"] in {finding.rule for finding in found}
    mended = with_first_fixes(raw, found, mistake["rule"])
    for path, value in mistake["set"].items():
        assert _at(mended, path) == value
    assert [finding for finding in findings(mended) if finding.rule == mistake["rule"]] == []


def _at(raw: Any, path: str) -> Any:
    """Return what stands at a path without map keys; None where nothing does."""
    for step in path.replace("[", ".[").split("."):
        if isinstance(raw, list):
            raw = raw[int(step.strip("[]"))]
        elif isinstance(raw, dict):
            raw = raw.get(step)
    return raw
