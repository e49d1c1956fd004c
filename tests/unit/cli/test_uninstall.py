"""`drawbridge uninstall` where it cannot; what it deletes is shown on a real API server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.kubeconfig import write_kubeconfig
from webhook.cli import main


def test_without_a_cluster_it_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    done = CliRunner().invoke(main, ["uninstall"])
    assert done.exit_code == 2
    assert "--kubeconfig" in done.stderr


def test_where_nobody_answers_it_says_what_to_do_by_hand(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    done = CliRunner().invoke(main, ["uninstall", "--kubeconfig", str(kubeconfig), "--installation-name", "moat"])
    assert done.exit_code == 2
    assert "kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration moat" in done.stderr
