"""Objects with structural mistakes, and without: judged by our rules, and by a real API server.

A case is an object and the path of what is wrong in it. `fixed` says whether our edits alone make it right.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
GROUP = "resource.k8s.io"


@dataclass(frozen=True, slots=True)
class Case:
    """`path` is where our finding stands; the API server writes the v1 path, and may count something else wrong."""

    object: Json
    path: str
    fixed: bool = False


def claim(*requests: Json, version: str = "v1", **devices: Any) -> Json:
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "ResourceClaim",
        "metadata": {"name": "structural"},
        "spec": {"devices": {"requests": list(requests), **devices}},
    }


def exactly(name: str = "gpu", **fields: Any) -> Json:
    return {"name": name, "exactly": {"deviceClassName": "gpu.example.com", **fields}}


def template(spec: Json) -> Json:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "structural"},
        "spec": spec,
    }


def device_class(**spec: Any) -> Json:
    return {"apiVersion": f"{GROUP}/v1", "kind": "DeviceClass", "metadata": {"name": "structural"}, "spec": spec}


def device(name: str = "gpu-0", **fields: Any) -> Json:
    return {"name": name, **fields}


def resource_slice(*devices: Json, **spec: Any) -> Json:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": "structural"},
        "spec": {
            "driver": "gpu.example.com",
            "nodeName": "node-1",
            "pool": {"name": "pool", "generation": 1, "resourceSliceCount": 1},
            "devices": list(devices),
            **spec,
        },
    }


def pod(pod_claims: list[Json], *used: Json, **container: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "structural"},
        "spec": {
            "resourceClaims": pod_claims,
            "containers": [{"name": "main", "image": "x", "resources": {"claims": list(used)}, **container}],
        },
    }


def shared(policy: Json, value: str = "80Gi", **fields: Any) -> Json:
    memory = {"value": value, "requestPolicy": policy}
    return device(allowMultipleAllocations=True, capacity={"memory": memory}, **fields)


def without(raw: Json, *path: str) -> Json:
    copy = deepcopy(raw)
    inside = copy
    for step in path[:-1]:
        inside = inside[step]
    del inside[path[-1]]
    return copy


_REQUEST = "spec.devices.requests[0]"
_EXACTLY = f"{_REQUEST}.exactly"
_CLAIM = {"name": "gpu", "resourceClaimName": "x"}
_TAINTED = {"key": "example.com/broken", "effect": "NoSchedule"}
SELECTOR = {"cel": {"expression": "true"}}

WRONG: Mapping[str, Case] = {
    # names
    "no name": Case(without(claim(exactly()), "metadata", "name"), "metadata.name"),
    "an upper-case name": Case({**claim(exactly()), "metadata": {"name": "Training"}}, "metadata.name"),
    "a misspelt label field": Case(
        {**claim(exactly()), "metadata": {"name": "structural", "lables": {}}}, "metadata.lables", fixed=True
    ),
    "a request without a name": Case(claim(without(exactly(), "name")), f"{_REQUEST}.name"),
    "a request name that is no label": Case(claim(exactly("gpu.one")), f"{_REQUEST}.name"),
    "two requests of one name": Case(claim(exactly(), exactly()), "spec.devices.requests[1].name"),
    "a class name with an underscore": Case(claim(exactly(deviceClassName="gpu_x")), f"{_EXACTLY}.deviceClassName"),
    "no class": Case(claim(without(exactly(), "exactly", "deviceClassName")), f"{_EXACTLY}.deviceClassName"),
    # shape of a request
    "v1beta1 fields under v1": Case(
        claim({"name": "gpu", "deviceClassName": "gpu.example.com", "count": 2}),
        f"{_REQUEST}.deviceClassName",
        fixed=True,
    ),
    "neither exactly nor alternatives": Case(claim({"name": "gpu"}), _REQUEST),
    "both exactly and alternatives": Case(
        claim({**exactly(), "firstAvailable": [{"name": "a", "deviceClassName": "x"}]}), _REQUEST
    ),
    "an alternative with exactly": Case(
        claim({"name": "gpu", "firstAvailable": [exactly("a")]}), f"{_REQUEST}.firstAvailable[0].exactly", fixed=True
    ),
    "two alternatives of one name": Case(
        claim({"name": "gpu", "firstAvailable": [{"name": "a", "deviceClassName": "x"}] * 2}),
        f"{_REQUEST}.firstAvailable[1].name",
    ),
    "nine alternatives": Case(
        claim({"name": "gpu", "firstAvailable": [{"name": f"a{n}", "deviceClassName": "x"} for n in range(9)]}),
        f"{_REQUEST}.firstAvailable",
    ),
    "requests beside devices": Case({**claim(), "spec": {"requests": [exactly()]}}, "spec.requests", fixed=True),
    "33 requests": Case(claim(*(exactly(f"r{n}") for n in range(33))), "spec.devices.requests"),
    "a misspelt field": Case(claim(exactly(cuont=2)), f"{_EXACTLY}.cuont", fixed=True),
    "a field in the wrong case": Case(
        claim(without(exactly(deviceclassname="gpu.example.com"), "exactly", "deviceClassName")),
        f"{_EXACTLY}.deviceclassname",
        fixed=True,
    ),
    "a field that exists nowhere": Case(claim(exactly(quantity=2)), f"{_EXACTLY}.quantity"),
    # count and mode
    "a negative count": Case(claim(exactly(count=-1)), f"{_EXACTLY}.count"),
    "a count with All": Case(claim(exactly(allocationMode="All", count=2)), f"{_EXACTLY}.count", fixed=True),
    "an unknown mode": Case(claim(exactly(allocationMode="all")), f"{_EXACTLY}.allocationMode", fixed=True),
    # selectors
    "an expression beside cel": Case(
        claim(exactly(selectors=[{"expression": "true"}])), f"{_EXACTLY}.selectors[0].expression", fixed=True
    ),
    "a selector without cel": Case(claim(exactly(selectors=[{}])), f"{_EXACTLY}.selectors[0].cel"),
    "33 selectors": Case(claim(exactly(selectors=[SELECTOR] * 33)), f"{_EXACTLY}.selectors"),
    # capacity
    "capacity without requests": Case(
        claim(exactly(capacity={"memory": "1Gi"})), f"{_EXACTLY}.capacity.memory", fixed=True
    ),
    # tolerations
    "an unknown operator": Case(
        claim(exactly(tolerations=[{"key": "a", "operator": "Is"}])), f"{_EXACTLY}.tolerations[0].operator"
    ),
    "a value with Exists": Case(
        claim(exactly(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}])),
        f"{_EXACTLY}.tolerations[0].value",
        fixed=True,
    ),
    "an unknown effect": Case(
        claim(exactly(tolerations=[{"key": "a", "operator": "Exists", "effect": "Never"}])),
        f"{_EXACTLY}.tolerations[0].effect",
    ),
    "a toleration key with a blank": Case(
        claim(exactly(tolerations=[{"key": "a b", "operator": "Exists"}])), f"{_EXACTLY}.tolerations[0].key"
    ),
    # constraints
    "a constraint on an unknown request": Case(
        claim(exactly(), constraints=[{"requests": ["gpus"], "matchAttribute": "a.com/b"}]),
        "spec.devices.constraints[0].requests[0]",
        fixed=True,
    ),
    "a constraint that names a request twice": Case(
        claim(exactly(), constraints=[{"requests": ["gpu", "gpu"], "matchAttribute": "a.com/b"}]),
        "spec.devices.constraints[0].requests[1]",
        fixed=True,
    ),
    "an attribute without a domain": Case(
        claim(exactly(), constraints=[{"matchAttribute": "parentUUID"}]), "spec.devices.constraints[0].matchAttribute"
    ),
    "an attribute that is no identifier": Case(
        claim(exactly(), constraints=[{"matchAttribute": "a.com/x-y"}]), "spec.devices.constraints[0].matchAttribute"
    ),
    "a constraint on nothing": Case(claim(exactly(), constraints=[{}]), "spec.devices.constraints[0]"),
    # configuration
    "driver and parameters beside opaque": Case(
        claim(exactly(), config=[{"driver": "a.com", "parameters": {}}]), "spec.devices.config[0].driver", fixed=True
    ),
    "a configuration of nothing": Case(claim(exactly(), config=[{}]), "spec.devices.config[0].opaque"),
    "a configuration without parameters": Case(
        claim(exactly(), config=[{"opaque": {"driver": "a.com"}}]), "spec.devices.config[0].opaque.parameters"
    ),
    "parameters of 11 KiB": Case(
        claim(exactly(), config=[{"opaque": {"driver": "a.com", "parameters": {"a": "x" * 11_000}}}]),
        "spec.devices.config[0].opaque.parameters",
    ),
    "a configuration for an unknown request": Case(
        claim(exactly(), config=[{"requests": ["nic"], "opaque": {"driver": "a.com", "parameters": {}}}]),
        "spec.devices.config[0].requests[0]",
    ),
    # templates and classes
    "a template without the inner spec": Case(
        template({"devices": {"requests": [exactly()]}}), "spec.devices", fixed=True
    ),
    "a class with a selector without cel": Case(device_class(selectors=[{}]), "spec.selectors[0].cel"),
    "a class with a configuration beside opaque": Case(
        device_class(config=[{"driver": "a.com", "parameters": {}}]), "spec.config[0].driver", fixed=True
    ),
    "an extended resource of Kubernetes' own": Case(
        device_class(extendedResourceName="kubernetes.io/gpu"), "spec.extendedResourceName"
    ),
    # slices
    "a slice without a driver": Case(without(resource_slice(), "spec", "driver"), "spec.driver"),
    "a pool without a count": Case(
        resource_slice(pool={"name": "pool", "generation": 1}), "spec.pool.resourceSliceCount"
    ),
    "a slice for no node": Case(without(resource_slice(), "spec", "nodeName"), "spec"),
    "a slice for a node and all": Case(resource_slice(allNodes=True), "spec"),
    "two devices of one name": Case(resource_slice(device(), device()), "spec.devices[1].name"),
    "a device name with an underscore": Case(resource_slice(device("gpu_0")), "spec.devices[0].name"),
    "basic under v1": Case(resource_slice(device(basic={"attributes": {}})), "spec.devices[0].basic", fixed=True),
    "an attribute of two types": Case(
        resource_slice(device(attributes={"a": {"int": 1, "string": "1"}})), "spec.devices[0].attributes[a]"
    ),
    "an attribute without its type": Case(
        resource_slice(device(attributes={"a": {"value": "x"}})), "spec.devices[0].attributes[a].value", fixed=True
    ),
    "a quantity as an attribute": Case(
        resource_slice(device(attributes={"memory": {"quantity": "80Gi"}})),
        "spec.devices[0].attributes[memory].quantity",
    ),
    "a version of two numbers": Case(
        resource_slice(device(attributes={"a": {"version": "8.0"}})), "spec.devices[0].attributes[a].version"
    ),
    "an attribute name with a dash": Case(
        resource_slice(device(attributes={"a-b": {"int": 1}})), "spec.devices[0].attributes[a-b]"
    ),
    "a text of 65 characters": Case(
        resource_slice(device(attributes={"a": {"string": "x" * 65}})), "spec.devices[0].attributes[a].string"
    ),
    "a taint without an effect": Case(
        resource_slice(device(taints=[without(_TAINTED, "effect")])), "spec.devices[0].taints[0].effect"
    ),
    "a policy on a device that is not shared": Case(
        resource_slice({**shared({"default": "1Gi"}), "allowMultipleAllocations": False}),
        "spec.devices[0].capacity[memory].requestPolicy",
    ),
    "a policy without a default": Case(
        resource_slice(shared({"validValues": ["1Gi"]})), "spec.devices[0].capacity[memory].requestPolicy.default"
    ),
    "a default that is not listed": Case(
        resource_slice(shared({"default": "2Gi", "validValues": ["1Gi"]})),
        "spec.devices[0].capacity[memory].requestPolicy.default",
    ),
    "listed values out of order": Case(
        resource_slice(shared({"default": "1Gi", "validValues": ["2Gi", "1Gi"]})),
        "spec.devices[0].capacity[memory].requestPolicy.validValues",
    ),
    "a range without a minimum": Case(
        resource_slice(shared({"default": "1Gi", "validRange": {"max": "2Gi"}})),
        "spec.devices[0].capacity[memory].requestPolicy.validRange.min",
    ),
    "a maximum above the value": Case(
        resource_slice(shared({"default": "1Gi", "validRange": {"min": "1Gi", "max": "90Gi"}})),
        "spec.devices[0].capacity[memory].requestPolicy.validRange",
    ),
    "a maximum between two steps": Case(
        resource_slice(shared({"default": "1Gi", "validRange": {"min": "1Gi", "max": "4Gi", "step": "2Gi"}})),
        "spec.devices[0].capacity[memory].requestPolicy.validRange.step",
    ),
    # pods
    "a pod claim with a source": Case(
        pod([{"name": "gpu", "source": {"resourceClaimName": "x"}}], {"name": "gpu"}),
        "spec.resourceClaims[0].source",
        fixed=True,
    ),
    "a pod claim with neither": Case(pod([{"name": "gpu"}], {"name": "gpu"}), "spec.resourceClaims[0]"),
    "a pod claim with both": Case(
        pod([{**_CLAIM, "resourceClaimTemplateName": "y"}], {"name": "gpu"}), "spec.resourceClaims[0]"
    ),
    "two pod claims of one name": Case(pod([_CLAIM, _CLAIM], {"name": "gpu"}), "spec.resourceClaims[1].name"),
    "a claim named twice": Case(
        pod([_CLAIM], {"name": "gpu"}, {"name": "gpu"}), "spec.containers[0].resources.claims[1]"
    ),
    "claims beside resources": Case(
        pod([_CLAIM], claims=[{"name": "gpu"}], resources={}), "spec.containers[0].claims", fixed=True
    ),
}

RIGHT: Mapping[str, Json] = {
    "a plain claim": claim(exactly(count=2, selectors=[SELECTOR])),
    "all devices": claim(exactly(allocationMode="All")),
    "alternatives": claim({"name": "gpu", "firstAvailable": [{"name": "a", "deviceClassName": "x", "count": 2}]}),
    "a constraint on a subrequest": claim(
        {"name": "gpu", "firstAvailable": [{"name": "a", "deviceClassName": "x"}]},
        constraints=[{"requests": ["gpu"], "matchAttribute": "a.com/b"}],
        config=[{"requests": ["gpu/a"], "opaque": {"driver": "a.com", "parameters": {"apiVersion": "x", "kind": "y"}}}],
    ),
    "tolerations": claim(exactly(tolerations=[{"operator": "Exists"}, {"key": "a.com/b", "value": "c"}])),
    "a capacity": claim(exactly(capacity={"requests": {"memory": "1Gi"}})),
    "no requests": claim(),
    "a template": template({"metadata": {"labels": {"a": "b"}}, "spec": {"devices": {"requests": [exactly()]}}}),
    "a class": device_class(selectors=[SELECTOR], extendedResourceName="example.com/gpu"),
    "a slice": resource_slice(
        device(
            attributes={"a": {"int": 1}, "b.com/c": {"version": "1.2.3-rc.1+x"}, "d": {"bool": False}},
            capacity={"memory": {"value": "80Gi"}},
            taints=[_TAINTED],
        ),
        shared({"default": "2Gi", "validRange": {"min": "1Gi", "max": "5Gi", "step": "1Gi"}}, name="gpu-1"),
    ),
    "a slice of values": resource_slice(shared({"default": "1Gi", "validValues": ["1Gi", "2Gi"]})),
    "a slice for all nodes": without(resource_slice(device(), allNodes=True), "spec", "nodeName"),
    "a pod": pod([_CLAIM], {"name": "gpu"}),
    "a pod with two requests of a claim": pod(
        [_CLAIM], {"name": "gpu", "request": "a"}, {"name": "gpu", "request": "b"}
    ),
}
