"""The tables of `drawbridge certs`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from certs.authority import SERVING_CERTIFICATE, serving_in, trusted_by
from certs.inspect import Certificate, CertificateError, read_certificates, signed_by
from webhook.kube.installation import Held, Installation

SERVING = "serving certificate"
SIGNS, NEXT, OLD = "CA that signs", "next CA", "old CA"
_HEAD = ("CERTIFICATE", "VALID FROM", "UNTIL", "LEFT", "FINGERPRINT")
_MINUTES = "%Y-%m-%d %H:%M"


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield lines with the cells of each column under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def certificate_table(shown: Sequence[tuple[str, Certificate]], now: datetime) -> Iterator[str]:
    """Yield a line for each certificate, and the names of those that have some."""
    yield from table([_HEAD, *(_row(name, certificate, now) for name, certificate in shown)])
    for name, certificate in shown:
        if certificate.names:
            yield f"{name}, names: {', '.join(certificate.names)}"


def _row(name: str, certificate: Certificate, now: datetime) -> tuple[str, ...]:
    begin, end = certificate.validity.not_before, certificate.validity.not_after
    return name, f"{begin:{_MINUTES}}", f"{end:{_MINUTES}}", _left(end - now), certificate.fingerprint[:16]


def _left(left: timedelta) -> str:
    if left <= timedelta(0):
        return "expired"
    return f"{left.days} days" if left.days > 1 else f"{left // timedelta(hours=1)} hours"


def held_certificates(held: Held) -> list[tuple[str, Certificate]]:
    """Return the CAs and the serving certificate of an installation, by what they are."""
    authority = held.authority
    pairs = ((SIGNS, authority.current), (NEXT, authority.next))
    found = [(OLD, certificate) for certificate in _readable(authority.retired)]
    found += [(what, _readable(pair.certificate)[0]) for what, pair in pairs if pair is not None]
    return found + [(SERVING, certificate) for certificate in _readable(held.serving.get(SERVING_CERTIFICATE, b""))[:1]]


def bundle_table(held: Held) -> Iterator[str]:
    """Yield a line for each webhook configuration: how many webhooks trust what."""
    names = {certificate.fingerprint: what for what, certificate in held_certificates(held)}
    rows = [("CONFIGURATION", "WEBHOOKS", "TRUST")]
    for configuration, bundles in held.bundles.items():
        for bundle in dict.fromkeys(bundles):
            trusted = [names.get(fingerprint, f"unknown {fingerprint[:16]}") for fingerprint in trusted_by(bundle)]
            rows.append((configuration, str(bundles.count(bundle)), ", ".join(sorted(trusted)) or "nothing"))
    yield from table(rows)


def held_problems(held: Held, installation: Installation, now: datetime) -> Iterator[str]:
    """Yield what would make the API server refuse what is served."""
    serving = serving_in(held.serving, held.authority, installation.hosts)
    if serving is None:
        yield "the Secret of the serving certificate holds no tls.crt with a tls.key that fits it"
        return
    if not serving.validity.lasts(now, timedelta(0)):
        yield f"the serving certificate is valid from {serving.validity.not_before} until {serving.validity.not_after}"
    if not serving.covers:
        yield f"the serving certificate does not hold the names {', '.join(installation.hosts)}"
    for configuration, bundles in held.bundles.items():
        bad = sum(not _verifies(bundle, held.serving[SERVING_CERTIFICATE]) for bundle in bundles)
        if bad:
            yield f"{configuration}: the `caBundle` of {bad} of {len(bundles)} webhooks does not verify it"


def _verifies(bundle: bytes, certificate: bytes) -> bool:
    try:
        return signed_by(certificate, bundle)
    except CertificateError:
        return False


def _readable(pem: bytes) -> tuple[Certificate, ...]:
    try:
        return read_certificates(pem)
    except CertificateError:
        return ()
