"""Issues the CA and the serving certificate (EC P-256, RFC 5280)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.plan import CA_LIFE, SERVING_LIFE

BACKDATED = timedelta(hours=1)
"""Certificates begin in the past: the clock of who verifies may be behind ours."""

ALWAYS = ("localhost", "127.0.0.1", "::1")
_SERIAL_BYTES = 20
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing is bound here

Random = Callable[[int], bytes]


class HostError(ValueError):
    """A name that no certificate can hold."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(...)"


def make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def issue_ca(key: ec.EllipticCurvePrivateKey, now: datetime, random: Random, domains: Sequence[str] = ()) -> Pair:
    """Return a CA that may sign certificates of servers and no further CA.

    With domains it is believed for names in them and for loopback alone (RFC 5280, section 4.2.1.10).
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"drawbridge CA {random(4).hex()}")])
    builder = (
        _begun(name, name, key, now, now + CA_LIFE, random)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    if domains:
        builder = builder.add_extension(x509.NameConstraints(_subtrees(domains), None), critical=True)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def _subtrees(domains: Sequence[str]) -> list[x509.GeneralName]:
    names = (_general_name(name) for name in (*domains, *ALWAYS))
    return [x509.IPAddress(ip_network(n.value)) if isinstance(n, x509.IPAddress) else n for n in names]


def can_sign(ca: Pair) -> bool:
    """Return whether serving certificates can be issued from it: a CA as `issue_ca` makes one, with its key."""
    try:
        key = load_pem_private_key(ca.key, None)
        certificate = x509.load_pem_x509_certificate(ca.certificate)
        extensions = certificate.extensions
        extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        is_ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return False
    fits = isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key()
    return is_ca and fits


def issue_serving(
    ca: Pair, key: ec.EllipticCurvePrivateKey, hosts: Sequence[str], now: datetime, random: Random
) -> Pair:
    """Return a serving certificate for the hosts and for loopback; it never outlives the CA.

    HostError for a host that is neither an IP address nor a DNS name.
    """
    ca_certificate = x509.load_pem_x509_certificate(ca.certificate)
    ca_key = load_pem_private_key(ca.key, None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key must be an elliptic curve key")
    names = wanted_names(hosts)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drawbridge")])
    until = min(now + SERVING_LIFE, ca_certificate.not_valid_after_utc)
    ca_key_id = ca_certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _begun(subject, ca_certificate.subject, key, now, until, random)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_key_id), critical=False)
    )
    return _pair(builder.sign(ca_key, hashes.SHA256()), key)


def wanted_names(hosts: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a serving certificate must hold: the hosts, each once, and loopback.

    The addresses that stand for every address (0.0.0.0 and ::) are no names.
    """
    given = (_plain(host) for host in hosts)
    return tuple(dict.fromkeys([*(host for host in given if host not in _ANY_ADDRESS), *ALWAYS]))


def _plain(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().removesuffix(".")


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    labels = host.split(".")
    if len(host) > 253 or not all(_is_label(label) for label in labels):
        raise HostError(f"'{host}' must be an IP address or a DNS name")
    return x509.DNSName(host)


def _is_label(label: str) -> bool:
    letters = label.replace("-", "a")
    return label.isascii() and letters.isalnum() and len(label) <= 63 and label[0] != "-" and label[-1] != "-"


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    until: datetime,
    random: Random,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(random(_SERIAL_BYTES)) >> 1 | 1)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
