"""What `drawbridge doctor` prints, and where it cannot run; what it finds is shown on a real API server."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.kubeconfig import write_kubeconfig
from webhook.cli import main
from webhook.cli.doctor_report import as_json, text
from webhook.doctor.diagnosis import Diagnosis, Fix, Severity, Subject

FOUND = (
    Diagnosis("configuration", Severity.OK, "as shipped"),
    Diagnosis("version-skew", Severity.WARNING, "0.2.0 runs", None, Fix("upgrade")),
    Diagnosis(
        "crd-missing",
        Severity.ERROR,
        "there is no\nCRD",
        Subject("v1", "Service", "x", "y"),
        Fix("make it", "kubectl apply"),
    ),
)


def test_the_worst_comes_first_and_each_says_what_mends_it() -> None:
    assert text(FOUND) == (
        "error    crd-missing    there is no\\u000aCRD\n"
        "         fix: make it\n"
        "         kubectl apply\n"
        "warning  version-skew   0.2.0 runs\n"
        "         fix: upgrade\n"
        "ok       configuration  as shipped\n"
        "\n"
        "1 error, 1 warning"
    )


def test_programs_get_the_same() -> None:
    report = json.loads(as_json(FOUND))
    assert (report["apiVersion"], report["kind"]) == ("drawbridge.dev/v1alpha1", "DoctorReport")
    assert report["summary"] == {"errors": 1, "warnings": 1}
    assert report["findings"][0] == {
        "name": "crd-missing",
        "severity": "error",
        "object": {"apiVersion": "v1", "kind": "Service", "namespace": "y", "name": "x"},
        "message": "there is no\nCRD",
        "fixes": [{"message": "make it", "command": "kubectl apply"}],
    }
    assert report["findings"][2]["fixes"] == []


def test_without_a_cluster_it_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 2
    assert "--kubeconfig" in done.stderr


def test_where_nobody_answers_it_could_not_run(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    done = CliRunner().invoke(main, ["doctor", "--kubeconfig", str(kubeconfig)])
    assert done.exit_code == 2
    assert done.stderr.startswith("drawbridge: the cluster cannot be examined: GET /version: ")
