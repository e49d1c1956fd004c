"""What to do with the certificates of one directory: a pure decision on facts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

CA_LIFE = timedelta(days=730)
SERVING_LIFE = timedelta(days=30)
LOOKAHEAD = timedelta(days=10)
"""How long before its end a certificate is renewed: at two thirds of a serving certificate's life."""


class Action(Enum):
    KEEP = "keep"
    RENEW_SERVING = "renew-serving"
    """A new serving certificate from the same CA: nobody's trust changes."""
    RENEW_ALL = "renew-all"
    """A new CA and a serving certificate from it: who trusts the old CA must be told."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate may be used."""

    not_before: datetime
    not_after: datetime

    def lasts(self, now: datetime, ahead: timedelta) -> bool:
        """Return whether it may be used now and for that long."""
        return self.not_before <= now and now + ahead < self.not_after


@dataclass(frozen=True, slots=True)
class Facts:
    """What is in the directory; None where there is no usable certificate.

    `provided` is True where serving files lie there without a CA's key: they are somebody else's and stay as they are.
    `can_sign` is True where there is a CA with its key.
    `consistent` is True where the keys fit their certificates and the CA has signed the serving certificate.
    `covers` is True where the serving certificate holds every name that is wanted.
    """

    ca: Validity | None
    serving: Validity | None
    provided: bool
    can_sign: bool
    consistent: bool
    covers: bool


def plan(facts: Facts, now: datetime, lookahead: timedelta = LOOKAHEAD) -> Action:
    """Return what keeps the directory usable for at least `lookahead`, which must be shorter than SERVING_LIFE.

    A CA that a whole serving certificate would outlive is renewed with it.
    """
    if facts.provided:
        return Action.KEEP
    if facts.ca is None or not facts.can_sign or not facts.ca.lasts(now, SERVING_LIFE):
        return Action.RENEW_ALL
    if facts.serving is None or not facts.consistent or not facts.covers:
        return Action.RENEW_SERVING
    return Action.KEEP if facts.serving.lasts(now, lookahead) else Action.RENEW_SERVING
