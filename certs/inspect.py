"""Reads certificates: what they say, and whether they fit together."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certs.plan import Validity


class CertificateError(ValueError):
    """Bytes that are no PEM certificate or key."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person wants to know of a certificate."""

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    names: tuple[str, ...]
    validity: Validity
    is_ca: bool
    pem: bytes


def read_certificate(pem: bytes) -> Certificate:
    """Return what the first certificate of a PEM file says; CertificateError if there is none."""
    return describe(_first(pem))


def read_certificates(pem: bytes) -> tuple[Certificate, ...]:
    """Return what each certificate of a PEM file says; CertificateError if there is none, or one cannot be read."""
    return tuple(describe(certificate) for certificate in _loaded(pem))


def describe(certificate: x509.Certificate) -> Certificate:
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        names=_names(certificate),
        validity=Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc),
        is_ca=_is_ca(certificate),
        pem=certificate.public_bytes(Encoding.PEM),
    )


def _first(pem: bytes) -> x509.Certificate:
    return _loaded(pem)[0]


def _loaded(pem: bytes) -> list[x509.Certificate]:
    """Return one certificate or more."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise CertificateError("the certificate must be PEM") from None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def key_fits(certificate_pem: bytes, key_pem: bytes) -> bool:
    """Return whether the key is the certificate's; CertificateError if either cannot be read."""
    try:
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError):
        raise CertificateError("the key must be a PEM private key without a password") from None
    public = _first(certificate_pem).public_key()
    return _der(public) == _der(key.public_key())


def _der(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # every public key has it
    return encoded


def signed_by(certificate_pem: bytes, ca_pem: bytes) -> bool:
    """Return whether one of the CAs in a bundle has signed the certificate."""
    certificate = _first(certificate_pem)
    return any(_has_signed(authority, certificate) for authority in _loaded(ca_pem))


def _has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def problems(
    certificate: Certificate, ca: Certificate | None, names: tuple[str, ...], now: datetime
) -> tuple[str, ...]:
    """Return what would make a client refuse the certificate, in words."""
    found = []
    for what, one in (("the serving certificate", certificate), ("the CA", ca)):
        if one is None:
            continue
        if now < one.validity.not_before:
            found.append(f"{what} is not valid before {one.validity.not_before.isoformat()}")
        if now >= one.validity.not_after:
            found.append(f"{what} has expired at {one.validity.not_after.isoformat()}")
    missing = [name for name in names if name not in certificate.names]
    found.extend(f"the serving certificate does not hold the name '{name}'" for name in missing)
    return tuple(found)
