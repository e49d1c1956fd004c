"""The manifests in deploy/, as the tests read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CRDS = DEPLOY / "crds"
BASE = DEPLOY / "kustomize" / "base"

Manifest = dict[str, Any]


def crds() -> list[Manifest]:
    """Return the CustomResourceDefinitions, one of each file."""
    return [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]


def base() -> list[Manifest]:
    """Return the objects of the kustomize base, in the order in which it names its files."""
    files = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    return [manifest for name in files for manifest in yaml.safe_load_all((BASE / name).read_text())]


def of_kind(kind: str) -> list[Manifest]:
    """Return the base's objects of one kind."""
    return [manifest for manifest in base() if manifest["kind"] == kind]


def webhooks() -> Iterator[tuple[str, Manifest]]:
    """Yield each webhook of both configurations with the kind of its configuration."""
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        for configuration in of_kind(kind):
            for webhook in configuration["webhooks"]:
                yield kind, webhook
