"""`drawbridge certs`: issue, show, rotate and verify the serving certificate and its CA."""

import json
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from certs.inspect import Certificate, CertificateError, problems, read_certificate
from certs.issue import HostError, wanted_names
from certs.plan import Action, plan
from certs.store import Directory, Stored, facts, renew
from webhook.cli.options import fail

NOT_USABLE = 1

_directory = click.option(
    "--cert-dir", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the files are."
)
_hosts = click.option(
    "--host", "hosts", multiple=True, metavar="NAME", help="A DNS name or IP address of the server; may repeat."
)
_more_hosts = click.argument("more_hosts", nargs=-1, metavar="[NAME...]")


@click.group()
def certs() -> None:
    """Issue, show, rotate and verify the certificates that `drawbridge serve` presents."""


@certs.command()
@_directory
@_hosts
@_more_hosts
def issue(cert_dir: Path, hosts: tuple[str, ...], more_hosts: tuple[str, ...]) -> None:
    """Make a serving certificate, and a CA where there is none to sign it; only the owner can read the keys."""
    directory = Directory(cert_dir)
    stored = _read(directory)
    found = facts(stored, ())
    if found.provided:
        fail((f"{cert_dir} holds a serving certificate without the key of its CA; choose another folder",))
    action = plan(found, _now())
    _renew(directory, stored, Action.RENEW_SERVING if action is Action.KEEP else action, (*hosts, *more_hosts))


@certs.command()
@_directory
@_hosts
@_more_hosts
def rotate(cert_dir: Path, hosts: tuple[str, ...], more_hosts: tuple[str, ...]) -> None:
    """Renew the serving certificate with the same CA, for the same names unless --host says others.

    A running server takes the new pair within two seconds and loses no connection.
    """
    directory = Directory(cert_dir)
    stored = _read(directory)
    if not facts(stored, ()).can_sign:
        fail((f"{cert_dir} holds no CA with its key (ca.crt and ca.key), so nothing can be renewed there",))
    names = (*hosts, *more_hosts) or (_certificate(stored.serving, "tls.crt").names if stored.serving else ())
    _renew(directory, stored, Action.RENEW_SERVING, names)


@certs.command()
@_directory
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to report.")
def show(cert_dir: Path, output: str) -> None:
    """Show what the certificates say."""
    stored = _read(Directory(cert_dir))
    shown = [(name, _certificate(pem, name)) for name, pem in _files(stored)]
    if output == "json":
        entries = [_entry(name, certificate) for name, certificate in shown]
        report = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "CertificateReport", "certificates": entries}
        click.echo(json.dumps(report, indent=1))
        return
    for name, certificate in shown:
        click.echo("\n".join(_lines(name, certificate)))


@certs.command()
@_directory
@_hosts
@_more_hosts
def verify(cert_dir: Path, hosts: tuple[str, ...], more_hosts: tuple[str, ...]) -> None:
    """Say whether a client that trusts ca.crt would accept the serving certificate; exit 1 if not."""
    stored = _read(Directory(cert_dir))
    found = tuple(_faults(stored, (*hosts, *more_hosts)))
    for problem in found:
        click.echo(f"drawbridge: {problem}", err=True)
    if found:
        raise SystemExit(NOT_USABLE)
    certificate = _certificate(stored.serving or b"", "tls.crt")
    click.echo(f"usable until {certificate.validity.not_after.isoformat()}")


def _faults(stored: Stored, hosts: Sequence[str]) -> Iterator[str]:
    if stored.serving is None:
        yield "there is no tls.crt"
        return
    serving = _certificate(stored.serving, "tls.crt")
    ca = _certificate(stored.ca, "ca.crt") if stored.ca is not None else None
    names = wanted_names(hosts) if hosts else ()
    yield from problems(serving, ca, names, _now())
    if stored.serving_key is None:
        yield "there is no tls.key"
    if stored.ca is None:
        yield "there is no ca.crt"
    elif stored.serving_key is not None and not facts(stored, ()).consistent:
        yield "tls.key does not fit tls.crt, or ca.crt has not signed it"


def _read(directory: Directory) -> Stored:
    try:
        return directory.read()
    except OSError as error:
        fail((f"{error.filename}: {error.strerror}",))


def _renew(directory: Directory, stored: Stored, action: Action, hosts: Sequence[str]) -> None:
    try:
        renew(directory, stored, action, hosts, _now(), secrets.token_bytes)
    except HostError as error:
        fail((str(error),))
    except OSError as error:
        fail((f"{error.filename}: {error.strerror}",))
    serving = _certificate(_read(directory).serving or b"", "tls.crt")
    if action is Action.RENEW_ALL:
        click.echo(f"{directory.path / 'ca.crt'}: a new CA; give it to those who call the server as `caBundle`")
    until = serving.validity.not_after.date().isoformat()
    click.echo(f"{directory.path / 'tls.crt'}: for {', '.join(serving.names)}, until {until}")


def _certificate(pem: bytes | None, name: str) -> Certificate:
    try:
        return read_certificate(pem or b"")
    except CertificateError as error:
        fail((f"{name}: {error}",))


def _files(stored: Stored) -> Iterator[tuple[str, bytes]]:
    for name, pem in (("ca.crt", stored.ca), ("tls.crt", stored.serving)):
        if pem is not None:
            yield name, pem
    if stored.ca is None and stored.serving is None:
        fail(("there is neither ca.crt nor tls.crt",))


def _entry(name: str, certificate: Certificate) -> dict[str, Any]:
    return {
        "file": name,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "fingerprint": certificate.fingerprint,
        "names": certificate.names,
        "notBefore": certificate.validity.not_before.isoformat(),
        "notAfter": certificate.validity.not_after.isoformat(),
        "ca": certificate.is_ca,
    }


def _lines(name: str, certificate: Certificate) -> Iterator[str]:
    yield name
    for label, value in _entry(name, certificate).items():
        if label not in {"file", "ca"} and value:
            yield f"  {label}: {', '.join(value) if isinstance(value, tuple) else value}"


def _now() -> datetime:
    return datetime.now(UTC)
