"""Room for walks of deep types and of deep parse trees."""

import sys
from typing import Final

_DEEPEST: Final = 20_000


def allow_depth() -> None:
    """Lets Python functions nest as deep as 10,240 bytes of an expression can make them.

    The parser, which bounds how deep a syntax tree is, needs no frames. Walking the tree takes one for each level,
    and so do types and ANTLR's rules. Python frames live on the heap, so a higher limit costs no stack.
    """
    if not has_depth():
        sys.setrecursionlimit(_DEEPEST)


def has_depth() -> bool:
    """Whether functions may nest that deep already."""
    return sys.getrecursionlimit() >= _DEEPEST
