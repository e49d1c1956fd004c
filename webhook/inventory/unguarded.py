"""The words for a selector that ends in an error where it has no guard."""

from webhook.core.finding import Fix, Span
from webhook.inventory.documented import Lack
from webhook.inventory.failing import Failure

WHY = "an error does not skip the device: it stops the pod on every node that has one"


def said(failure: Failure) -> str:
    """Return what is missing, else the error."""
    if not failure.missing:
        return failure.error
    return f"no `{failure.missing[0].name}` there"


def without(lack: Lack) -> str:
    """Return when it fails on devices that the catalogue knows."""
    kinds = " and ".join(f"'{kind}'" for kind in lack.kinds)
    if lack.never:
        return f"no `{lack.access.name}` on devices of {f'kind {kinds}' if kinds else lack.driver}"
    of_kind = f" of kind {kinds}" if kinds else ""
    return f"without `{lack.access.name}`, which devices of '{lack.driver}'{of_kind} need not have"


def place_of(failure: Failure) -> Span:
    """Return where the error comes from."""
    if failure.missing:
        return Span(*failure.missing[0].span)
    return Span(failure.ast.root.start, failure.ast.root.end)


def fallback(failure: Failure) -> Fix:
    """Return what to do where no guard was found that keeps what the selector accepts."""
    if failure.missing:
        return Fix(f"read `{failure.missing[0].name}` only where has() says that it is there")
    return Fix("ask only devices on which it can be answered")
