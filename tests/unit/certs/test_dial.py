"""Whether what is served at an address verifies, by a server on loopback."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from certs.dial import refuses, served_certificate, served_fingerprint
from certs.inspect import read_certificate

ROOT, OTHER = trustme.CA(), trustme.CA()
BETWEEN = ROOT.create_child_ca()
ENDED = datetime.now(UTC) - timedelta(days=1)
LEAF = BETWEEN.issue_cert("drawbridge.example", not_after=ENDED)


def asked(ask: Callable[[int], Awaitable[object]]) -> object:
    """Return the answer about a server that presents the leaf and what is between it and the root."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    LEAF.configure_cert(context)

    async def whole() -> object:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        async with server:
            return await ask(server.sockets[0].getsockname()[1])

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("bundle", "refused"),
    [
        (ROOT, False),
        (BETWEEN, False),
        (OTHER, True),
    ],
    ids=["over a chain", "by the CA between alone", "another CA"],
)
def test_an_ended_certificate_for_another_name_is_refused_for_its_ca_alone(bundle: trustme.CA, refused: bool) -> None:
    assert asked(lambda port: refuses("127.0.0.1", port, bundle.cert_pem.bytes())) is refused


def test_the_leaf_is_returned() -> None:
    pem = asked(lambda port: served_certificate("127.0.0.1", port))
    assert isinstance(pem, bytes)
    assert read_certificate(pem).names == ("drawbridge.example",)
    assert asked(lambda port: served_fingerprint("127.0.0.1", port)) == read_certificate(pem).fingerprint


def test_where_nobody_listens_there_is_nothing_to_refuse() -> None:
    assert asyncio.run(served_certificate("127.0.0.1", 1)) == b""
    assert asyncio.run(refuses("127.0.0.1", 1, ROOT.cert_pem.bytes())) is False
