"""`drawbridge certs`: issue, show, rotate and verify certificates, in a folder or in a cluster."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from certs.inspect import Certificate, CertificateError, problems, read_certificate
from certs.issue import HostError, wanted_names
from certs.plan import Action, plan
from certs.rotation import Asked
from certs.store import Directory, Stored, facts, renew
from webhook.cli.certs_report import bundle_table, certificate_table, held_certificates, held_problems
from webhook.cli.options import fail, say
from webhook.core.errors import SettingsError
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, ApiError, GarbledError
from webhook.kube.installation import Installation, ask, read_held
from webhook.settings import Settings

NOT_USABLE = 1
Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path, file_okay=False)

_directory = click.option("--cert-dir", type=_PATH, required=True, help="Where the files are.")
_hosts = click.option(
    "--host", "hosts", multiple=True, metavar="NAME", help="A DNS name or IP address of the server; may repeat."
)
_more_hosts = click.argument("more_hosts", nargs=-1, metavar="[NAME...]")
_output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to report.")
_PLACE = (
    click.option("--cert-dir", type=_PATH, help="Where the files are; without it, the Secrets of a cluster."),
    click.option("--kubeconfig", type=click.Path(path_type=Path), help="The cluster."),
    click.option("--context", help="The kubeconfig's context."),
    click.option("--own-namespace", default=Settings().own_namespace, help="The namespace of the installation."),
    click.option("--installation-name", default=Settings().installation_name, help="The name of its Service."),
)


class Cluster:
    """The installation that the options name."""

    def __init__(self, kubeconfig: Path | None, context: str | None, own_namespace: str, installation_name: str):
        self._kubeconfig = kubeconfig
        self._context = context
        self.installation = Installation(own_namespace, installation_name)

    def call(self, what: Callable[[ApiClient, Installation], Awaitable[Result]]) -> Result:
        """Return what the API server says; end with exit code 2 where it cannot be had."""

        async def called() -> Result:
            async with ApiClient(load_access(self._kubeconfig, self._context)) as api:
                return await what(api, self.installation)

        try:
            return asyncio.run(called())
        except SettingsError as error:
            fail(
                error.problems if self._kubeconfig else ("give `--cert-dir DIR`, or a cluster by `--kubeconfig FILE`",)
            )
        except (ApiError, GarbledError) as error:
            fail((str(error),))


def _placed(command: Command) -> Command:
    for option in reversed(_PLACE):
        command = option(command)
    return command


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
@_placed
@_hosts
@_more_hosts
@click.option("--ca", is_flag=True, help="Replace the CA too: in a cluster in stages, so that no call fails.")
@click.option("--now", is_flag=True, help="With --ca: trust the old CA no longer, whatever calls fail meanwhile.")
def rotate(
    cert_dir: Path | None, hosts: tuple[str, ...], more_hosts: tuple[str, ...], *, ca: bool, now: bool, **where: Any
) -> None:
    """Renew the serving certificate with the same CA, for the same names unless --host says others.

    A running server takes the new pair within two seconds and loses no connection. In a cluster `drawbridge controller
    --certificates` does it, within its next look.
    """
    if now and not ca:
        fail(("--now is for the CA: `--ca --now`",))
    names = (*hosts, *more_hosts)
    if cert_dir is not None:
        _rotate_files(Directory(cert_dir), names, ca=ca, now=now)
        return
    if names:
        fail(("in a cluster the names follow from the Service: --host is for --cert-dir",))
    asked = Asked.SERVING if not ca else Asked.CA_NOW if now else Asked.CA
    Cluster(**where).call(lambda api, installation: ask(api, installation, asked))
    click.echo("asked for; `drawbridge certs show` says how far it is")


def _rotate_files(directory: Directory, names: Sequence[str], *, ca: bool, now: bool) -> None:
    stored = _read(directory)
    if not facts(stored, ()).can_sign:
        fail((f"{directory.path} holds no CA with its key (ca.crt and ca.key), so nothing can be renewed there",))
    if ca and not now:
        fail(("in a folder a CA is replaced at once, and whoever trusts the old one fails: say `--ca --now`",))
    names = names or (_certificate(stored.serving, "tls.crt").names if stored.serving else ())
    _renew(directory, stored, Action.RENEW_ALL if ca else Action.RENEW_SERVING, names)


@certs.command()
@_placed
@_output
def show(cert_dir: Path | None, output: str, **where: Any) -> None:
    """Show what the certificates say, and in a cluster who trusts which CA."""
    lines: list[str] = []
    if cert_dir is not None:
        stored = _read(Directory(cert_dir))
        shown = [(name, _certificate(pem, name)) for name, pem in _files(stored)]
    else:
        held = Cluster(**where).call(read_held)
        shown = held_certificates(held)
        lines = ["", *bundle_table(held)]
    if output == "json":
        entries = [_entry(name, certificate) for name, certificate in shown]
        report = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "CertificateReport", "certificates": entries}
        click.echo(json.dumps(report, indent=1))
        return
    click.echo("\n".join([*certificate_table(shown, _now()), *lines]))


@certs.command()
@_placed
@_hosts
@_more_hosts
def verify(cert_dir: Path | None, hosts: tuple[str, ...], more_hosts: tuple[str, ...], **where: Any) -> None:
    """Say whether a client that trusts ca.crt, or the `caBundle` of the cluster, would accept the serving certificate.

    Exit 1 if not.
    """
    if cert_dir is not None:
        stored = _read(Directory(cert_dir))
        found = tuple(_faults(stored, (*hosts, *more_hosts)))
        pem = stored.serving
    else:
        cluster = Cluster(**where)
        held = cluster.call(read_held)
        found = tuple(held_problems(held, cluster.installation, _now()))
        pem = held.serving.get("tls.crt")
    for problem in found:
        say(problem)
    if found:
        raise SystemExit(NOT_USABLE)
    click.echo(f"usable until {_certificate(pem, 'tls.crt').validity.not_after.isoformat()}")


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


def _now() -> datetime:
    return datetime.now(UTC)
