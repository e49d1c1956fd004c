"""Readiness asks the TLS port itself."""

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.plan import Action
from certs.store import Directory, keep_fresh, renew
from tests.support.serving import allow, serving
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.log import LineSink, make_log
from webhook.server.metrics import Metrics
from webhook.server.selfdial import SelfDial
from webhook.server.tls import MinimumVersion, ServingCertificate


@pytest.fixture
def certificate(tmp_path: Path) -> ServingCertificate:
    keep_fresh(Directory(tmp_path), [], datetime.now(UTC), secrets.token_bytes)
    with (tmp_path / "log").open("w") as stream:
        log = make_log(LineSink(stream))
        return ServingCertificate(tmp_path, MinimumVersion.TLS_1_3, lambda: datetime.now(UTC), Metrics(), log)


def problem(certificate: ServingCertificate, *served: str, host: str = "127.0.0.1") -> str:
    """Return what readiness says after the port has shown these certificates, one a look."""
    shown = iter(served)

    async def dial(asked: str, port: int) -> str:
        assert (asked, port) == ("127.0.0.1", 8443)
        return next(shown)

    selfdial = SelfDial(host, 8443, certificate, dial)
    for _ in served:
        asyncio.run(selfdial.look())
    return selfdial.problem


def test_the_certificate_that_was_loaded_is_what_must_be_served(certificate: ServingCertificate) -> None:
    loaded = certificate.certificate.fingerprint
    assert problem(certificate, loaded) == ""
    assert problem(certificate, loaded, host="0.0.0.0") == ""
    assert problem(certificate, "") == "the TLS port does not answer"
    assert problem(certificate, "another").startswith("the TLS port presents another certificate")
    assert problem(certificate, "another", loaded) == "", "it is ready again as soon as it is mended"


def test_a_certificate_that_changes_during_the_look_is_no_problem(
    certificate: ServingCertificate, tmp_path: Path
) -> None:
    before = certificate.certificate.fingerprint

    async def dial(_: str, __: int) -> str:
        directory = Directory(tmp_path)
        renew(directory, directory.read(), Action.RENEW_SERVING, [], datetime.now(UTC), secrets.token_bytes)
        certificate.refresh()
        return before if certificate.certificate.fingerprint != before else "unchanged"

    selfdial = SelfDial("127.0.0.1", 8443, certificate, dial)
    asyncio.run(selfdial.look())
    assert selfdial.problem == ""


def test_a_server_whose_port_presents_what_it_loaded_is_ready(tmp_path: Path) -> None:
    with serving({VALIDATE_CLAIMS: allow}, tmp_path) as server:
        assert b"[+] served\n" in server.probe("/readyz?verbose").body
