"""How Kubernetes wants names, keys and values to be written, and the parts of an object that can be looked into."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from webhook.core.fieldpath import FieldPath
from webhook.core.raw import EMPTY, MOST_ITEMS, RawObject
from webhook.core.strict import Flaw


@dataclass(frozen=True, slots=True)
class Rule:
    """A way of writing: `what` completes 'must be ...'."""

    pattern: re.Pattern[str]
    what: str
    most: int

    def matches(self, text: str) -> bool:
        return len(text) <= self.most and self.pattern.fullmatch(text) is not None


# apimachinery/pkg/util/validation; these patterns are ours and their input is bounded, so `re` is safe here.
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL = Rule(re.compile(_LABEL), "a DNS label: lower-case letters, digits and '-'", 63)
DNS_SUBDOMAIN = Rule(re.compile(rf"{_LABEL}(\.{_LABEL})*"), "a DNS name: lower-case letters, digits, '-' and '.'", 253)
C_IDENTIFIER = Rule(re.compile("[A-Za-z_][A-Za-z0-9_]*"), "a C identifier", 63)
LABEL_VALUE = Rule(
    re.compile("([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"), "a label value: letters, digits, '-', '_' and '.'", 63
)
_NUMBER = "(0|[1-9][0-9]*)"
_PRE = f"({_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
SEMVER = Rule(
    re.compile(rf"{_NUMBER}(\.{_NUMBER}){{2}}(-{_PRE}(\.{_PRE})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"),
    "a semantic version such as '1.2.3'",
    64,
)


def dns_label(text: str, at: FieldPath) -> Iterator[Flaw]:
    if not DNS_LABEL.matches(text):
        yield Flaw(at, f"must be {DNS_LABEL.what}, at most 63", _such_a_name(text, DNS_LABEL))


def dns_subdomain(text: str, at: FieldPath, most: int = 253, fix: str = "") -> Iterator[Flaw]:
    if len(text) > most or not DNS_SUBDOMAIN.matches(text):
        yield Flaw(at, f"must be {DNS_SUBDOMAIN.what}, at most {most}", fix or _such_a_name(text, DNS_SUBDOMAIN))


def _such_a_name(text: str, rule: Rule) -> str:
    """Return what to do about a name: in words alone, for what refers to it must change with it."""
    near = re.sub("[^a-z0-9.]" if rule is DNS_SUBDOMAIN else "[^a-z0-9]", "-", text.lower()).strip("-.")
    return f"use such a name, as '{near}' is" if rule.matches(near) else "use such a name"


def label_key(text: str, at: FieldPath) -> Iterator[Flaw]:
    domain, slash, name = text.rpartition("/")
    if not LABEL_VALUE.matches(name) or not name or (slash and not DNS_SUBDOMAIN.matches(domain)):
        yield Flaw(at, "must be a label key: an optional DNS name and '/', then a name", "use the key of the taint")


def within(around: RawObject, name: str, at: FieldPath, most: int) -> Iterator[Flaw]:
    """Yield a flaw where a list has more entries than it may."""
    value = around.get(name)
    if isinstance(value, list) and len(value) > most:
        yield Flaw(at.child(name), f"must have at most {most} entries, not {len(value)}", "use fewer")


def struct_of(around: RawObject, name: str) -> RawObject:
    """Return the object at a field, an empty one where it is none."""
    value = around.get(name)
    return value if isinstance(value, dict) else EMPTY


def objects_of(around: RawObject, name: str, at: FieldPath) -> list[tuple[RawObject, FieldPath]]:
    """Return the objects of a list with their paths; what is none is passed over."""
    value = around.get(name)
    items = value[:MOST_ITEMS] if isinstance(value, list) else []
    place = at.child(name)
    return [(item, place.index(position)) for position, item in enumerate(items) if isinstance(item, dict)]


def named_once(entries: Iterable[tuple[RawObject, FieldPath]]) -> Iterator[Flaw]:
    """Each entry must have a name, a DNS label, that no other has."""
    seen: set[str] = set()
    for entry, at in entries:
        name, place = entry.get("name"), at.child("name")
        if not name:
            yield Flaw(place, "must be set", "give it a name, a DNS label such as 'gpu-0'")
        elif isinstance(name, str):
            yield from dns_label(name, place)
            if name in seen:
                yield Flaw(place, f"the name '{name}' is given twice", "use another name")
            seen.add(name)
