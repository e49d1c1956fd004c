"""What is issued, how it is written, and that it is kept fresh."""

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.inspect import CertificateError, key_fits, problems, read_certificate, signed_by
from certs.issue import HostError, issue_ca, issue_serving, make_key, wanted_names
from certs.plan import Action
from certs.store import Directory, facts, keep_fresh

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def make_random(first: int = 1) -> Callable[[int], bytes]:
    """Return a source of bytes that differ each time and are the same in each run."""
    numbers = count(first)
    return lambda size: next(numbers).to_bytes(size)


def loaded(directory: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / name).read_bytes())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a fresh CA and a serving certificate for one host."""
    assert keep_fresh(Directory(tmp_path / "certs"), ["gate.example.com"], NOW, make_random()) is Action.RENEW_ALL
    return tmp_path / "certs"


def test_a_serving_certificate_holds_the_hosts_and_loopback(directory: Path) -> None:
    assert read_certificate((directory / "tls.crt").read_bytes()).names == (
        "gate.example.com",
        "localhost",
        "127.0.0.1",
        "::1",
    )


def test_keys_can_be_read_by_the_owner_alone(directory: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "tls.crt": 0o644, "tls.key": 0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_fm_20_certificates_live_30_days_and_2_years_and_begin_an_hour_ago(directory: Path) -> None:
    serving, ca = loaded(directory, "tls.crt"), loaded(directory, "ca.crt")
    assert serving.not_valid_before_utc == ca.not_valid_before_utc == NOW - HOUR
    assert serving.not_valid_after_utc == NOW + 30 * DAY
    assert ca.not_valid_after_utc == NOW + 730 * DAY


def test_the_certificates_say_what_they_are_for(directory: Path) -> None:
    serving, ca = loaded(directory, "tls.crt").extensions, loaded(directory, "ca.crt").extensions
    assert ca.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(ca=True, path_length=0)
    assert ca.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert not serving.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(serving.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    issuer = serving.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer == ca.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_keys_are_p_256_and_fit(directory: Path) -> None:
    key = loaded(directory, "tls.crt").public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key_fits((directory / "tls.crt").read_bytes(), (directory / "tls.key").read_bytes())
    assert not key_fits((directory / "tls.crt").read_bytes(), (directory / "ca.key").read_bytes())
    assert signed_by((directory / "tls.crt").read_bytes(), (directory / "ca.crt").read_bytes())


def test_fresh_files_are_left_alone(directory: Path) -> None:
    before = {path: path.read_bytes() for path in directory.iterdir()}
    assert keep_fresh(Directory(directory), ["gate.example.com"], NOW + DAY, make_random(50)) is Action.KEEP
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


def test_a_serving_certificate_is_renewed_with_the_same_ca(directory: Path) -> None:
    ca = (directory / "ca.crt").read_bytes()
    before = loaded(directory, "tls.crt").serial_number
    later = NOW + 21 * DAY
    assert keep_fresh(Directory(directory), ["gate.example.com"], later, make_random(50)) is Action.RENEW_SERVING
    assert (directory / "ca.crt").read_bytes() == ca
    assert loaded(directory, "tls.crt").serial_number != before
    assert signed_by((directory / "tls.crt").read_bytes(), ca)


def test_another_host_makes_another_certificate(directory: Path) -> None:
    assert keep_fresh(Directory(directory), ["10.1.2.3"], NOW, make_random(50)) is Action.RENEW_SERVING
    assert "10.1.2.3" in read_certificate((directory / "tls.crt").read_bytes()).names


def test_a_renewal_keeps_the_names_that_were_there(directory: Path) -> None:
    keep_fresh(Directory(directory), ["10.1.2.3"], NOW + 21 * DAY, make_random(50))
    names = read_certificate((directory / "tls.crt").read_bytes()).names
    assert set(names) == {"gate.example.com", "10.1.2.3", "localhost", "127.0.0.1", "::1"}


def test_half_a_renewal_is_mended(directory: Path) -> None:
    """A crash between the key and the certificate leaves a pair that does not fit."""
    (directory / "tls.key").write_bytes((directory / "ca.key").read_bytes())
    assert keep_fresh(Directory(directory), ["gate.example.com"], NOW, make_random(50)) is Action.RENEW_SERVING
    assert keep_fresh(Directory(directory), ["gate.example.com"], NOW, make_random(90)) is Action.KEEP


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_broken_files_of_our_own_are_replaced(directory: Path, content: bytes) -> None:
    (directory / "tls.crt").write_bytes(content)
    assert keep_fresh(Directory(directory), ["gate.example.com"], NOW, make_random(50)) is Action.RENEW_SERVING


def test_files_that_somebody_else_provides_are_never_touched(directory: Path) -> None:
    (directory / "ca.key").unlink()
    (directory / "tls.crt").write_bytes(b"garbage")
    before = {path: path.read_bytes() for path in directory.iterdir()}
    assert keep_fresh(Directory(directory), ["other.example.com"], NOW + 900 * DAY, make_random(50)) is Action.KEEP
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


def test_a_serving_certificate_never_outlives_its_ca() -> None:
    ca = issue_ca(make_key(), NOW - 720 * DAY, make_random())
    serving = issue_serving(ca, make_key(), [], NOW, make_random(9))
    assert read_certificate(serving.certificate).validity.not_after == NOW + 10 * DAY


def test_names_are_written_once_and_in_one_spelling() -> None:
    assert wanted_names(["Gate.Example.com.", "gate.example.com", "0:0:0:0:0:0:0:1", "0.0.0.0", "::"]) == (
        "gate.example.com",
        "::1",
        "localhost",
        "127.0.0.1",
    )


@pytest.mark.parametrize("host", ["", "a b", "-a.com", "a..b", "*.example.com", "http://a", "ä.com", "a" * 64, "a/b"])
def test_a_host_that_no_certificate_can_hold_is_refused(host: str) -> None:
    ca = issue_ca(make_key(), NOW, make_random())
    with pytest.raises(HostError, match="must be an IP address or a DNS name"):
        issue_serving(ca, make_key(), [host], NOW, make_random())


def test_what_a_client_would_refuse_is_named(directory: Path) -> None:
    serving = read_certificate((directory / "tls.crt").read_bytes())
    ca = read_certificate((directory / "ca.crt").read_bytes())
    assert problems(serving, ca, ("localhost",), NOW) == ()
    assert problems(serving, ca, ("other",), NOW + 31 * DAY) == (
        "the serving certificate has expired at 2026-12-21T12:00:00+00:00",
        "the serving certificate does not hold the name 'other'",
    )
    assert problems(serving, None, (), NOW - DAY) == (
        "the serving certificate is not valid before 2026-11-21T11:00:00+00:00",
    )


def test_bytes_that_are_no_certificate_are_refused() -> None:
    with pytest.raises(CertificateError):
        read_certificate(b"garbage")


def test_the_facts_of_an_empty_directory(tmp_path: Path) -> None:
    found = facts(Directory(tmp_path / "none").read(), [])
    assert (found.ca, found.serving, found.provided, found.can_sign) == (None, None, False, False)


def test_private_keys_are_not_printed(directory: Path) -> None:
    stored = Directory(directory).read()
    assert "PRIVATE" not in repr(stored)
    assert "PRIVATE" not in repr(issue_ca(make_key(), NOW, make_random()))
