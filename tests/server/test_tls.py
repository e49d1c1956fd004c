"""TLS versions, and certificates that change under open connections."""

import secrets
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certs.inspect import read_certificate
from certs.issue import issue_ca, issue_serving, make_key
from certs.plan import SERVING_LIFE, Action
from certs.store import Directory, keep_fresh, renew
from tests.support.serving import Served, allow, make_review, post, serving
from webhook.core.errors import SettingsError
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.log import LineSink, make_log
from webhook.server.metrics import Metrics
from webhook.server.probes import Check
from webhook.server.renewal import Renewal
from webhook.server.tls import MinimumVersion, ServingCertificate

SERVED = {VALIDATE_CLAIMS: allow}


def now() -> datetime:
    return datetime.now(UTC)


def context_up_to(server: Served, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = server.trust()
    context.maximum_version = version
    return context


def seen_serial(server: Served) -> str:
    """Return the serial that a new connection is shown, without verification."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with server.raw(context=context) as connection:
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    return read_certificate(ssl.DER_cert_to_PEM_cert(der).encode()).serial


def stored_serial(server: Served) -> str:
    return read_certificate((server.certs / "tls.crt").read_bytes()).serial


def rotate(server: Served, action: Action = Action.RENEW_SERVING) -> None:
    directory = Directory(server.certs)
    renew(directory, directory.read(), action, ["127.0.0.1"], now(), secrets.token_bytes)


def wait_until_counted(server: Served, result: str, number: int) -> None:
    until = time.monotonic() + 10
    while server.metric("drawbridge_tls_reloads_total", result=result) < number:
        assert time.monotonic() < until, f"no certificate was {result}"
        time.sleep(0.05)


def test_tls_1_3_is_spoken_and_1_2_refused(tmp_path: Path) -> None:
    with serving(SERVED, tmp_path) as server:
        with server.raw() as connection:
            assert connection.version() == "TLSv1.3"
            assert connection.selected_alpn_protocol() is None
        with pytest.raises(ssl.SSLError):
            server.raw(context=context_up_to(server, ssl.TLSVersion.TLSv1_2))
        assert server.post().status == 200


def test_tls_1_2_is_possible_with_aead_suites_only(tmp_path: Path) -> None:
    with serving(SERVED, tmp_path, minimum=MinimumVersion.TLS_1_2) as server:
        old = context_up_to(server, ssl.TLSVersion.TLSv1_2)
        with server.raw(context=old) as connection:
            assert connection.version() == "TLSv1.2"
            cipher = connection.cipher()
            assert cipher is not None
            assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]
        weak = context_up_to(server, ssl.TLSVersion.TLSv1_2)
        weak.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            server.raw(context=weak)


def test_fm_12_a_renewed_certificate_is_served_and_an_open_connection_goes_on(tmp_path: Path) -> None:
    with serving(SERVED, tmp_path) as server:
        connection = server.connect()
        assert post(connection, VALIDATE_CLAIMS, make_review()).status == 200
        socket_before = connection.sock
        old = seen_serial(server)
        rotate(server)
        wait_until_counted(server, "loaded", 1)
        assert seen_serial(server) == stored_serial(server) != old
        assert post(connection, VALIDATE_CLAIMS, make_review()).status == 200
        assert connection.sock is socket_before
        connection.close()
        assert server.post().status == 200


def test_a_new_ca_is_served_too(tmp_path: Path) -> None:
    with serving(SERVED, tmp_path) as server:
        rotate(server, Action.RENEW_ALL)
        wait_until_counted(server, "loaded", 1)
        assert server.post().status == 200


def test_fm_13_a_key_that_does_not_fit_is_rejected_and_the_last_good_pair_served(tmp_path: Path) -> None:
    with serving(SERVED, tmp_path) as server:
        good = stored_serial(server)
        foreign = issue_ca(make_key(), now(), secrets.token_bytes)
        (tmp_path / "tls.key").write_bytes(foreign.key)
        wait_until_counted(server, "rejected", 1)
        assert seen_serial(server) == good
        assert server.post().status == 200
        assert server.probe("/readyz").status == 200
        rotate(server)
        wait_until_counted(server, "loaded", 1)
        assert seen_serial(server) == stored_serial(server) != good


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_fm_13_a_broken_certificate_is_rejected(tmp_path: Path, content: bytes) -> None:
    with serving(SERVED, tmp_path) as server:
        good = stored_serial(server)
        (tmp_path / "tls.crt").write_bytes(content)
        wait_until_counted(server, "rejected", 1)
        assert seen_serial(server) == good


def test_files_that_disappear_change_nothing(tmp_path: Path) -> None:
    with serving(SERVED, tmp_path) as server:
        ca = server.trust()
        (tmp_path / "tls.crt").unlink()
        (tmp_path / "tls.key").unlink()
        wait_until_counted(server, "rejected", 1)
        with server.raw(context=ca) as connection:
            assert connection.version() == "TLSv1.3"


def test_fm_11_an_expired_certificate_is_rejected(tmp_path: Path) -> None:
    with serving(SERVED, tmp_path) as server:
        good = stored_serial(server)
        directory = Directory(tmp_path)
        renew(directory, directory.read(), Action.RENEW_ALL, [], now() - timedelta(days=40), secrets.token_bytes)
        wait_until_counted(server, "rejected", 1)
        assert seen_serial(server) == good


def test_fm_18_the_metric_says_when_the_served_certificate_ends(tmp_path: Path) -> None:
    with serving(SERVED, tmp_path) as server:
        ends = server.metric("drawbridge_tls_not_after_timestamp_seconds")
        assert timedelta(days=29) < datetime.fromtimestamp(ends, UTC) - now() < timedelta(days=31)


def test_fm_18_an_open_connection_hides_that_the_certificate_has_ended(tmp_path: Path) -> None:
    """The metric and readiness tell what the calls on it do not."""
    begin = now() - SERVING_LIFE
    ca = issue_ca(make_key(), begin, secrets.token_bytes)
    pair = issue_serving(ca, make_key(), [], begin + timedelta(seconds=8), secrets.token_bytes)
    # Without the key of its CA it is somebody else's, and not renewed.
    for name, content in (("ca.crt", ca.certificate), ("tls.crt", pair.certificate), ("tls.key", pair.key)):
        (tmp_path / name).write_bytes(content)
    with serving(SERVED, tmp_path) as server:
        ends = server.metric("drawbridge_tls_not_after_timestamp_seconds")
        kept = server.connect()
        assert post(kept, VALIDATE_CLAIMS, make_review()).status == 200
        socket_before = kept.sock
        assert server.probe("/readyz").status == 200
        time.sleep(ends - now().timestamp() + 1)
        assert post(kept, VALIDATE_CLAIMS, make_review()).status == 200
        assert kept.sock is socket_before
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            server.post()
        answer = server.probe("/readyz")
        assert (answer.status, b"the serving certificate has expired" in answer.body) == (503, True)
        kept.close()


def load(directory: Path, clock: datetime | None = None) -> ServingCertificate:
    with (directory / "log").open("w") as stream:
        log = make_log(LineSink(stream))
        return ServingCertificate(directory, MinimumVersion.TLS_1_3, lambda: clock or now(), Metrics(), log)


def test_a_start_without_a_certificate_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be served: .*tls\.crt"):
        load(tmp_path)


def test_a_start_with_a_key_that_does_not_fit_says_so(tmp_path: Path) -> None:
    keep_fresh(Directory(tmp_path), [], now(), secrets.token_bytes)
    (tmp_path / "tls.key").write_bytes((tmp_path / "ca.key").read_bytes())
    with pytest.raises(SettingsError, match="the key does not fit the certificate"):
        load(tmp_path)


def test_fm_11_readiness_ends_with_the_certificate(tmp_path: Path) -> None:
    keep_fresh(Directory(tmp_path), [], now(), secrets.token_bytes)
    times = [now()]
    with (tmp_path / "log").open("w") as stream:
        log = make_log(LineSink(stream))
        certificate = ServingCertificate(tmp_path, MinimumVersion.TLS_1_3, lambda: times[0], Metrics(), log)
    assert certificate.problem() == ""
    times[0] = now() + timedelta(days=31)
    assert certificate.problem() == "the serving certificate has expired"
    times[0] = now() - timedelta(days=1)
    assert certificate.problem() == "the serving certificate is not valid yet"


def test_fm_20_a_pair_that_was_rejected_by_a_wrong_clock_is_taken_when_it_is_put_right(tmp_path: Path) -> None:
    keep_fresh(Directory(tmp_path), [], now(), secrets.token_bytes)
    clock = [now()]
    metrics = Metrics()
    with (tmp_path / "log").open("w") as stream:
        log = make_log(LineSink(stream))
        certificate = ServingCertificate(tmp_path, MinimumVersion.TLS_1_3, lambda: clock[0], metrics, log)
        directory = Directory(tmp_path)
        renew(directory, directory.read(), Action.RENEW_SERVING, [], now(), secrets.token_bytes)
        stored = read_certificate((tmp_path / "tls.crt").read_bytes()).serial
        clock[0] = now() + timedelta(days=60)
        for _ in range(3):
            certificate.refresh()
        rejected = metrics.registry.get_sample_value("drawbridge_tls_reloads_total", {"result": "rejected"})
        assert (rejected, certificate.certificate.serial != stored) == (1, True)
        clock[0] = now()
        certificate.refresh()
        assert certificate.certificate.serial == stored


def test_readiness_names_each_check_that_fails(tmp_path: Path) -> None:
    checks = (Check("cluster", "not synced: ResourceSlice"), Check("policies"))
    with serving(SERVED, tmp_path, checks=checks) as server:
        plain = server.probe("/readyz")
        assert (plain.status, plain.body) == (503, b"[-] cluster: not synced: ResourceSlice\nnot ready\n")
        assert b"[+] policies\n" in server.probe("/readyz?verbose").body
        assert server.probe("/livez").status == 200


def test_fm_19_a_serving_certificate_of_another_key_type_is_served(tmp_path: Path) -> None:
    """OpenSSL keeps one certificate a key type in a context, so only a fresh context serves the new one alone."""

    with serving(SERVED, tmp_path) as server:
        ca = issue_ca(make_key(), now(), secrets.token_bytes)
        template = x509.load_pem_x509_certificate(
            issue_serving(ca, make_key(), [], now(), secrets.token_bytes).certificate
        )
        key = rsa.generate_private_key(65537, 2048)
        other = (
            x509.CertificateBuilder()
            .subject_name(template.subject)
            .issuer_name(template.subject)
            .public_key(key.public_key())
            .serial_number(77)
            .not_valid_before(template.not_valid_before_utc)
            .not_valid_after(template.not_valid_after_utc)
            .sign(key, hashes.SHA256())
        )
        (tmp_path / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (tmp_path / "tls.crt").write_bytes(other.public_bytes(Encoding.PEM))
        wait_until_counted(server, "loaded", 1)
        assert seen_serial(server) == "4d"


def test_fm_20_a_server_renews_its_own_certificate_before_it_ends(tmp_path: Path) -> None:
    times = [now()]
    with (tmp_path / "log").open("w") as stream:
        sink = LineSink(stream)
        renewal = Renewal(Directory(tmp_path / "certs"), ["127.0.0.1"], lambda: times[0], make_log(sink))
        renewal.begin()
        first = (tmp_path / "certs" / "tls.crt").read_bytes()
        renewal.begin()
        assert (tmp_path / "certs" / "tls.crt").read_bytes() == first
        times[0] += timedelta(days=21)
        renewal.begin()
        assert (tmp_path / "certs" / "tls.crt").read_bytes() != first
        sink.close()


def test_a_host_that_no_certificate_can_hold_is_a_settings_error(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        sink = LineSink(stream)
        with pytest.raises(SettingsError, match="--host: 'a b' must be"):
            Renewal(Directory(tmp_path / "certs"), ["a b"], now, make_log(sink)).begin()
        sink.close()
