"""`drawbridge check` says of quotas what the server would, for claims that come one after the other."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.support.build import Raw, claim_object, class_object, request, slice_object
from tests.support.pods import container, of_template, pod_object, workload
from tests.support.quota import NVIDIA, capacity, devices, full_gpu, quota_object
from webhook.cli import main

GPU = class_object("gpu.nvidia.com", f"device.driver == '{NVIDIA}'")
PUBLISHED = slice_object(full_gpu("a"), driver=NVIDIA)


def claim(name: str, count: int = 1, namespace: str = "team-a", device_class: str = "gpu.nvidia.com") -> Raw:
    return claim_object(request("gpu", device_class=device_class, count=count), name=name, namespace=namespace)


def quota_findings(tmp_path: Path, cluster: list[Raw], judged: list[Raw], *options: str) -> list[tuple[str, str, str]]:
    folder, file = tmp_path / "cluster.yaml", tmp_path / "judged.yaml"
    folder.write_text(yaml.safe_dump_all([GPU, PUBLISHED, *cluster]))
    file.write_text(yaml.safe_dump_all(judged))
    done = CliRunner().invoke(main, ["check", "--cluster", str(folder), str(file), "-o", "json", *options])
    assert done.exit_code in (0, 1), done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return [(f["object"]["name"], f["rule"], f["severity"]) for f in found if f["rule"].startswith("quota-")]


def template(name: str, count: int = 1) -> Raw:
    raw = claim(name, count)
    return {**raw, "kind": "ResourceClaimTemplate", "spec": {"spec": raw["spec"]}}


def replicas(count: int, namespace: str = "team-a") -> Raw:
    raw = workload(pod_object([of_template("gpu", "t")], container("gpu")), replicas=count)
    return {**raw, "metadata": {"name": "train", "namespace": namespace}}


def held(name: str, pod: str = "train-5f6d-x") -> Raw:
    """Return a claim that was made for a pod."""
    raw = claim(f"{pod}-gpu-{name}")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": "u", "controller": True}
    return {**raw, "metadata": {**raw["metadata"], "ownerReferences": [owner]}}


LIMITED = quota_object(devices(4, "gpus"))
EXCEEDED = ("quota-exceeded", "deny")
WAITS = ("quota-will-wait", "warn")

CASES: dict[str, tuple[list[Raw], list[Raw], list[tuple[str, str, str]]]] = {
    "a claim that fits": ([LIMITED], [claim("a", 4)], []),
    "a claim that does not": ([LIMITED], [claim("a", 5)], [("a", *EXCEEDED)]),
    "what is stored counts": ([LIMITED, claim("old", 3)], [claim("a", 2)], [("a", *EXCEEDED)]),
    "a claim that is stored already does not stand in its own way": ([LIMITED, claim("a", 4)], [claim("a", 4)], []),
    "what was judged before counts": ([LIMITED], [claim("a", 3), claim("b", 2)], [("b", *EXCEEDED)]),
    "what was refused before does not": ([LIMITED], [claim("a", 5), claim("b", 4)], [("a", *EXCEEDED)]),
    "another namespace": ([LIMITED], [claim("a", 5, "team-b")], []),
    "a system namespace": (
        [quota_object(devices(4, "gpus"), namespace="")],
        [claim("a", 5, "kube-system")],
        [],
    ),
    "one pot over all namespaces": (
        [quota_object(devices(4, "gpus"), namespace=""), claim("old", 3, "team-b")],
        [claim("a", 2)],
        [("a", *EXCEEDED)],
    ),
    "the quota beside the claim": ([], [LIMITED, claim("a", 5)], [("a", *EXCEEDED)]),
    "a status that is up to date": (
        [{**LIMITED, "status": {"limits": [{"name": "gpus", "hard": "4", "used": "3", "reserved": "0"}]}}],
        [claim("a", 2)],
        [("a", *EXCEEDED)],
    ),
    "a status that counts the claim itself": (
        [
            {**LIMITED, "status": {"limits": [{"name": "gpus", "hard": "4", "used": "4", "reserved": "0"}]}},
            claim("a", 4),
        ],
        [claim("a", 4)],
        [],
    ),
    "a quota that only warns": (
        [quota_object(devices(4, "gpus"), mode="Warn")],
        [claim("a", 5)],
        [("a", "quota-soft", "warn")],
    ),
    "warnAt": ([quota_object(devices(4, "gpus"), warnAt=50)], [claim("a", 2)], [("a", "quota-soft", "warn")]),
    "an amount that cannot be known": (
        [quota_object(capacity("1Ti"))],
        [claim("a", device_class="soon")],
        [("a", "quota-unbounded", "deny")],
    ),
    "a template whose claims would wait": ([LIMITED, claim("old", 3)], [template("t", 2)], [("t", *WAITS)]),
    "a template whose claims fit": ([LIMITED], [template("t", 4)], []),
    "a template is not charged": ([LIMITED], [template("t", 4), claim("a", 4)], []),
    "a workload whose pods do not all fit": ([LIMITED, template("t")], [replicas(5)], [("train", *WAITS)]),
    "a workload whose pods fit": ([LIMITED, template("t")], [replicas(4)], []),
    "a workload and its template in one file": ([LIMITED], [template("t", 3), replicas(2)], [("train", *WAITS)]),
    "what a workload's own pods hold": ([LIMITED, template("t"), *(held(n) for n in "abc")], [replicas(4)], []),
    "what other pods hold": ([LIMITED, template("t"), held("a", "other-a")], [replicas(4)], [("train", *WAITS)]),
    "pods of a system namespace": (
        [quota_object(devices(4, "gpus"), namespace="")],
        [{**template("t"), "metadata": {"name": "t", "namespace": "kube-system"}}, replicas(5, "kube-system")],
        [],
    ),
    "pods under a quota that only warns": (
        [quota_object(devices(4, "gpus"), mode="Warn"), template("t")],
        [replicas(5)],
        [],
    ),
    "pods of which an amount cannot be known": (
        [quota_object(capacity("1Ti"))],
        [{**template("t"), "spec": {"spec": claim("t", device_class="soon")["spec"]}}, replicas(1)],
        [("t", *WAITS), ("train", *WAITS)],
    ),
    "a template that claims before it leave no room": ([LIMITED], [claim("a", 4), template("t")], [("t", *WAITS)]),
}


@pytest.mark.parametrize(("cluster", "judged", "expected"), CASES.values(), ids=CASES.keys())
def test_claims_are_judged_by_the_quotas(
    cluster: list[Raw], judged: list[Raw], expected: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    assert quota_findings(tmp_path, cluster, judged) == expected


def test_a_claim_that_a_lowered_rule_lets_pass_is_charged_to_the_next(tmp_path: Path) -> None:
    judged = [claim("a", 3), claim("b", 3), claim("c", 1), template("t"), replicas(1)]
    lowered = [(name, "quota-exceeded", "warn") for name in ("b", "c")]
    assert quota_findings(tmp_path, [LIMITED, template("t")], judged, "--rule", "quota-exceeded=warn") == lowered


def test_an_amount_that_cannot_be_known_and_passes_is_charged_as_far_as_it_is_known(tmp_path: Path) -> None:
    limited = quota_object(capacity("1Ti"), devices(4, "gpus"))
    judged = [claim("a", 4, device_class="soon"), claim("b")]
    found = quota_findings(tmp_path, [limited], judged, "--rule", "quota-unbounded=warn")
    assert found == [("a", "quota-unbounded", "warn"), ("b", *EXCEEDED)]
