"""Reads decoded JSON with the types that the API gives its fields; what does not fit is noted, never raised.

A wrongly typed field inside an object is not ours to refuse (contract 7.4): what can be judged is judged. The server
turns a misfit into an `unjudged` note, `drawbridge check`, where nobody stands before us, into `invalid-field`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any, TypeVar

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Json
from webhook.core.quantity import Quantity, parse_quantity
from webhook.core.quantity_slips import is_quantity, quantities_meant

RawObject = Mapping[str, Any]
EMPTY: RawObject = {}
Choice = TypeVar("Choice", bound=Enum)
_INT64 = range(-(2**63), 2**63)
_INTEGER = re.compile("[+-]?[0-9]{1,18}")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

MOST_ITEMS = 10_000
"""How much of one list is read: the API server refuses longer ones later, but a mutating webhook is asked before."""
MOST_MISFITS = 100
"""How many misfits are kept of one object; a hundred thousand of them would take seconds to report."""


def object_in(raw: object, name: str) -> RawObject:
    """Return an object's field that is an object itself; an empty one where it is not."""
    value = raw.get(name) if isinstance(raw, dict) else None
    return value if isinstance(value, dict) else EMPTY


def objects_in(raw: object, name: str) -> list[RawObject]:
    """Return the objects in an object's field that is a list."""
    value = raw.get(name) if isinstance(raw, dict) else None
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that the API server cannot decode into its field; `meant` are values that it can, best first.

    `fix` says what to do where neither a value nor the message does.
    """

    path: FieldPath
    message: str
    meant: tuple[Json, ...] = ()
    fix: str = ""


@dataclass(slots=True)
class Reader:
    """Collects misfits while an object is read; absent and null fields are the type's zero value, as in Go."""

    misfits: list[Misfit] = field(default_factory=list)

    def text(self, raw: RawObject, name: str, path: FieldPath) -> str:
        value = raw.get(name)
        if isinstance(value, str):
            return value
        self._unless_absent(value, path.child(name), "a string", _texts_meant(value))
        return ""

    def integer(self, raw: RawObject, name: str, path: FieldPath) -> int:
        value = raw.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
            return value
        self._unless_absent(value, path.child(name), "a 64-bit integer", _integers_meant(value))
        return 0

    def choice(self, raw: RawObject, name: str, path: FieldPath, default: Choice) -> Choice:
        """Return one of the words of the default's Enum."""
        written = self.text(raw, name, path)
        known = {choice.value: choice for choice in type(default)}
        if written and written not in known:
            listed = ", ".join(f"'{value}'" for value in known)
            self.note(path.child(name), f"must be one of {listed}")
        return known.get(written, default)

    def flag(self, raw: RawObject, name: str, path: FieldPath) -> bool:
        value = raw.get(name)
        if isinstance(value, bool):
            return value
        self._unless_absent(value, path.child(name), "true or false", _flags_meant(value))
        return False

    def struct(self, raw: RawObject, name: str, path: FieldPath, *, inner: str = "") -> RawObject | None:
        """Return the object at a field; None where it is absent or no object.

        `inner` is the field of the object for which a text is meant that stands in the object's place.
        """
        value = raw.get(name)
        if isinstance(value, dict):
            return value
        self._unless_absent(value, path.child(name), "an object", _object_meant(value, inner))
        return None

    def structs(
        self, raw: RawObject, name: str, path: FieldPath, *, inner: str = ""
    ) -> Iterator[tuple[RawObject, FieldPath]]:
        """Yield the objects of a list with their paths; `inner` as of `struct`, with dots where it lies deeper."""
        meant = _object_meant(raw.get(name), inner)
        if meant:
            self.note(path.child(name), "must be a list", (list(meant),))
            return
        for value, at in self.items(raw, name, path, (dict,)):
            if isinstance(value, dict):
                yield value, at
            else:
                self.note(at, "must be an object", _object_meant(value, inner))

    def texts(self, raw: RawObject, name: str, path: FieldPath) -> tuple[str, ...]:
        found = []
        for value, at in self.items(raw, name, path, (str,)):
            if isinstance(value, str):
                found.append(value)
            else:
                self.note(at, "must be a string", _texts_meant(value))
        return tuple(found)

    def items(
        self, raw: RawObject, name: str, path: FieldPath, single: tuple[type, ...] = ()
    ) -> Iterator[tuple[Any, FieldPath]]:
        """Yield what is in a list, with its path; a value of a `single` type in its place is meant as a list of one."""
        value = raw.get(name)
        if isinstance(value, list):
            at = path.child(name)
            for position, item in enumerate(islice(value, MOST_ITEMS)):
                yield item, at.index(position)
            if len(value) > MOST_ITEMS:
                self.note(at, f"must have at most {MOST_ITEMS} items")
        else:
            self._unless_absent(value, path.child(name), "a list", ([raw[name]],) if isinstance(value, single) else ())

    def text_map(self, raw: RawObject, name: str, path: FieldPath) -> Mapping[str, str]:
        found = {}
        at = path.child(name)
        for key, value in (self.struct(raw, name, path) or EMPTY).items():
            if isinstance(value, str):
                found[key] = value
            else:
                self.note(at.key(key), "must be a string", _texts_meant(value))
        return found

    def quantities(self, raw: RawObject, name: str, path: FieldPath) -> Mapping[str, Quantity]:
        """Return the quantities of a map; one that is none is a misfit."""
        found = {}
        at = path.child(name)
        for key, value in (self.struct(raw, name, path) or EMPTY).items():
            quantity = self.quantity(value, at.key(key))
            if quantity is not None:
                found[key] = quantity
        return found

    def quantity(self, value: Any, path: FieldPath) -> Quantity | None:
        """Return a Kubernetes quantity from its JSON value, a string or a bare number."""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                return parse_quantity(value)
            except ValueError:
                self.note(
                    path, f"must be a quantity such as '40Gi', not '{value}'", tuple(quantities_meant(str(value)))
                )
                return None
        boxed = value.get("value") if isinstance(value, dict) else None  # as a ResourceSlice writes it
        meant = (boxed,) if isinstance(boxed, str) and is_quantity(boxed) else ()
        self._unless_absent(value, path, "a quantity such as '40Gi'", meant)
        return None

    def note(self, path: FieldPath, message: str, meant: tuple[Json, ...] = (), fix: str = "") -> None:
        if len(self.misfits) < MOST_MISFITS:
            self.misfits.append(Misfit(path, message, meant, fix))

    def _unless_absent(self, value: object, path: FieldPath, wanted: str, meant: tuple[Json, ...]) -> None:
        if value is not None:
            self.note(path, f"must be {wanted}", meant)


def _object_meant(value: object, inner: str) -> tuple[Json, ...]:
    if not inner or not isinstance(value, str):
        return ()
    meant: Json = value
    for name in reversed(inner.split(".")):
        meant = {name: meant}
    return (meant,)


def _texts_meant(value: object) -> tuple[Json, ...]:
    """A number that was meant as text; of fractions and of true and false the file may have another spelling."""
    return (str(value),) if isinstance(value, int) and not isinstance(value, bool) else ()


def _integers_meant(value: object) -> tuple[Json, ...]:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return (int(value),)
    return (int(value),) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else ()


def _flags_meant(value: object) -> tuple[Json, ...]:
    flag = _FLAGS.get(value.strip().lower()) if isinstance(value, str) else None
    return () if flag is None else (flag,)
