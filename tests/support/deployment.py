"""The manifests in deploy/, as the tests read them."""

import copy
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CRDS = DEPLOY / "crds"
BASE = DEPLOY / "kustomize" / "base"

Manifest = dict[str, Any]


@cache
def _parsed(path: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text()))


def _documents(path: Path) -> list[Manifest]:
    """Return what a file holds, to do with it as one likes."""
    return copy.deepcopy(_parsed(path))


def crds() -> list[Manifest]:
    """Return the CustomResourceDefinitions, one of each file."""
    return [manifest for path in sorted(CRDS.glob("*.yaml")) for manifest in _documents(path)]


def base() -> list[Manifest]:
    """Return the objects of the kustomize base, in the order in which it names its files."""
    [kustomization] = _documents(BASE / "kustomization.yaml")
    return [manifest for name in kustomization["resources"] for manifest in _documents(BASE / name)]


def of_kind(kind: str) -> list[Manifest]:
    """Return the base's objects of one kind."""
    return [manifest for manifest in base() if manifest["kind"] == kind]


def grants(role: str) -> set[tuple[str, str, str]]:
    """Return each (group, resource or path, verb) of the base's roles with this name; of a path the group is "path"."""
    return grants_of([manifest for manifest in base() if manifest["metadata"]["name"] == role])


def grants_of(manifests: Iterable[Manifest]) -> set[tuple[str, str, str]]:
    """Return what the roles among the manifests grant, at least one."""
    granted = {
        (group, resource, verb)
        for manifest in manifests
        if manifest["kind"] in ("ClusterRole", "Role")
        for rule in manifest["rules"]
        for group in rule.get("apiGroups", ["path"])
        for resource in rule.get("resources", rule.get("nonResourceURLs"))
        for verb in rule["verbs"]
    }
    assert granted
    return granted


def webhooks() -> Iterator[tuple[str, Manifest]]:
    """Yield each webhook of both configurations with the kind of its configuration."""
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        for configuration in of_kind(kind):
            for webhook in configuration["webhooks"]:
                yield kind, webhook
