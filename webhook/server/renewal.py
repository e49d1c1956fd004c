"""Keeps a self-signed pair fresh while the server runs; `ServingCertificate` then takes the new files."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

from certs.issue import HostError
from certs.plan import Action
from certs.store import Directory, keep_fresh
from webhook.core.errors import SettingsError
from webhook.server.log import Log

_LOOK_SECONDS = 60.0


class Renewal:
    """Renews by the plan of certs/plan.py; files that somebody else provides are never touched."""

    def __init__(self, directory: Directory, hosts: Sequence[str], now: Callable[[], datetime], log: Log) -> None:
        self._directory = directory
        self._hosts = hosts
        self._now = now
        self._log = log

    def begin(self) -> None:
        """Make what is missing or too old; SettingsError if that cannot be done."""
        try:
            self._renew()
        except HostError as error:
            raise SettingsError((f"--host: {error}",)) from None
        except OSError as error:
            raise SettingsError((f"--cert-dir: {error.filename}: {error.strerror}",)) from None

    async def follow(self) -> None:
        """Look each minute by the wall clock, forever: a timer set for weeks would sleep on a suspended machine."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            action = self._renew()
            if action is not Action.KEEP:
                self._log.info("certificate-renewed", action=action.value)

    def _renew(self) -> Action:
        return keep_fresh(self._directory, self._hosts, self._now(), secrets.token_bytes)
