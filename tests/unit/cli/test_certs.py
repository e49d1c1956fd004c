"""`drawbridge certs`, as a person uses it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from certs.inspect import read_certificate, signed_by
from webhook.cli import main


def certs(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["certs", *arguments])


def issued(directory: Path, *hosts: str) -> Result:
    return certs("issue", "--cert-dir", str(directory), "--host", *hosts)


def names(directory: Path) -> tuple[str, ...]:
    return read_certificate((directory / "tls.crt").read_bytes()).names


def test_issue_makes_a_ca_and_a_serving_certificate(tmp_path: Path) -> None:
    result = issued(tmp_path / "new" / "certs", "gate.example.com")
    assert result.exit_code == 0
    assert "a new CA; give it to those who call the server as `caBundle`" in result.output
    assert sorted(path.name for path in (tmp_path / "new" / "certs").iterdir()) == [
        "ca.crt",
        "ca.key",
        "tls.crt",
        "tls.key",
    ]
    assert "PRIVATE" not in result.output


def test_issue_takes_several_hosts(tmp_path: Path) -> None:
    assert issued(tmp_path, "a.example.com", "10.0.0.1", "fd00::1").exit_code == 0
    assert names(tmp_path) == ("a.example.com", "10.0.0.1", "fd00::1", "localhost", "127.0.0.1", "::1")


def test_issue_again_keeps_the_ca(tmp_path: Path) -> None:
    issued(tmp_path, "a.example.com")
    ca = (tmp_path / "ca.crt").read_bytes()
    assert issued(tmp_path, "b.example.com").exit_code == 0
    assert (tmp_path / "ca.crt").read_bytes() == ca
    assert names(tmp_path)[0] == "b.example.com"


def test_issue_leaves_somebody_else_s_files_alone(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text("theirs")
    result = issued(tmp_path, "a.example.com")
    assert result.exit_code == 2
    assert "without the key of its CA" in result.output
    assert (tmp_path / "tls.crt").read_text() == "theirs"


def test_a_bad_host_is_named(tmp_path: Path) -> None:
    result = issued(tmp_path, "https://a")
    assert result.exit_code == 2
    assert "'https://a' must be an IP address or a DNS name" in result.output
    assert list(tmp_path.iterdir()) == []


def test_rotate_renews_with_the_same_ca_for_the_same_names(tmp_path: Path) -> None:
    issued(tmp_path, "a.example.com")
    before, ca, had = (tmp_path / "tls.crt").read_bytes(), (tmp_path / "ca.crt").read_bytes(), names(tmp_path)
    assert certs("rotate", "--cert-dir", str(tmp_path)).exit_code == 0
    after = (tmp_path / "tls.crt").read_bytes()
    assert after != before
    assert signed_by(after, ca)
    assert (tmp_path / "ca.crt").read_bytes() == ca
    assert names(tmp_path) == had


def test_rotate_without_the_ca_s_key_says_so(tmp_path: Path) -> None:
    issued(tmp_path, "a.example.com")
    (tmp_path / "ca.key").unlink()
    result = certs("rotate", "--cert-dir", str(tmp_path))
    assert result.exit_code == 2
    assert "holds no CA with its key" in result.output


def test_show_says_what_the_certificates_say(tmp_path: Path) -> None:
    issued(tmp_path, "a.example.com")
    text = certs("show", "--cert-dir", str(tmp_path)).output
    assert "names: a.example.com, localhost, 127.0.0.1, ::1" in text
    report = json.loads(certs("show", "--cert-dir", str(tmp_path), "-o", "json").output)
    assert (report["apiVersion"], report["kind"]) == ("drawbridge.dev/v1alpha1", "CertificateReport")
    assert [entry["file"] for entry in report["certificates"]] == ["ca.crt", "tls.crt"]
    assert [entry["ca"] for entry in report["certificates"]] == [True, False]


def test_verify_accepts_what_was_issued(tmp_path: Path) -> None:
    issued(tmp_path, "a.example.com")
    result = certs("verify", "--cert-dir", str(tmp_path), "--host", "a.example.com")
    assert (result.exit_code, result.output.startswith("usable until ")) == (0, True)


def test_verify_names_what_a_client_would_refuse(tmp_path: Path) -> None:
    issued(tmp_path, "a.example.com")
    (tmp_path / "tls.key").write_bytes((tmp_path / "ca.key").read_bytes())
    result = certs("verify", "--cert-dir", str(tmp_path), "--host", "b.example.com")
    assert result.exit_code == 1
    assert "does not hold the name 'b.example.com'" in result.output
    assert "tls.key does not fit tls.crt" in result.output


def test_an_empty_directory_is_named(tmp_path: Path) -> None:
    assert certs("show", "--cert-dir", str(tmp_path)).exit_code == 2
    assert certs("verify", "--cert-dir", str(tmp_path)).exit_code == 1


def test_show_is_a_table(tmp_path: Path) -> None:
    issued(tmp_path, "a.example.com")
    head, ca, serving, _ = certs("show", "--cert-dir", str(tmp_path)).output.splitlines()
    assert head.split() == ["CERTIFICATE", "VALID", "FROM", "UNTIL", "LEFT", "FINGERPRINT"]
    assert (ca.split()[0], serving.split()[0]) == ("ca.crt", "tls.crt")
    assert ("729 days" in ca, "29 days" in serving) == (True, True)
    assert {line.index("20") for line in (ca, serving)} == {head.index("VALID FROM")}


def test_a_ca_is_replaced_at_once_in_a_folder_only_when_that_is_said(tmp_path: Path) -> None:
    issued(tmp_path, "a.example.com")
    ca, had = (tmp_path / "ca.crt").read_bytes(), names(tmp_path)
    refused = certs("rotate", "--cert-dir", str(tmp_path), "--ca")
    assert (refused.exit_code, "say `--ca --now`" in refused.output) == (2, True)
    assert (tmp_path / "ca.crt").read_bytes() == ca
    assert certs("rotate", "--cert-dir", str(tmp_path), "--ca", "--now").exit_code == 0
    assert (tmp_path / "ca.crt").read_bytes() != ca
    assert names(tmp_path) == had
    assert certs("verify", "--cert-dir", str(tmp_path)).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("rotate", "--now", "--cert-dir", "x"), "--now is for the CA: `--ca --now`"),
        (("rotate",), "give `--cert-dir DIR`, or a cluster by `--kubeconfig FILE`"),
        (("show",), "give `--cert-dir DIR`, or a cluster by `--kubeconfig FILE`"),
        (("verify", "--kubeconfig", "/nowhere"), "--kubeconfig '/nowhere' cannot be used"),
        (("rotate", "--kubeconfig", "x", "--host", "a"), "in a cluster the names follow from the Service"),
    ],
)
def test_what_cannot_be_done_is_told(arguments: tuple[str, ...], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    result = certs(*arguments)
    assert (result.exit_code, problem in result.output) == (2, True), result.output
