"""Who may ask: callers with a client certificate of the right CA and the right subject."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import pytest
import trustme

from tests.support.serving import Served, allow, make_review, post, serving
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.protocol import common_name

CALLER = "kube-apiserver"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@contextmanager
def guarded(ca: trustme.CA, folder: Path, *subjects: str) -> Iterator[Served]:
    file = folder / "clients.crt"
    ca.cert_pem.write_to_path(str(file))
    with serving(
        {VALIDATE_CLAIMS: allow}, folder / "serving", client_ca=file, client_subjects=frozenset(subjects)
    ) as server:
        yield server


def presenting(server: Served, ca: trustme.CA, name: str) -> ssl.SSLContext:
    context = server.trust()
    ca.issue_cert("client.example.com", common_name=name).configure_cert(context)
    return context


def ask(server: Served, context: ssl.SSLContext, headers: Mapping[str, str] | None = None) -> int:
    """Return the status of a review."""
    connection = HTTPSConnection("127.0.0.1", server.port, timeout=20, context=context)
    try:
        return post(connection, VALIDATE_CLAIMS, make_review(), headers).status
    finally:
        connection.close()


def test_t_07_the_right_subject_is_answered_and_another_is_forbidden(ca: trustme.CA, tmp_path: Path) -> None:
    with guarded(ca, tmp_path, CALLER, "other-apiserver") as server:
        assert ask(server, presenting(server, ca, CALLER)) == 200
        assert ask(server, presenting(server, ca, "other-apiserver")) == 200
        assert ask(server, presenting(server, ca, "kubelet")) == 403
        assert server.metric("drawbridge_connections_cut_total", reason="client-subject") == 1


def test_t_26_what_a_proxy_would_say_of_a_caller_is_not_believed(ca: trustme.CA, tmp_path: Path) -> None:
    said = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Client-Cert": f'Subject="CN={CALLER}"',
        "X-Remote-User": CALLER,
        "X-Client-Cert-Subject": f"CN={CALLER}",
        "Forwarded": "for=127.0.0.1;proto=https",
    }
    with guarded(ca, tmp_path, CALLER) as server:
        assert ask(server, presenting(server, ca, "kubelet"), said) == 403
        assert ask(server, presenting(server, ca, CALLER), said) == 200
        assert not server.trusts_proxies


def test_without_a_list_every_certificate_of_the_ca_may_ask(ca: trustme.CA, tmp_path: Path) -> None:
    with guarded(ca, tmp_path) as server:
        assert ask(server, presenting(server, ca, "anybody")) == 200


def test_t_07_no_certificate_and_one_of_another_ca_get_no_answer(ca: trustme.CA, tmp_path: Path) -> None:
    with guarded(ca, tmp_path, CALLER) as server:
        for context in (server.trust(), presenting(server, trustme.CA(), CALLER)):
            with pytest.raises(OSError, match=r"(?i)certificate|alert|reset|eof|closed"):
                ask(server, context)
        assert ask(server, presenting(server, ca, CALLER)) == 200


def test_probes_need_no_certificate_and_readiness_sees_what_is_served(ca: trustme.CA, tmp_path: Path) -> None:
    with guarded(ca, tmp_path, CALLER) as server:
        assert b"[+] served\n" in server.probe("/readyz?verbose").body
        assert server.probe("/readyz").status == 200


def test_a_changed_client_ca_is_taken_for_new_connections(ca: trustme.CA, tmp_path: Path) -> None:
    with guarded(ca, tmp_path, CALLER) as server:
        new = trustme.CA()
        new.cert_pem.write_to_path(str(tmp_path / "clients.crt"))
        server.logged(msg="certificate-loaded")
        assert ask(server, presenting(server, new, CALLER)) == 200
        with pytest.raises(OSError, match=r"(?i)certificate|alert|reset|eof|closed"):
            ask(server, presenting(server, ca, CALLER))


def test_a_broken_client_ca_is_rejected_and_the_last_good_one_asked(ca: trustme.CA, tmp_path: Path) -> None:
    with guarded(ca, tmp_path, CALLER) as server:
        (tmp_path / "clients.crt").write_text("garbage")
        assert "holds no certificate of a CA" in server.logged(msg="certificate-rejected")["why"]
        assert ask(server, presenting(server, ca, CALLER)) == 200


@pytest.mark.parametrize("certificate", [None, {}, {"subject": ((("organizationName", "x"),),)}])
def test_a_certificate_without_a_common_name_has_none(certificate: dict[str, object] | None) -> None:
    assert common_name(certificate) == ""
