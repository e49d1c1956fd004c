"""The CAs of an installation, as a client sees what they sign."""

from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest
import trustme
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs.authority import Authority, bundle_problem, content, issued, read_authority, serving_in, staged, trusted_by
from certs.issue import Pair, make_key
from certs.rotation import Step

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DOMAINS = ("drawbridge-system.svc",)
HOSTS = ("drawbridge.drawbridge-system.svc",)


def numbers(length: int) -> bytes:
    return bytes(range(1, length + 1))


def after(*steps: Step) -> Authority:
    authority = Authority()
    for step in steps:
        authority = staged(step, authority, NOW, numbers, DOMAINS)
    return authority


def accepts(bundle: bytes, certificate: bytes, host: str | IPv4Address) -> bool:
    name = x509.IPAddress(host) if isinstance(host, IPv4Address) else x509.DNSName(host)
    store = Store(x509.load_pem_x509_certificates(bundle))
    try:
        PolicyBuilder().store(store).time(NOW).build_server_verifier(name).verify(
            x509.load_pem_x509_certificate(certificate), []
        )
    except VerificationError:
        return False
    return True


def test_a_client_accepts_what_is_signed_through_all_stages() -> None:
    first = after(Step.REPLACE_CA)
    old = issued(first, HOSTS, NOW, numbers)["tls.crt"]
    both = staged(Step.MAKE_NEXT_CA, first, NOW, numbers, DOMAINS)
    switched = staged(Step.SIGN_WITH_NEXT_CA, both, NOW, numbers, DOMAINS)
    new = issued(switched, HOSTS, NOW, numbers)["tls.crt"]
    last = staged(Step.DROP_OLD_CA, switched, NOW, numbers, DOMAINS)
    trusted = {name: each.bundle() for name, each in (("both", both), ("switched", switched), ("last", last))}
    for host in (*HOSTS, "localhost", IPv4Address("127.0.0.1")):
        assert {name: accepts(bundle, old, host) for name, bundle in trusted.items()} == {
            "both": True,
            "switched": True,
            "last": False,
        }
        assert all(accepts(bundle, new, host) for bundle in trusted.values())
    assert trusted["both"] == trusted["switched"], "the old one first: the API server need not learn anything new"


def test_what_a_stolen_key_signs_for_another_name_is_not_believed() -> None:
    authority = after(Step.REPLACE_CA)
    for host in ("kubernetes.default.svc", "example.com"):
        forged = issued(authority, (host,), NOW, numbers)["tls.crt"]
        assert not accepts(authority.bundle(), forged, host)


@pytest.mark.parametrize(
    "steps",
    [
        (Step.REPLACE_CA,),
        (Step.REPLACE_CA, Step.MAKE_NEXT_CA),
        (Step.REPLACE_CA, Step.MAKE_NEXT_CA, Step.SIGN_WITH_NEXT_CA),
    ],
    ids=lambda steps: steps[-1].value,
)
def test_the_secret_holds_each_stage(steps: tuple[Step, ...]) -> None:
    authority = after(*steps)
    assert read_authority(content(authority), {}) == authority
    assert "PRIVATE" not in repr(authority)


def test_a_ca_without_its_key_is_trusted_and_signs_nothing() -> None:
    authority = after(Step.REPLACE_CA)
    serving = issued(authority, HOSTS, NOW, numbers)
    lost = read_authority({}, serving)
    assert lost.bundle() == authority.bundle()
    roots = lost.roots()
    assert roots.current is not None
    assert not roots.current.can_sign


def test_a_ca_of_another_make_is_trusted_and_replaced() -> None:
    """Somebody has put an RSA CA into the Secret, or a certificate that is no CA."""
    other = trustme.CA(key_type=trustme.KeyType.RSA)
    rsa = Pair(other.cert_pem.bytes(), other.private_key_pem.bytes())
    leaf = issued(after(Step.REPLACE_CA), HOSTS, NOW, numbers)
    for pair in (rsa, Pair(leaf["tls.crt"], leaf["tls.key"]), Pair(rsa.certificate, b"garbage")):
        roots = Authority(pair).roots()
        assert roots.current is not None
        assert not roots.current.can_sign


def test_a_serving_certificate_whose_key_does_not_fit_is_none() -> None:
    authority = after(Step.REPLACE_CA)
    serving = issued(authority, HOSTS, NOW, numbers)
    other = issued(authority, HOSTS, NOW, numbers)
    assert serving_in(serving, authority, HOSTS) is not None
    assert serving_in({**serving, "tls.key": other["tls.key"]}, authority, HOSTS) is None
    assert serving_in({"tls.crt": b"garbage", "tls.key": b"garbage"}, authority, HOSTS) is None


def test_one_that_none_of_the_cas_has_signed_has_no_issuer() -> None:
    serving = issued(after(Step.REPLACE_CA), HOSTS, NOW, numbers)
    found = serving_in(serving, after(Step.REPLACE_CA), HOSTS)
    assert found is not None
    assert found.issuer == ""


def test_fm_17_only_certificates_of_cas_may_become_a_bundle() -> None:
    authority = after(Step.REPLACE_CA)
    assert bundle_problem(authority.bundle()) == ""
    assert bundle_problem(b"") == bundle_problem(b"garbage") == "the CAs are no PEM certificates"
    leaf = issued(authority, HOSTS, NOW, numbers)["tls.crt"]
    assert bundle_problem(authority.bundle() + leaf) == "a certificate among the CAs is none"
    assert trusted_by(b"garbage") == frozenset()


def test_without_a_ca_nothing_is_issued() -> None:
    with pytest.raises(ValueError, match="there is no CA"):
        issued(Authority(), HOSTS, NOW, numbers)


def test_keys_are_elliptic_curve_p_256() -> None:
    assert make_key().curve.name == "secp256r1"
