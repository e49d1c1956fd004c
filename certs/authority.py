"""The CAs of an installation as a Secret holds them, and what each stage of their replacement writes there.

Only who rotates certificates reads this Secret; the pods that serve never see the key of a CA.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from certs.inspect import Certificate, CertificateError, key_fits, read_certificates, signed_by
from certs.issue import Pair, Random, can_sign, issue_ca, issue_serving, make_key, wanted_names
from certs.rotation import Root, Roots, Serving, Step

CA_CERTIFICATE, CA_KEY = "ca.crt", "ca.key"
NEXT_CERTIFICATE, NEXT_KEY = "next.crt", "next.key"
RETIRED = "retired.crt"
SERVING_CERTIFICATE, SERVING_KEY = "tls.crt", "tls.key"

Data = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Authority:
    """PEM bytes. A pair without a key is a CA whose key was lost: it is trusted, and signs nothing."""

    current: Pair | None = None
    next: Pair | None = None
    retired: bytes = b""

    def bundle(self) -> bytes:
        """Return what clients are to trust, the oldest CA first."""
        pairs = (pair.certificate for pair in (self.current, self.next) if pair is not None)
        return b"".join((self.retired, *pairs))

    def roots(self) -> Roots:
        """Return what planning needs to know of the CAs."""
        retired = tuple(_root(certificate, can_sign=False) for certificate in _readable(self.retired))
        return Roots(_root_of(self.current), _root_of(self.next), retired)


def read_authority(ca: Data, serving: Data) -> Authority:
    """Return the CAs of the two Secrets; where the CAs' own is lost, what it signed last still says whom to trust."""
    current = _pair(ca, CA_CERTIFICATE, CA_KEY) or _pair(serving, CA_CERTIFICATE, CA_KEY)
    return Authority(current, _pair(ca, NEXT_CERTIFICATE, NEXT_KEY), ca.get(RETIRED, b""))


def _pair(data: Data, certificate: str, key: str) -> Pair | None:
    found = data.get(certificate, b"")
    return Pair(found, data.get(key, b"")) if len(_readable(found)) == 1 else None


def content(authority: Authority) -> Data:
    """Return the data of the CAs' Secret."""
    current, following = authority.current, authority.next
    return {
        **({} if current is None else {CA_CERTIFICATE: current.certificate, CA_KEY: current.key}),
        **({} if following is None else {NEXT_CERTIFICATE: following.certificate, NEXT_KEY: following.key}),
        **({RETIRED: authority.retired} if authority.retired else {}),
    }


def staged(step: Step, authority: Authority, now: datetime, random: Random, domains: tuple[str, ...]) -> Authority:
    """Return the CAs after a step that concerns them; a new one is believed for names in the domains alone."""
    match step:
        case Step.REPLACE_CA:
            return Authority(issue_ca(make_key(), now, random, domains))
        case Step.MAKE_NEXT_CA:
            return replace(authority, next=issue_ca(make_key(), now, random, domains))
        case Step.SIGN_WITH_NEXT_CA:
            before = b"" if authority.current is None else authority.current.certificate
            return Authority(authority.next, None, authority.retired + before)
        case Step.DROP_OLD_CA:
            return Authority(authority.current)
        case Step.ISSUE:
            raise ValueError("a serving certificate changes no CA")


def issued(authority: Authority, hosts: tuple[str, ...], now: datetime, random: Random) -> Data:
    """Return the data of the serving Secret with a new certificate; ValueError without a CA that can sign."""
    if authority.current is None:
        raise ValueError("there is no CA")
    pair = issue_serving(authority.current, make_key(), hosts, now, random)
    return {
        SERVING_CERTIFICATE: pair.certificate,
        SERVING_KEY: pair.key,
        CA_CERTIFICATE: authority.current.certificate,
    }


def serving_in(data: Data, authority: Authority, hosts: tuple[str, ...]) -> Serving | None:
    """Return the facts of the serving certificate; None where there is none that could be served."""
    pem = data.get(SERVING_CERTIFICATE, b"")
    try:
        [certificate, *_] = read_certificates(pem)
        if not key_fits(pem, data.get(SERVING_KEY, b"")):
            return None
    except CertificateError:
        return None
    trusted = authority.bundle()
    issuers = (root.fingerprint for root in _readable(trusted) if signed_by(pem, root.pem))
    covers = set(wanted_names(hosts)) <= set(certificate.names)
    return Serving(next(issuers, ""), certificate.validity, covers)


def trusted_by(bundle: bytes) -> frozenset[str]:
    """Return the fingerprints of a `caBundle`; nothing for one that is none."""
    return frozenset(certificate.fingerprint for certificate in _readable(bundle))


def bundle_problem(bundle: bytes) -> str:
    """Return why the bytes must not become a `caBundle`: the API server would take any. Empty where they may."""
    certificates = _readable(bundle)
    if not certificates:
        return "the CAs are no PEM certificates"
    return "" if all(certificate.is_ca for certificate in certificates) else "a certificate among the CAs is none"


def _readable(pem: bytes) -> tuple[Certificate, ...]:
    try:
        return read_certificates(pem) if pem.strip() else ()
    except CertificateError:
        return ()


def _root_of(pair: Pair | None) -> Root | None:
    if pair is None:
        return None
    [certificate] = read_certificates(pair.certificate)
    return _root(certificate, can_sign=can_sign(pair))


def _root(certificate: Certificate, *, can_sign: bool) -> Root:
    return Root(certificate.fingerprint, certificate.validity, can_sign)
