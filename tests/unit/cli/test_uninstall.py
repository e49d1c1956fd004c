"""`drawbridge uninstall` where it cannot; what it deletes is shown on a real API server."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from webhook.cli import main


def test_without_a_cluster_it_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    done = CliRunner().invoke(main, ["uninstall"])
    assert done.exit_code == 2
    assert "--kubeconfig" in done.stderr


def test_where_nobody_answers_it_says_what_to_do_by_hand(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    parts = {"clusters": [cluster], "users": [{"name": "u", "user": {}}], "contexts": [context], "current-context": "c"}
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **parts}))
    done = CliRunner().invoke(main, ["uninstall", "--kubeconfig", str(kubeconfig), "--installation-name", "moat"])
    assert done.exit_code == 2
    assert "kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration moat" in done.stderr
