"""What the accounts of deploy/ have asked API servers for, by their audit logs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.api import Json

GROUP = "system:serviceaccounts:drawbridge-system"
_PREFIX = "system:serviceaccount:drawbridge-system:"

Right = tuple[str, str, str]
"""API group, resource (with its subresource) or path, and verb; of a path the group is "path"."""
RARE: Mapping[str, set[Right]] = {
    "drawbridge-controller": {("resource.k8s.io", "resourceclaimtemplates", "get")},  # a template made by two at once
}
"""What is asked for in moments that a test cannot choose, by account."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one of our accounts asked for, of which object, and how the API server answered."""

    account: str
    right: Right
    name: str
    code: int


def audit_policy() -> Json:
    """Record all that our accounts ask for, and what a cluster's auditors would see of admission."""
    admitted = [
        {"group": "", "resources": ["pods"]},
        {"group": "resource.k8s.io", "resources": ["resourceclaims", "resourceclaimtemplates"]},
    ]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "userGroups": [GROUP]},
            {"level": "Metadata", "verbs": ["create"], "resources": admitted},
            {"level": "None"},
        ],
    }


def asked_in(log: Path) -> frozenset[Asked]:
    """Return what our accounts asked for by one log, each once."""
    found = set()
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if _PREFIX in line:
                entry = json.loads(line)
                if entry["user"]["username"].startswith(_PREFIX):
                    found.add(_asked(entry))
    return frozenset(found)


def _asked(entry: Json) -> Asked:
    account, code = entry["user"]["username"].removeprefix(_PREFIX), entry["responseStatus"]["code"]
    about = entry.get("objectRef")
    if about is None:
        return Asked(account, ("path", entry["requestURI"].partition("?")[0], entry["verb"]), "", code)
    resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
    return Asked(account, (about.get("apiGroup", ""), resource, entry["verb"]), about.get("name", ""), code)


def refused(asked: Iterable[Asked]) -> list[Asked]:
    """Return what was asked for by nobody known, or by somebody who may not."""
    return [each for each in asked if each.code in (401, 403)]
