"""Whose quotas a new claim is charged to: the namespace of its review decides, and nothing that its author writes."""

import json
from dataclasses import replace

import pytest

from tests.support.build import Raw, claim_object, request
from tests.support.quota import cluster, devices, full_gpu, make_quota
from tests.support.serving import make_review
from webhook.core.claims import Claim
from webhook.endpoints import case_of, quota_charges
from webhook.inventory.case import never
from webhook.rules import Rulebook
from webhook.server.wire import parse_review

OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "theirs", "uid": "p", "controller": True}
SPECIAL = {"resource.kubernetes.io/extended-resource-claim": "true"}


@pytest.mark.parametrize(
    "forged",
    [
        {"namespace": "team-b"},
        {"namespace": "team-b", "ownerReferences": [OWNER]},
        {"namespace": "", "ownerReferences": [{**OWNER, "namespace": "team-b"}]},
        {"namespace": "kube-system", "annotations": SPECIAL, "ownerReferences": [OWNER]},
        {"namespace": "drawbridge-system", "labels": {"kubernetes.io/metadata.name": "kube-system"}},
    ],
)
def test_t_15_a_claim_is_charged_to_the_namespace_that_it_is_created_in(forged: Raw) -> None:
    quotas = [make_quota(devices(8), namespace=namespace) for namespace in ("team-a", "team-b")]
    view = replace(cluster(full_gpu("a")), quotas={(one.namespace, one.name): one for one in quotas})
    raw = claim_object(request("gpu", device_class="gpu.nvidia.com", count=2), name="x", uid="u")
    raw["metadata"] = {**raw["metadata"], **forged}
    review = parse_review(json.dumps(make_review(object=raw)).encode())
    case = case_of(review, view, Rulebook(), never)
    assert case is not None
    assert isinstance(case.subject, Claim)
    charged = {one.quota.namespace: one.limits[0].amount for one in quota_charges(case.subject, case)}
    assert charged == {"team-a": 2}
