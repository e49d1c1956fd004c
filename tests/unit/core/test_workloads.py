"""What a migration keeps of workloads, and whose pods are whose."""

from typing import Any

import pytest

from webhook.core.pods import ORIGINAL
from webhook.core.workloads import families, parse_workloads, trimmed

POD = {"containers": [{"name": "main", "resources": {"limits": {"a.b/gpu": 1}}}]}


def _object(kind: str, name: str, owner: tuple[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    group = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    references = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    specs: dict[str, Any] = {"Pod": POD, "CronJob": {"jobTemplate": {"spec": {"template": {"spec": POD}}}}}
    spec = specs.get(kind, {"template": {"spec": POD}})
    metadata = {"name": name, "namespace": "team-a", "ownerReferences": references}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": {**spec}, **fields}


def _families(*objects: dict[str, Any]) -> list[tuple[str, str, int, bool]]:
    found = families(parse_workloads(objects, "default"))
    return [(family.kind, family.name, family.count, family.is_foreign) for family in found]


def test_what_may_be_secret_is_not_kept() -> None:
    container = {"name": "main", "image": "i", "env": [{"name": "TOKEN", "value": "hunter2"}], "command": ["hunter2"]}
    raw = _object("Deployment", "d", status={"replicas": 3})
    raw["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "hunter2",
        "nvidia.com/use-gputype": "A100",
    }
    raw["spec"] = {
        "replicas": 3,
        "selector": {},
        "template": {"spec": {**POD, "volumes": ["hunter2"], "initContainers": [container]}},
    }
    kept = trimmed(raw)
    assert kept is not None
    assert "hunter2" not in str(kept)
    assert kept["metadata"]["annotations"] == {"nvidia.com/use-gputype": "A100"}
    assert kept["spec"]["replicas"] == 3
    assert kept["spec"]["template"]["spec"]["containers"] == POD["containers"]


@pytest.mark.parametrize("kind", ["Pod", "CronJob", "Job", "StatefulSet"])
def test_what_is_kept_reads_as_the_whole_did(kind: str) -> None:
    raw = _object(kind, "x")
    kept = trimmed(raw)
    assert kept is not None
    before, after = (next(parse_workloads([one], "default")) for one in (raw, kept))
    assert (before.place, before.count, before.at) == (after.place, after.count, after.at)
    assert after.pod["spec"] == POD


def test_a_workload_that_asks_for_no_device_is_not_kept_but_one_that_moved_is() -> None:
    plain = {**_object("Pod", "p"), "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": 1}}}]}}
    assert trimmed(plain) is None
    plain["metadata"] = {"name": "p", "annotations": {ORIGINAL: "{}"}}
    assert trimmed(plain) is not None
    assert trimmed({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": POD}) is None


def test_a_pod_belongs_to_the_last_of_its_owners() -> None:
    assert _families(
        _object("Deployment", "d"),
        _object("ReplicaSet", "d-1", ("Deployment", "d")),
        _object("Pod", "d-1-x", ("ReplicaSet", "d-1")),
        _object("Pod", "d-1-y", ("ReplicaSet", "d-1")),
        _object("CronJob", "c"),
        _object("Job", "c-1", ("CronJob", "c")),
        _object("Pod", "c-1-x", ("Job", "c-1")),
        _object("Pod", "bare"),
    ) == [("CronJob", "c", 1, False), ("Deployment", "d", 2, False), ("Pod", "bare", 1, False)]


def test_pods_of_a_kind_that_is_not_known_belong_to_it() -> None:
    assert _families(
        _object("ReplicaSet", "r-1", ("Rollout", "r")),
        _object("Pod", "r-1-x", ("ReplicaSet", "r-1")),
        _object("Pod", "x", ("JobSet", "j")),
        _object("Pod", "y", ("JobSet", "j")),
    ) == [("JobSet", "j", 2, True), ("Rollout", "r", 1, True)]


def test_owners_in_a_circle_end() -> None:
    assert len(_families(_object("Job", "a", ("Job", "b")), _object("Job", "b", ("Job", "a")))) == 2


@pytest.mark.parametrize(
    "over",
    [
        {"status": {"phase": "Succeeded"}},
        {"status": {"phase": "Failed"}},
        {"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_what_is_over_does_not_count(over: dict[str, Any]) -> None:
    assert not _families({**_object("Pod", "p"), **over})


def test_a_job_that_is_complete_does_not_count() -> None:
    assert not _families(_object("Job", "j", status={"completionTime": "2026-01-01T00:00:00Z"}))


def test_the_node_of_a_pod_that_runs_was_chosen_by_a_scheduler() -> None:
    bound = {**_object("Pod", "p"), "spec": {**POD, "nodeName": "n"}}
    (written,) = parse_workloads([bound], "default")
    assert written.pod["spec"]["nodeName"] == "n"
    (running,) = parse_workloads([{**bound, "status": {"phase": "Running"}}], "default")
    assert "nodeName" not in running.pod["spec"]
