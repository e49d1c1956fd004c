"""What was meant by a text that is no Kubernetes quantity: `20GiB`, `20 Gi`, `80GB`."""

import re
from collections.abc import Iterator
from typing import Final

from webhook.core.quantity import parse_quantity

_NUMBER_AND_UNIT: Final = re.compile(r"\s*([+-]?[0-9][0-9_,]*(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", re.ASCII)
_SCALES: Final = {"kilo": "k", "mega": "M", "giga": "G", "tera": "T", "peta": "P", "exa": "E"}
_BINARY_SCALES: Final = {"kibi": "Ki", "mebi": "Mi", "gibi": "Gi", "tebi": "Ti", "pebi": "Pi", "exbi": "Ei"}


def quantities_meant(text: str) -> Iterator[str]:
    """Yield the quantities that may be meant, best first.

    `20GiB`, `20 Gi`, `20gi`, `1,024Mi`; of `20GB` the decimal one first, though many mean the binary one.
    """
    found = _NUMBER_AND_UNIT.fullmatch(text)
    if found is not None:
        number = found[1].replace("_", "").replace(",", "")
        yield from (meant for unit in _units(found[2]) if is_quantity(meant := f"{number}{unit}"))


def is_quantity(text: str) -> bool:
    """Return whether Kubernetes reads the text as a quantity."""
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def _units(unit: str) -> Iterator[str]:
    folded = unit.lower()
    if folded in ("b", "byte", "bytes"):
        yield ""
        return
    for long, short in (_SCALES | _BINARY_SCALES).items():
        if folded in (f"{long}byte", f"{long}bytes", long):
            yield short
            return
    scale, rest = folded[:1], folded[1:]
    if scale not in ("k", "m", "g", "t", "p", "e") or rest not in ("", "b", "i", "ib", "bytes", "ibytes", "bs", "ibs"):
        return
    decimal, binary = "k" if scale == "k" else scale.upper(), f"{scale.upper()}i"
    yield from (binary,) if rest.startswith("i") else (decimal, binary)
