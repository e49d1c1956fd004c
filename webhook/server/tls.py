"""TLS for the admission port: TLS 1.3 by default, and certificates that change without a lost connection."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from certs.inspect import Certificate, CertificateError, key_fits, read_certificate
from webhook.core.errors import SettingsError
from webhook.server.log import Log
from webhook.server.metrics import Metrics

_AEAD_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
_LOOK_SECONDS = 1.0
_Signature = tuple[tuple[int, int, int], ...]


class MinimumVersion(Enum):
    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


@dataclass(frozen=True, slots=True)
class _Loaded:
    context: ssl.SSLContext
    certificate: Certificate


class ServingCertificate:
    """Serves a pair of files and takes a changed pair for new connections, once it is proved usable.

    A changed pair is loaded into a fresh context and published through the SNI callback: a context in use would be
    left unable to serve by a pair that does not fit, and would keep an old certificate of another key type.
    """

    def __init__(
        self,
        directory: Path,
        minimum: MinimumVersion,
        now: Callable[[], datetime],
        metrics: Metrics,
        log: Log,
        client_ca: Path | None = None,
    ) -> None:
        """Load the pair; SettingsError if it cannot be served. With a client CA, callers need a certificate of it."""
        self._paths = (directory / "tls.crt", directory / "tls.key")
        self._client_ca = client_ca
        self._minimum = minimum
        self._now = now
        self._metrics = metrics
        self._log = log
        self._signature = self._look()
        self._rejected: _Signature = ()
        try:
            self._loaded = self._load()
        except (OSError, ssl.SSLError, CertificateError) as error:
            raise SettingsError((f"the certificate in {directory} cannot be served: {_words(error)}",)) from None
        self._publish(self._loaded)
        self.context = self._new_context()
        self.context.load_cert_chain(*self._paths)
        self.context.sni_callback = self._choose

    @property
    def certificate(self) -> Certificate:
        """Return the certificate that new connections see."""
        return self._loaded.certificate

    def problem(self) -> str:
        """Return why clients will refuse what is served now; empty if they will not."""
        validity = self.certificate.validity
        now = self._now()
        if now < validity.not_before:
            return "the serving certificate is not valid yet"
        return "the serving certificate has expired" if now >= validity.not_after else ""

    async def watch(self) -> None:
        """Look for changed files each second, forever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.refresh()

    def refresh(self) -> None:
        """Take the files if they have changed; if they cannot be served, go on with what there is, and try again.

        What is rejected may be taken later without a change: when a clock that stood wrong is put right.
        """
        signature = self._look()
        if signature == self._signature:
            return
        try:
            loaded = self._load()
        except (OSError, ssl.SSLError, CertificateError) as error:
            if signature != self._rejected:
                self._rejected = signature
                self._metrics.tls_reload("rejected")
                self._log.error("certificate-rejected", why=_words(error))
            return
        self._signature = signature
        self._publish(loaded)
        self._metrics.tls_reload("loaded")
        self._log.info("certificate-loaded", serial=loaded.certificate.serial)

    def _look(self) -> _Signature:
        """Return what changes when a file does, or when a mounted Secret's link points elsewhere."""
        found = []
        for path in (*self._paths, *([self._client_ca] if self._client_ca else [])):
            try:
                stat = path.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
        return tuple(found)

    def _load(self) -> _Loaded:
        pem, key = (path.read_bytes() for path in self._paths)
        certificate = read_certificate(pem)
        if not key_fits(pem, key):
            raise CertificateError("the key does not fit the certificate")
        context = self._new_context()
        context.load_cert_chain(*self._paths)
        if self._now() >= certificate.validity.not_after:
            raise CertificateError("the certificate has expired")
        return _Loaded(context, certificate)

    def _publish(self, loaded: _Loaded) -> None:
        self._loaded = loaded
        self._metrics.tls_not_after.set(loaded.certificate.validity.not_after.timestamp())

    def _choose(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._loaded.context

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._minimum is MinimumVersion.TLS_1_3:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(_AEAD_SUITES)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0  # a resumed session would not see a renewed certificate
        context.set_alpn_protocols(["http/1.1"])
        if self._client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(self._client_ca)
            except ssl.SSLError:
                raise CertificateError(f"{self._client_ca} holds no certificate of a CA") from None
        return context


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "the certificate or its key is unreadable"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)
