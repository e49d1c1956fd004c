"""Room for walks of deep types and of deep parse trees."""

import sys
from typing import Final

_DEEPEST: Final = 20_000


def allow_depth() -> None:
    """Lets Python functions nest as deep as 10,240 bytes of an expression can make them.

    The syntax tree is walked without recursion, types and ANTLR's rules are not: how deep they nest is bounded by
    the length of the text and by the limits of the language. Python frames live on the heap, so a higher limit
    costs no stack.
    """
    if not has_depth():
        sys.setrecursionlimit(_DEEPEST)


def has_depth() -> bool:
    """Whether functions may nest that deep already."""
    return sys.getrecursionlimit() >= _DEEPEST
