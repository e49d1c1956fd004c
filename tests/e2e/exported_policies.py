"""Policies that need nothing of ours, and objects that some of them refuse: each policy has a namespace of its own."""

import copy
from collections.abc import Iterator
from typing import Any

from tests.controlplane.api import Json
from tests.controlplane.objects import make_claim_object, make_device_class, make_exact_request, make_pod, make_template
from webhook.core.policies import PARAMETER_LABEL

LABEL = "exported"
"""The label of a namespace that names its policy."""
VERSIONS = ("v1", "v1beta2", "v1beta1")
_TEAM = "object.metadata.?labels[?'team'].orValue('')"


def _policy(name: str, *validations: Json | str, **spec: Any) -> Json:
    listed = [{"expression": one} if isinstance(one, str) else one for one in validations]
    match = {"namespaceSelector": {"matchLabels": {LABEL: name}}, **spec.pop("match", {"resources": ["claims"]})}
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "ClaimPolicy",
        "metadata": {"name": name},
        "spec": {"match": match, "validations": listed, **spec},
    }


def _exception(**to: Any) -> Json:
    return {"until": "2099-12-31", "reason": "test", **to}


_LIMITS = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
_MOST = "size(object.spec.devices.requests) <= int(params.data.most)"
_ANY_VERSION = (
    "variables.requests.all(r,"
    " r.?allocationMode.orValue('') != 'All' && r.?exactly.?allocationMode.orValue('') != 'All')"
)

POLICIES = (
    _policy(
        "team-label",
        {
            "expression": "variables.team in ['a', 'b']",
            "messageExpression": "'must have a team, not \"' + variables.team + '\"'",
        },
        match={"resources": ["claims", "templates"]},
        variables=[{"name": "team", "expression": _TEAM}],
    ),
    _policy(
        "no-all",
        {"expression": _ANY_VERSION, "message": "must not ask for all devices", "reason": "Invalid"},
        {"expression": "size(variables.requests) <= 1", "message": "must have one request"},
        variables=[{"name": "requests", "expression": "dyn(object.spec.devices.requests)"}],
    ),
    _policy("newest-version", {"expression": "request.requestKind.version == 'v1'", "message": "must be v1"}),
    _policy(
        "who",
        {"expression": "'system:masters' in request.userInfo.groups", "message": "only for administrators"},
        matchConditions=[{"name": "people", "expression": "!request.userInfo.username.startsWith('system:')"}],
        exceptions=[
            _exception(users=["bob"]),
            _exception(users=["alice"], claimSelector={"matchExpressions": [{"key": "team", "operator": "Exists"}]}),
            {"until": "2020-01-01", "reason": "over", "users": ["alice"]},
        ],
    ),
    _policy(
        "limits",
        {"expression": _MOST, "message": "too many requests"},
        **_LIMITS,
        paramRef={"name": "limits", "parameterNotFoundAction": "Deny"},
    ),
    _policy(
        "no-limits",
        {"expression": _MOST, "message": "too many requests"},
        **_LIMITS,
        paramRef={"name": "limits", "parameterNotFoundAction": "Deny"},
    ),
    _policy(
        "some-limits",
        {"expression": _MOST, "messageExpression": "'at most ' + params.data.most + ' requests'"},
        **_LIMITS,
        paramRef={"selector": {"matchLabels": {"kind": "limits"}}, "parameterNotFoundAction": "Allow"},
    ),
    _policy("fails", {"expression": "object.metadata.labels['team'] == 'a'", "message": "must be of team a"}),
    _policy("fails-ignored", "object.metadata.labels['team'] == 'a'", failurePolicy="Ignore"),
    _policy(
        "condition-fails",
        {"expression": "false", "message": "refused"},
        matchConditions=[
            {"name": "team", "expression": "object.metadata.labels['team'] == 'a'"},
            {"name": "small", "expression": "size(dyn(object.spec.devices.requests)) == 1"},
        ],
    ),
    _policy("warns", {"expression": f"{_TEAM} == 'a'", "message": "better of team a"}, mode="Warn"),
    _policy("audits", {"expression": f"{_TEAM} == 'a'", "message": "better of team a"}, mode="Audit"),
    _policy(
        "of-namespace",
        {
            "expression": "namespaceObject.metadata.labels[?'tier'].orValue('') == 'lab'",
            "message": "only in labs",
        },
        match={
            "resources": ["claims"],
            "objectSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "c"]}]},
        },
    ),
    _policy(
        "new-ones",
        {
            "expression": f"oldObject == null && !request.dryRun || {_TEAM} == 'a'",
            "message": "not in a dry run",
            "reason": "RequestEntityTooLarge",
        },
        auditAnnotations=[{"key": "team", "valueExpression": _TEAM}],
    ),
    *(
        _policy(
            resource,
            {"expression": f"{_TEAM} == 'a'", "message": "must be of team a"},
            match={"resources": [resource]},
        )
        for resource in ("pods", "workloads")
    ),
    _policy(
        "classes",
        {"expression": f"{_TEAM} == 'a'", "message": "must be of team a"},
        match={
            "resources": ["deviceclasses"],
            "objectSelector": {"matchLabels": {LABEL: "classes"}},
        },
    ),
)


def config_maps() -> Iterator[tuple[str, Json]]:
    """Yield the parameters, each with the name of the policy in whose namespace it is."""
    for policy, name, most, labels in (
        ("limits", "limits", "1", {}),
        ("some-limits", "one", "1", {"kind": "limits"}),
        ("some-limits", "two", "2", {"kind": "limits"}),
        ("some-limits", "other", "0", {}),
    ):
        metadata = {"name": name, "labels": {PARAMETER_LABEL: "true", **labels}}
        yield policy, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"most": most}}


def objects_of(policy: str, namespace: str) -> Iterator[tuple[str, Json]]:
    """Yield the objects to create in the namespace of a policy, each with the plural name of its kind."""
    if policy in ("pods", "workloads"):
        yield from (_pods if policy == "pods" else _workloads)(namespace)
    elif policy == "classes":
        for team in ("", "a"):
            yield "deviceclasses", _labelled(make_device_class(f"exported-{team or 'none'}"), team, {LABEL: "classes"})
    else:
        yield from _claims(namespace)


def _claims(namespace: str) -> Iterator[tuple[str, Json]]:
    one, everything = make_exact_request(), make_exact_request()
    everything["exactly"] = {"deviceClassName": "any", "allocationMode": "All"}
    asked = ([one], [one, {**one, "name": "more"}], [everything])
    for row, team in enumerate(("", "a", "c")):
        for column, requests in enumerate(asked):
            claim = _labelled(make_claim_object(namespace, "claim", one), team)
            claim["spec"]["devices"]["requests"] = requests
            yield "resourceclaims", _in_version(claim, VERSIONS[(row + column) % len(VERSIONS)])
        yield "resourceclaimtemplates", _labelled(make_template(namespace, "template", one), team)


def _pods(namespace: str) -> Iterator[tuple[str, Json]]:
    for team in ("", "a"):
        for template in ("", "gpu"):
            yield "pods", _labelled(make_pod(namespace, "pod", template), team)


def _workloads(namespace: str) -> Iterator[tuple[str, Json]]:
    for _, pod in _pods(namespace):
        template = {"metadata": {"labels": {"app": "x"}}, "spec": pod["spec"]}
        spec = {"selector": {"matchLabels": {"app": "x"}}, "replicas": 2, "template": template}
        metadata = {**pod["metadata"], "name": "many"}
        yield "deployments", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _labelled(manifest: Json, team: str, labels: Json | None = None) -> Json:
    made = copy.deepcopy(manifest)
    made["metadata"]["labels"] = {**(labels or {}), **({"team": team} if team else {})}
    if not made["metadata"]["labels"]:
        del made["metadata"]["labels"]
    return made


def _in_version(claim: Json, version: str) -> Json:
    made = copy.deepcopy(claim) | {"apiVersion": f"resource.k8s.io/{version}"}
    if version == "v1beta1":
        requests = made["spec"]["devices"]["requests"]
        made["spec"]["devices"]["requests"] = [{"name": one["name"], **one["exactly"]} for one in requests]
    return made
