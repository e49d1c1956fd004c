"""Which nodes a device can be used from (`ResourceSlice.spec`: nodeName, nodeSelector, allNodes, per device)."""

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.core.cluster import Node
from webhook.core.device import Nodes
from webhook.core.devices import ResourceSlice
from webhook.core.fieldpath import ROOT
from webhook.core.labels import Requirement
from webhook.core.raw import RawObject, Reader


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a core/v1 NodeSelector: labels and fields must all match; an empty term matches nothing."""

    labels: tuple[Requirement, ...]
    fields: tuple[Requirement, ...]

    def matches(self, node: Node) -> bool:
        if not self.labels and not self.fields:
            return False
        return all(_matches(r, node.labels) for r in self.labels) and all(
            _matches(r, {"metadata.name": node.name}) for r in self.fields
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """One node, all nodes, or those that a selector names (its terms are alternatives)."""

    node_name: str = ""
    all_nodes: bool = False
    terms: tuple[Term, ...] = ()

    def includes(self, node: Node) -> bool:
        if self.all_nodes:
            return True
        if self.node_name:
            return self.node_name == node.name
        return any(term.matches(node) for term in self.terms)


def reach_of(at: ResourceSlice | Nodes) -> Reach:
    terms = () if at.node_selector is None else node_selector_terms(at.node_selector)
    return Reach(at.node_name, at.all_nodes, terms)


def node_selector_terms(raw: RawObject) -> tuple[Term, ...]:
    reader = Reader()
    return tuple(
        Term(_requirements(term, "matchExpressions", reader), _requirements(term, "matchFields", reader))
        for term, _ in reader.structs(raw, "nodeSelectorTerms", ROOT)
    )


def _requirements(term: RawObject, name: str, reader: Reader) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(reader.text(r, "key", at), reader.text(r, "operator", at), reader.texts(r, "values", at))
        for r, at in reader.structs(term, name, ROOT)
    )


def _matches(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Return whether a node selector requirement holds; Gt and Lt compare integers, as for nodes alone."""
    if requirement.operator not in ("Gt", "Lt"):
        return requirement.matches(labels)
    try:
        found, bound = int(labels[requirement.key]), int(requirement.values[0])
    except (KeyError, IndexError, ValueError):
        return False
    return found > bound if requirement.operator == "Gt" else found < bound
