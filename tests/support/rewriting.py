"""Cluster views from manifests, and pages of pod shapes, for tests of the rewrite."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from webhook.core.cluster import ClusterView
from webhook.core.mappings import parse_mapping
from webhook.core.versions import ServerTruth
from webhook.kube.kinds import kind_of, projected
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.templates import Template

Raw = dict[str, Any]
ROOT = Path(__file__).parents[2]
NAMESPACE = "team-a"
_CLASS = "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == '{}'"
_CLASSES = {"gpu.nvidia.com": "gpu", "mig.nvidia.com": "mig", "shared-gpu.nvidia.com": "gpu"}
_BLOCK = re.compile(r"^```(\w+) ([\w ]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def make_cluster(*objects: Raw, mappings: Iterable[Raw] = ()) -> ClusterView:
    """Return a cluster of Kubernetes 1.37 with the namespace team-a, the NVIDIA classes, and these objects."""
    base = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(
            {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "DeviceClass",
                "metadata": {"name": name},
                "spec": {"selectors": [{"cel": {"expression": _CLASS.format(kind)}}]},
            }
            for name, kind in _CLASSES.items()
        ),
    ]
    fields: dict[str, dict[Any, Any]] = {}
    for raw in [*base, *objects]:
        kind = kind_of(raw)
        assert kind is not None, raw
        kept = projected(raw, kind)
        assert not kept.misfits, kept.misfits
        fields.setdefault(kind.field, {})[kept.key] = kept.value
    view = ClusterView(given=True, server=ServerTruth(assume_defaults=True), **fields)
    parsed = (parse_mapping(raw) for raw in mappings)
    return replace(view, mappings={mapping.name: mapping for mapping in parsed})


def mapping_object(spec: Raw, name: str = "nvidia") -> Raw:
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "LegacyMapping",
        "metadata": {"name": name},
        "spec": spec,
    }


def shipped(name: str) -> Raw:
    """Return a mapping that Drawbridge ships."""
    loaded = yaml.safe_load((ROOT / "policies" / "mappings" / f"{name}.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


@dataclass(frozen=True, slots=True)
class Shape:
    """One section of a page: a pod before, and what must become of it."""

    title: str
    blocks: dict[str, str]

    def documents(self, block: str) -> list[Any]:
        return [document for document in yaml.safe_load_all(self.blocks.get(block, "")) if document is not None]

    def cluster(self, default: Raw) -> ClusterView:
        mappings = [default]
        if "mapping" in self.blocks:
            mappings = [mapping_object(self.documents("mapping")[0])]
        if "mappings" in self.blocks:
            mappings = [mapping_object(spec, name) for name, spec in self.documents("mappings")[0].items()]
        return make_cluster(*self.documents("cluster"), mappings=mappings)

    def pod(self) -> tuple[Raw, str]:
        """Return the pod before, and its namespace."""
        spec = self.documents("before")[0]
        metadata = {"generateName": "pod-", **spec.pop("metadata", {})}
        namespace = spec.pop("namespace", NAMESPACE)
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, namespace


def shapes(page: Path) -> Iterator[Shape]:
    for section in re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]:
        blocks = {name: text for _, name, text in _BLOCK.findall(section)}
        yield Shape(section.partition("\n")[0], blocks)


def shown(pod: Raw, templates: Iterable[Template]) -> Raw:
    """Return the pod's spec as a page shows it: template names in words, and what the annotation records."""
    words = {template.name: described(template) for template in templates}
    spec = json.loads(json.dumps(pod["spec"]))
    for claim in spec.get("resourceClaims", ()):
        name = claim.get("resourceClaimTemplateName")
        if name in words:
            claim["resourceClaimTemplateName"] = words[name]
    recorded = json.loads(pod["metadata"]["annotations"][ANNOTATION])
    spec["original"] = recorded.pop("containers")
    return {**spec, "recorded": recorded} if recorded else spec


def described(template: Template) -> str:
    """Return a template in words: `2 gpu.nvidia.com where ... memory=8Gi`."""
    devices = template.spec["spec"]["devices"]
    exactly = devices["requests"][0]["exactly"]
    parts = [f"{exactly['count']} {exactly['deviceClassName']}"]
    selectors = [selector["cel"]["expression"] for selector in exactly.get("selectors", ())]
    if selectors:
        parts.append("where " + " and ".join(selectors))
    parts += [f"{name}={amount}" for name, amount in exactly.get("capacity", {}).get("requests", {}).items()]
    parts += [f"matchAttribute={entry['matchAttribute']}" for entry in devices.get("constraints", ())]
    parts += [f"config={json.dumps(entry, sort_keys=True)}" for entry in devices.get("config", ())]
    return " ".join(parts)
