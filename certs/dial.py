"""Looks at the certificate that is served at an address."""

import asyncio
import ssl
from hashlib import sha256

_DIAL_SECONDS = 5.0


async def served_fingerprint(host: str, port: int) -> str:
    """Return the SHA-256 fingerprint of the certificate that is served there, trusted or not; empty where none is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what is served is compared with what is meant, byte for byte
    try:
        async with asyncio.timeout(_DIAL_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return ""
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return sha256(der).hexdigest()
    finally:
        writer.transport.abort()
