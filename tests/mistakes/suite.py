"""Reads the mistakes and the tricky manifests, and judges them as `drawbridge check` does."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from webhook.bootstrap.offline import Offline, offline
from webhook.core.finding import Finding, Severity
from webhook.core.mending import edited
from webhook.settings import read_settings

HERE = Path(__file__).parent
CLUSTER = HERE.parents[1] / "examples" / "cluster"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SelectorMistake:
    """A selector of a request for a class, the rule that refuses it, and what its first fix must make of it."""

    rule: str
    device_class: str
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.wrong}"


def selector_mistakes() -> Iterator[SelectorMistake]:
    rule = device_class = wrong = ""
    for line in (HERE / "selectors.txt").read_text().splitlines():
        mark, _, text = line.partition(" ")
        if mark == "@":
            rule, device_class = text.split()
        elif mark == "-":
            wrong = text
        elif mark == "+":
            yield SelectorMistake(rule, device_class, wrong, text)


def asking(device_class: str, expression: str) -> Json:
    """Return a claim for one device of a class with one selector."""
    selectors = [{"cel": {"expression": expression}}]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "mistake", "namespace": "mistakes"},
        "spec": {
            "devices": {
                "requests": [{"name": "gpu", "exactly": {"deviceClassName": device_class, "selectors": selectors}}]
            }
        },
    }


@cache
def judge() -> Offline:
    return offline(read_settings({"cluster": (CLUSTER, HERE / "classes.yaml"), "namespace": "mistakes"}, None, {}), ())


def findings(raw: Json) -> tuple[Finding, ...]:
    """Return what is found, notes left out."""
    return tuple(finding for finding in judge().findings(raw) if finding.severity is not Severity.INFO)


def with_first_fixes(raw: Json, found: tuple[Finding, ...], rule: str) -> Json:
    """Return the object as the first fix of each finding of a rule leaves it."""
    edits = [edit for finding in found if finding.rule == rule for fix in finding.fixes[:1] for edit in fix.edits]
    mended, _ = edited(raw, edits)
    assert isinstance(mended, dict)
    return mended


def documents(name: str) -> list[Json]:
    return [document for document in yaml.safe_load_all((HERE / name).read_text()) if document]


def right_selectors() -> Iterator[tuple[str, str]]:
    """Yield class and expression of each selector of which nothing may be said."""
    device_class = ""
    for line in (HERE / "right.txt").read_text().splitlines():
        mark, _, text = line.partition(" ")
        if mark == "@":
            device_class = text
        elif mark == "+":
            yield device_class, text
