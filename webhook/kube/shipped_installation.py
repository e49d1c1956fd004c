"""The manifests of deploy/ as doctor compares them: under the names of an installation, wherever it is."""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from webhook.core.raw import RawObject
from webhook.doctor.facts import CONFIGURATION_KINDS, Shipped
from webhook.kube.installation import LEASE, Installation

_DEPLOY = Path(__file__).parents[2] / "deploy"
_AS_SHIPPED = Installation("drawbridge-system")
_RIGHTS = ("ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
_SAFE: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shipped_for(installation: Installation) -> Shipped:
    """Return what is shipped, as it is where the Service has that name and namespace."""
    base = [_renamed(raw, installation) for raw in _manifests(_DEPLOY / "kustomize" / "base")]
    kinds = {kind: plural for plural, kind in CONFIGURATION_KINDS.items()}
    return Shipped(
        configurations={kinds[raw["kind"]]: raw for raw in base if raw["kind"] in kinds},
        rights=tuple(raw for raw in base if raw["kind"] in _RIGHTS),
        crds=_manifests(_DEPLOY / "crds"),
    )


@cache
def _manifests(folder: Path) -> tuple[RawObject, ...]:
    return tuple(_read(sorted(folder.glob("*.yaml"))))


def _read(paths: Iterable[Path]) -> Iterator[RawObject]:
    for path in paths:
        yield from yaml.load_all(path.read_bytes(), _SAFE)  # both are safe loaders


def _renamed(value: Any, installation: Installation) -> Any:
    """Return a value with the installation's names for ours; the Lease of the controller has one name everywhere."""
    match value:
        case {"resources": ["leases"], "resourceNames": [only]} if only == LEASE:
            return value
        case dict():
            return {key: _renamed(each, installation) for key, each in value.items()}
        case list():
            return [_renamed(each, installation) for each in value]
        case _AS_SHIPPED.namespace:
            return installation.namespace
        case _AS_SHIPPED.name:
            return installation.name
        case str() if value.startswith(f"{_AS_SHIPPED.name}-"):
            return installation.name + value.removeprefix(_AS_SHIPPED.name)
    return value
