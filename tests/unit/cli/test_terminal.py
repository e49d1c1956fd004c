"""What manifests say is shown on a terminal, and never obeyed by it."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.support.build import class_object, slice_object
from tests.support.quota import NVIDIA, full_gpu
from webhook.cli import main

# Clears the screen, begins a line, changes a colour (in seven and eight bits), turns the direction of writing.
HOSTILE = "x\x1b[2J\r\n0 objects, 0 denied\u2028\x85\x9b31m\u202e\x7f"
METADATA = {"name": HOSTILE, "namespace": "team-a"}


def claim(**exactly: object) -> dict[str, object]:
    asked = {"name": HOSTILE, "exactly": {"deviceClassName": "gpu.nvidia.com", **exactly}}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": METADATA,
        "spec": {"devices": {"requests": [asked]}},
    }


MANIFESTS = (
    claim(capacity={"requests": {HOSTILE: "1Gi"}}),
    claim(deviceClassName=HOSTILE, tolerations=[{"key": HOSTILE, "value": HOSTILE}]),
    claim(selectors=[{"cel": {"expression": f"device.attributes['{NVIDIA}'].productName == '{HOSTILE}'"}}]),
    claim(selectors=[{"cel": {"expression": HOSTILE}}]),
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": METADATA,
        "spec": {
            "resourceClaims": [{"name": HOSTILE, "resourceClaimTemplateName": HOSTILE}],
            "containers": [
                {
                    "name": HOSTILE,
                    "image": "i",
                    "resources": {"claims": [{"name": HOSTILE}, {"name": "b"}], "limits": {"nvidia.com/gpu": HOSTILE}},
                }
            ],
        },
    },
    {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "DeviceQuota",
        "metadata": METADATA,
        "spec": {"limits": [{"name": HOSTILE, "devices": 1}]},
    },
    {"apiVersion": HOSTILE, "kind": HOSTILE, "metadata": METADATA},
)


@pytest.mark.parametrize(
    "command",
    [
        ["check", "FILE"],
        ["check", "FILE", "--cluster", "CLUSTER"],
        ["check", "FILE", "--cluster", "CLUSTER", "--cluster", "FILE"],
        ["check", "FILE", "-o", "junit"],
        ["check", "FILE", "-o", "github"],
        ["check", HOSTILE],
        ["explain", "FILE", "--cluster", "CLUSTER"],
        ["quota", "--cluster", "CLUSTER", "--cluster", "FILE"],
        ["inventory", "--cluster", "CLUSTER", "--cluster", "FILE"],
        ["cel", HOSTILE],
        ["rule", HOSTILE],
    ],
    ids=lambda command: " ".join(command).replace(HOSTILE, "HOSTILE"),
)
def test_t_28_a_terminal_obeys_nothing_of_what_it_is_shown(command: list[str], tmp_path: Path) -> None:
    cluster, file = tmp_path / "cluster.yaml", tmp_path / "manifests.yaml"
    cluster.write_text(yaml.safe_dump_all((class_object("gpu.nvidia.com"), slice_object(full_gpu("a"), driver=NVIDIA))))
    file.write_text(yaml.safe_dump_all(MANIFESTS))
    places = {"FILE": str(file), "CLUSTER": str(cluster)}
    shown = CliRunner().invoke(main, [places.get(word, word) for word in command], color=True)
    assert isinstance(shown.exception, SystemExit | None)
    assert "x\\u001b[2J" in shown.output or "x\\x1b[2J" in shown.output
    assert [line for line in shown.output.split("\n") if not line.isprintable()] == []
    assert "0 objects, 0 denied" not in shown.output.split("\n")
