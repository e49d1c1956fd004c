"""How long a pod takes that is rewritten, and one that is not; reading and answering its review stands beside.

    .venv/bin/python -m benchmarks.rewrite

Prints medians of the process's own time and their ratios; all sides run in one process, in turns. The budgets on
a quiet machine: 300 us for one container, 60 us for a pod that nothing is done to.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from tests.support.rewriting import NAMESPACE, Raw, make_cluster, shipped
from webhook.core.decision import Allow
from webhook.rewrite.decide import decide_pod
from webhook.server.wire import parse_review, render_answer

ROUNDS = 300
NODES = 1_000


def pod(containers: int, name: str) -> Raw:
    """Return a pod as the API server sends it, defaulted, with one device for each container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "trainer-", "labels": {"app": "trainer"}},
        "spec": {
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
            "containers": [
                {
                    "name": f"main-{number}",
                    "image": "registry.example/cuda:12",
                    "env": [{"name": f"VARIABLE_{index}", "value": "x" * 20} for index in range(10)],
                    "resources": {
                        "limits": {name: "1", "cpu": "4", "memory": "16Gi"},
                        "requests": {name: "1", "cpu": "4", "memory": "16Gi"},
                    },
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
                for number in range(containers)
            ],
        },
    }


def review(containers: int, name: str) -> bytes:
    request = {
        "uid": "0f9c",
        "operation": "CREATE",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": NAMESPACE,
        "object": pod(containers, name),
    }
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def medians_us(calls: Mapping[str, Callable[[], object]]) -> Mapping[str, float]:
    """Return for each call the median of the processor time that it takes."""
    times: dict[str, list[int]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.process_time_ns()
            call()
            times[name].append(time.process_time_ns() - started)
    return {name: statistics.median(taken) / 1000 for name, taken in times.items()}


def main() -> None:
    nodes = [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n-{n}"}, "status": {"allocatable": {"cpu": "8"}}}
        for n in range(NODES)
    ]
    view = make_cluster(*nodes, mappings=[shipped("nvidia")])
    untouched = parse_review(review(1, "vendor.example/card"))
    one_body = review(1, "nvidia.com/gpu")
    sized = {count: parse_review(review(count, "nvidia.com/gpu")) for count in (1, 8, 40)}
    calls: dict[str, Callable[[], object]] = {
        "read and answer a review": lambda: render_answer(parse_review(one_body), Allow(), mutating=True),
        "untouched pod": lambda: decide_pod(untouched, view),
        **{f"rewrite {count} containers": partial(decide_pod, one, view) for count, one in sized.items()},
    }
    found = medians_us(calls)
    base = found["read and answer a review"]
    for name, taken in found.items():
        print(f"{name:28}{taken:10.1f} us {taken / base:8.2f} x reading and answering")


if __name__ == "__main__":
    main()
