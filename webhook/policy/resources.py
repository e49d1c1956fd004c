"""What a policy looks at, as the API serves it and as the webhooks are registered for it (architecture 2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from webhook.core.policies import ClaimPolicy, PolicyMode, PolicyResource
from webhook.core.raw import RawObject

_DRA: Final = ("v1", "v1beta2", "v1beta1")
_WITH_CLAIMS: Final = (
    "(has({pod}.resourceClaims) && {pod}.resourceClaims != null && size({pod}.resourceClaims) > 0)"
    " || (has({pod}.containers) && {pod}.containers != null && {pod}.containers.exists(c,"
    " has(c.resources) && has(c.resources.limits) && c.resources.limits != null"
    " && c.resources.limits.exists(name, name.contains('/'))))"
    " || (has({pod}.initContainers) && {pod}.initContainers != null && {pod}.initContainers.exists(c,"
    " has(c.resources) && has(c.resources.limits) && c.resources.limits != null"
    " && c.resources.limits.exists(name, name.contains('/'))))"
)
WITH_CLAIMS: Final = "has-claims-or-extended-resources"
"""The matchCondition of the webhooks for pods and workloads: others are not asked about."""
_POD_CLAIMS: Final = {WITH_CLAIMS: _WITH_CLAIMS.format(pod="object.spec")}
_WORKLOAD_CLAIMS: Final = {
    WITH_CLAIMS: "[has(object.spec.jobTemplate) ? object.spec.jobTemplate.spec.template.spec"
    f" : object.spec.template.spec].exists(pod, {_WITH_CLAIMS.format(pod='pod')})"
}


@dataclass(frozen=True, slots=True)
class Family:
    """Resources that one webhook asks about: when, under which conditions, and what it may do at most.

    `resources` are the plural names in their group, `operations` those of the API that are judged.
    """

    name: str
    resources: Mapping[PolicyResource, tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]]
    operations: tuple[str, ...]
    conditions: Mapping[str, str]
    most: PolicyMode = PolicyMode.DENY

    @property
    def is_namespaced(self) -> bool:
        return PolicyResource.DEVICE_CLASSES not in self.resources

    def rules(self, chosen: frozenset[PolicyResource]) -> list[RawObject]:
        """Return the resourceRules of the chosen ones."""
        scope = "Namespaced" if self.is_namespaced else "Cluster"
        merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for resource, served in self.resources.items():
            for group, versions, plurals in served if resource in chosen else ():
                merged.setdefault((group, versions), []).extend(plurals)
        return [
            {
                "apiGroups": [group],
                "apiVersions": list(versions),
                "operations": list(self.operations),
                "resources": plurals,
                "scope": scope,
            }
            for (group, versions), plurals in merged.items()
        ]


FAMILIES: Final = (
    Family(
        "claims",
        {
            PolicyResource.CLAIMS: (("resource.k8s.io", _DRA, ("resourceclaims",)),),
            PolicyResource.TEMPLATES: (("resource.k8s.io", _DRA, ("resourceclaimtemplates",)),),
        },
        ("CREATE",),
        {},
    ),
    Family(
        "deviceclasses",
        {PolicyResource.DEVICE_CLASSES: (("resource.k8s.io", _DRA, ("deviceclasses",)),)},
        ("CREATE", "UPDATE"),
        {
            "selectors-or-config-changed": "request.operation == 'CREATE'"
            " || object.spec.?selectors.orValue([]) != oldObject.spec.?selectors.orValue([])"
            " || object.spec.?config.orValue([]) != oldObject.spec.?config.orValue([])"
        },
    ),
    Family("pods", {PolicyResource.PODS: (("", ("v1",), ("pods",)),)}, ("CREATE",), _POD_CLAIMS),
    Family(
        "workloads",
        {
            PolicyResource.WORKLOADS: (
                ("apps", ("v1",), ("deployments", "statefulsets", "daemonsets")),
                ("batch", ("v1",), ("jobs", "cronjobs")),
            )
        },
        ("CREATE", "UPDATE"),
        {"spec-changed": "request.operation == 'CREATE' || object.spec != oldObject.spec", **_WORKLOAD_CLAIMS},
        PolicyMode.WARN,
    ),
)


def families_of(policy: ClaimPolicy) -> list[Family]:
    """Return the families of what a policy looks at."""
    return [family for family in FAMILIES if policy.match.resources & family.resources.keys()]
