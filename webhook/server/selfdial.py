"""Asks our own TLS port for its certificate: readiness speaks of what callers are shown, not of what was loaded."""

import asyncio
from collections.abc import Awaitable, Callable

from webhook.server.tls import ServingCertificate

_EVERY_SECONDS = 5.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here

Dial = Callable[[str, int], Awaitable[str]]


class SelfDial:
    """`problem` is empty until a look has found one."""

    def __init__(self, host: str, port: int, certificate: ServingCertificate, dial: Dial) -> None:
        self.problem = ""
        self._host = _LOOPBACK.get(host, host)
        self._port = port
        self._certificate = certificate
        self._dial = dial

    async def run(self) -> None:
        """Look every five seconds, forever."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_SECONDS)

    async def look(self) -> None:
        before = self._certificate.certificate.fingerprint
        served = await self._dial(self._host, self._port)
        if not served:
            self.problem = "the TLS port does not answer"
        elif served not in (before, self._certificate.certificate.fingerprint):  # it may have changed meanwhile
            self.problem = "the TLS port presents another certificate than the one that was loaded"
        else:
            self.problem = ""
