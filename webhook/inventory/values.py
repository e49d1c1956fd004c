"""Which values of an attribute are known, and what may have been meant by one that is not."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from webhook.cel.comparisons import Comparison
from webhook.cel.places import Place
from webhook.core.catalogue import MistakeKind
from webhook.core.device import VersionText
from webhook.core.suggest import MOST_SUGGESTIONS, explains, nearest
from webhook.inventory.knowledge import DomainKnowledge

_MOST_COMPARED: Final = 1_000  # an attribute with more values is a serial number
_WORD: Final = re.compile(r"[a-z]+|[0-9]+")
_PLAIN: Final = re.compile(r"[^a-z0-9]")
_PROFILE: Final = "profile"


@dataclass(frozen=True, slots=True)
class KnownValues:
    """The strings that an attribute is known to have; `closed`: it never has another one.

    `live` are those of devices that are there, `documented` those of the catalogue.
    """

    live: frozenset[str]
    documented: frozenset[str]
    closed: bool

    def __contains__(self, text: str) -> bool:
        return text in self.live or text in self.documented

    @property
    def all(self) -> frozenset[str]:
        return self.live | self.documented


def known_values(domain: DomainKnowledge | None, place: Place) -> KnownValues | None:
    """Return what is known of the values of an attribute that is a string; None where nothing is.

    MIG profiles are judged by the models' geometry, not here.
    """
    attribute = domain.attributes.get(place.name) if domain is not None else None
    if attribute is None or domain is None or attribute.types - {"string"}:
        return None
    if attribute.live is not None and not attribute.live.is_whole:
        return None
    if place.name == _PROFILE and domain.pack is not None and domain.pack.models:
        return None
    entry = attribute.entry
    live = attribute.live.texts if attribute.live is not None else frozenset()
    documented = frozenset(_strings(entry.values)) if entry is not None else frozenset()
    if not live and not documented:
        return None
    return KnownValues(live, documented, closed=entry is not None and entry.closed and not domain.newer)


def _strings(values: Collection[object]) -> Iterator[str]:
    return (value for value in values if isinstance(value, str) and not isinstance(value, VersionText))


def is_never(comparison: Comparison, known: KnownValues) -> bool:
    """Return whether a place is asked to be one of some strings that it never is, with no other way out."""
    is_asked = comparison.decisive and not comparison.negated
    return known.closed and is_asked and not any(asked.text in known for asked in comparison.asked)


def meant_by(text: str, known: KnownValues, domain: DomainKnowledge | None, name: str) -> tuple[str, ...]:
    """Return the values that may be meant, best first: a known mistake, the same but for signs, near ones, fuller ones.

    Documented ones are named where no device that is there has such a value.
    """
    mistake = domain.mistake(MistakeKind.VALUE, text, name) if domain is not None else None
    found = [mistake.right] if mistake is not None else []
    for values in (known.live, known.documented):
        if len(values) <= _MOST_COMPARED and not found:
            found += _near(text, sorted(values))
    return tuple(dict.fromkeys(found))[:MOST_SUGGESTIONS]


def _near(text: str, values: Collection[str]) -> Iterator[str]:
    plain = _plain(text)
    yield from (value for value in values if _plain(value) == plain)
    near = nearest(text, values)
    yield from (value for value in near if explains(value, text))
    words = set(_WORD.findall(text.lower()))
    if len(plain) > 1:
        yield from (value for value in values if words <= set(_WORD.findall(value.lower())) or plain in _plain(value))
    yield from (value for value in near if len(plain) > 1)


def is_slip(text: str, meant: str) -> bool:
    """Return whether a slip of the pen makes one value out of the other, so that it can hardly be another value."""
    return _plain(text) == _plain(meant) or explains(meant, text)


def _plain(text: str) -> str:
    return _PLAIN.sub("", text.lower())
