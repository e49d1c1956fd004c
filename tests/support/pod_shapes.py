"""Pods that ask the old way, in many shapes, and what a device plugin would have given to each of their containers.

A shape is written `init=3g sidecar=1g a=1g+2m idle=`: containers in the order in which they start, each with what it
asks for; names that begin with init or sidecar are init containers.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
GPU, MIG, MIG_LARGE, SHARED = (
    "nvidia.com/gpu",
    "nvidia.com/mig-1g.10gb",
    "nvidia.com/mig-3g.40gb",
    "nvidia.com/gpu.shared",
)
_RESOURCES = {"g": GPU, "m": MIG, "l": MIG_LARGE, "s": SHARED}
_ASKED = re.compile(r"(\d+)([gmls])")

WHOLE_GPUS = (
    "a=1g",
    "a=2g",
    "a=8g",
    "a=1g b=1g",
    "a=1g b=2g idle=",
    "a=0g b=1g",
    "idle= a=3g",
    "a=1g b=2g c=3g",
    "a=1g b=1g c=1g d=1g",
    "init=1g a=4g",
    "init=3g a=2g b=1g",
    "init=4g a=1g",
    "init=2g idle=",
    "init=0g a=1g",
    "init=2g a=2g b=0g",
    "init=5g a=1g b=1g c=1g",
    "init-1=2g init-2=4g a=1g",
    "init-1=1g init-2=1g init-3=1g a=1g",
    "sidecar=1g a=2g",
    "sidecar=2g idle=",
    "sidecar-1=1g sidecar-2=2g a=3g",
    "sidecar=1g init=3g a=1g b=1g",
    "init=1g sidecar=1g idle=",
    "init-1=2g sidecar=1g init-2=2g a=1g",
    "sidecar-1=1g init=3g sidecar-2=1g a=1g",
    "init-1=3g sidecar=2g init-2=1g a=1g",
)
"""What the scheduler serves by claims of its own as well, where a class has the extended resource name."""

MIXED = (
    "a=1m",
    "a=2m",
    "a=1m+1l",
    "a=1g b=1m",
    "a=1g+1m",
    "a=1g+1m b=1g+1m",
    "init=1m a=1g",
    "init=1g+1m a=1g",
    "init=2g+2m a=1g+1m",
    "init-1=2m init-2=3g a=1g",
    "sidecar=1m a=1g",
    "sidecar=1g init=2m a=1m",
    "a=1s",
    "a=1s b=1s",
    "a=1s+1g",
    "init=1s a=1s",
)


@dataclass(frozen=True, slots=True)
class Asking:
    """One container: what it asks for, by resource name."""

    name: str
    amounts: Mapping[str, int]

    @property
    def is_init(self) -> bool:
        return self.name.startswith("init")


def containers_of(shape: str) -> tuple[Asking, ...]:
    """Return the containers of a shape, in the order in which they start."""
    return tuple(
        Asking(name, dict(_amounts(asked))) for name, _, asked in (part.partition("=") for part in shape.split())
    )


def _amounts(asked: str) -> Iterator[tuple[str, int]]:
    for count, letter in _ASKED.findall(asked):
        yield _RESOURCES[letter], int(count)


def shaped_pod(namespace: str, name: str, shape: str) -> Json:
    """Return the pod of a shape."""
    early: list[Json] = []
    apps: list[Json] = []
    for container in containers_of(shape):
        limits = {resource: str(count) for resource, count in container.amounts.items()}
        raw: Json = {"name": container.name, "image": "example.com/train:1", "resources": {"limits": limits}}
        if container.name.startswith("sidecar"):
            raw["restartPolicy"] = "Always"
        (early if container.name.startswith(("init", "sidecar")) else apps).append(raw)
    spec = {"initContainers": early, "containers": apps}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def of_device_plugin(shape: str, resource: str) -> int:
    """Return how many devices the pod would hold: the largest sum at any time (component-helpers/resource)."""
    running, most = 0, 0
    for container in containers_of(shape):
        count = container.amounts.get(resource, 0)
        most = max(most, running + count)
        running += 0 if container.is_init else count
    return most
