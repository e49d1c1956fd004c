"""Looks at the certificate that is served at an address."""

import asyncio
import ssl
from hashlib import sha256

_DIAL_SECONDS = 5.0
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL: the time that counts is the API server's


async def served_fingerprint(host: str, port: int) -> str:
    """Return the SHA-256 fingerprint of the certificate that is served there, trusted or not; empty where none is."""
    der = await _served(host, port)
    return sha256(der).hexdigest() if der else ""


async def served_certificate(host: str, port: int) -> bytes:
    """Return the certificate that is served there as PEM, trusted or not; empty where none is."""
    der = await _served(host, port)
    return ssl.DER_cert_to_PEM_cert(der).encode() if der else b""


async def refuses(host: str, port: int, bundle: bytes) -> bool:
    """Return whether no CA of a PEM bundle vouches for what is served there, over any chain and at any time.

    False where nothing is served.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    context.load_verify_locations(cadata=bundle.decode("ascii", "replace"))
    try:
        await _certificate(host, port, context)
    except ssl.SSLCertVerificationError:
        return True
    except (OSError, TimeoutError):
        return False
    return False


async def _served(host: str, port: int) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what is served is compared with what is meant, byte for byte
    try:
        return await _certificate(host, port, context)
    except (OSError, TimeoutError):
        return b""


async def _certificate(host: str, port: int, context: ssl.SSLContext) -> bytes:
    async with asyncio.timeout(_DIAL_SECONDS):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return der
    finally:
        writer.transport.abort()
