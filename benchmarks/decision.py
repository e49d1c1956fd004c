"""How long one decision on a claim takes on 1,000 devices, its quota charge included.

Beside it stands what reading the same review and answering it takes, and what more quotas in the namespace add.

    .venv/bin/python -m benchmarks.decision

Prints medians and their ratios; all sides run in one process, in turns.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from tests.support.build import claim_object, device, make_slice, make_view, request
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.decision import Allow
from webhook.core.quotas import DeviceQuota, parse_quota
from webhook.endpoints import case_of, quota_charges, validate_claims
from webhook.inventory.case import never
from webhook.rules import Rulebook
from webhook.server.wire import parse_review, render_answer

DEVICES = 1_000
SHAPES = 50
ROUNDS = 200
COLD_ROUNDS = 10
QUOTAS = (1, 10, 100)
DRIVER = "gpu.example.com"
SELECTORS = (
    "device.attributes['gpu.example.com'].model == 'model-7'",
    "device.capacity['gpu.example.com'].memory.compareTo(quantity('40Gi')) >= 0",
    "device.attributes['gpu.example.com'].index < 100 && device.driver == 'gpu.example.com'",
)

QUOTA: dict[str, Any] = {
    "apiVersion": "drawbridge.dev/v1alpha1",
    "kind": "DeviceQuota",
    "metadata": {"name": "gpus", "namespace": "team-a"},
    "spec": {
        "limits": [
            {"name": "devices", "devices": 8},
            {"name": "memory", "capacity": {"name": "memory", "quantity": "320Gi"}},
        ]
    },
}


def quotas(count: int) -> dict[tuple[str, str], DeviceQuota]:
    """Return so many quotas of the namespace, each with two limits of its own."""
    found = {}
    for number in range(count):
        name = f"gpus-{number}"
        limits = [{**limit, "match": {"driver": DRIVER}} for limit in QUOTA["spec"]["limits"]]
        quota = {**QUOTA, "metadata": {"name": name, "namespace": "team-a"}, "spec": {"limits": limits}}
        found["team-a", name] = parse_quota(quota)
    return found


def view() -> ClusterView:
    nodes = DEVICES // 8
    return make_view(
        *(
            make_slice(
                *(
                    device(
                        f"gpu-{i}", {"memory": f"{40 + (n + i) % 3 * 20}Gi"}, model=f"model-{(n + i) % SHAPES}", index=i
                    )
                    for i in range(8)
                ),
                node=f"node-{n}",
            )
            for n in range(nodes)
        ),
        quotas=quotas(1),
    )


def review() -> bytes:
    claim = claim_object(request("gpu", *SELECTORS), uid="6f1c")
    return msgspec.json.encode(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "0f9c",
                "operation": "CREATE",
                "kind": {"group": "resource.k8s.io", "version": "v1", "kind": "ResourceClaim"},
                "resource": {"group": "resource.k8s.io", "version": "v1", "resource": "resourceclaims"},
                "namespace": "team-a",
                "object": claim,
            },
        }
    )


def median_us(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - started)
    return statistics.median(times) / 1000


def main() -> None:
    cluster, body, rulebook = view(), review(), Rulebook()

    def wire() -> bytes:
        return render_answer(parse_review(body), Allow(), mutating=False)

    def decide(known: ClusterView = cluster) -> object:
        parsed = parse_review(body)
        case = case_of(parsed, known, rulebook, never)
        assert case is not None
        assert isinstance(case.subject, Claim)
        return validate_claims(case, rulebook), quota_charges(case.subject, case)

    unseen = iter([view() for _ in range(COLD_ROUNDS)])

    decide()
    wire_us, warm_us = median_us(wire), median_us(decide)
    cold_us = median_us(lambda: decide(next(unseen)), COLD_ROUNDS)
    times = f"{warm_us / wire_us:6.2f} x reading and answering"
    print(f"read and answer a review:                    {wire_us:8.1f} us")
    print(f"decide it, warm, {DEVICES} devices:              {warm_us:8.1f} us   {times}")
    print(f"decide it first, on slices that have changed: {cold_us:7.1f} us   {cold_us / warm_us:6.2f} x warm")

    crowded = {count: replace(cluster, quotas=quotas(count)) for count in QUOTAS}
    for known in crowded.values():
        decide(known)
    turns = [{count: median_us(partial(decide, known), 20) for count, known in crowded.items()} for _ in range(10)]
    for count in QUOTAS:
        us = statistics.median(turn[count] for turn in turns)
        ratio = statistics.median(turn[count] / turn[1] for turn in turns)
        print(f"decide it under {count:3} quotas of two limits:    {us:8.1f} us   {ratio:6.2f} x under one")


if __name__ == "__main__":
    main()
