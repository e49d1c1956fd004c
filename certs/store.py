"""The certificates of one directory: read, written atomically, kept fresh."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from certs.inspect import CertificateError, key_fits, read_certificate, signed_by
from certs.issue import Pair, Random, issue_ca, issue_serving, make_key, wanted_names
from certs.plan import LOOKAHEAD, Action, Facts, Validity, plan

SERVING_CERTIFICATE = "tls.crt"
SERVING_KEY = "tls.key"
CA_CERTIFICATE = "ca.crt"
CA_KEY = "ca.key"
_PRIVATE = 0o600
_PUBLIC = 0o644
_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of the four files; None where one is absent."""

    ca: bytes | None
    ca_key: bytes | None
    serving: bytes | None
    serving_key: bytes | None

    def __repr__(self) -> str:
        return "Stored(...)"


class Directory:
    """`tls.crt`, `tls.key`, `ca.crt` and, where we are the CA, `ca.key`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Stored:
        return Stored(*map(self._read, (CA_CERTIFICATE, CA_KEY, SERVING_CERTIFICATE, SERVING_KEY)))

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write_ca(self, pair: Pair) -> None:
        self._write(CA_KEY, pair.key, _PRIVATE)
        self._write(CA_CERTIFICATE, pair.certificate, _PUBLIC)

    def write_serving(self, pair: Pair) -> None:
        """Write the pair; a server that looks between the two files finds a misfit, and keeps what it has."""
        self._write(SERVING_KEY, pair.key, _PRIVATE)
        self._write(SERVING_CERTIFICATE, pair.certificate, _PUBLIC)

    def _write(self, name: str, content: bytes, mode: int) -> None:
        """Replace a file in one step: no reader ever sees half of it, no moment has a key that others can read."""
        self.path.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        draft = self.path / f".{name}.{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path / name)
        except OSError:
            draft.unlink(missing_ok=True)
            raise


def facts(stored: Stored, hosts: Sequence[str]) -> Facts:
    """Return what planning needs to know of the files."""
    ca = _validity(stored.ca)
    serving = _validity(stored.serving) if stored.serving_key is not None else None
    certificate = read_certificate(stored.serving) if serving is not None and stored.serving is not None else None
    return Facts(
        ca=ca,
        serving=serving,
        provided=stored.ca_key is None and not (stored.serving is None and stored.serving_key is None),
        can_sign=ca is not None and _fits(stored.ca, stored.ca_key),
        consistent=_fits(stored.serving, stored.serving_key) and _signed(stored),
        covers=certificate is not None and set(wanted_names(hosts)) <= set(certificate.names),
    )


def _validity(pem: bytes | None) -> Validity | None:
    try:
        return None if pem is None else read_certificate(pem).validity
    except CertificateError:
        return None


def _fits(certificate: bytes | None, key: bytes | None) -> bool:
    try:
        return certificate is not None and key is not None and key_fits(certificate, key)
    except CertificateError:
        return False


def _signed(stored: Stored) -> bool:
    try:
        return stored.serving is not None and stored.ca is not None and signed_by(stored.serving, stored.ca)
    except CertificateError:
        return False


def keep_fresh(
    directory: Directory,
    hosts: Sequence[str],
    now: datetime,
    random: Random,
    lookahead: timedelta = LOOKAHEAD,
) -> Action:
    """Do what the plan says, and return it; files that somebody else provides are never touched.

    A renewed certificate holds the names that the old one held, and the hosts.
    """
    stored = directory.read()
    action = plan(facts(stored, hosts), now, lookahead)
    if action is not Action.KEEP:
        renew(directory, stored, action, (*_names(stored.serving), *hosts), now, random)
    return action


def _names(pem: bytes | None) -> tuple[str, ...]:
    try:
        return () if pem is None else read_certificate(pem).names
    except CertificateError:
        return ()


def renew(
    directory: Directory, stored: Stored, action: Action, hosts: Sequence[str], now: datetime, random: Random
) -> None:
    """Issue and write what the action names; the CA before what it signs."""
    if action is Action.RENEW_ALL or stored.ca is None or stored.ca_key is None:
        ca = issue_ca(make_key(), now, random)
        serving = issue_serving(ca, make_key(), hosts, now, random)
        directory.write_ca(ca)
    else:
        serving = issue_serving(Pair(stored.ca, stored.ca_key), make_key(), hosts, now, random)
    directory.write_serving(serving)
