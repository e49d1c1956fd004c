"""selector-always-true: a selector accepts every device, whatever it publishes."""

from collections.abc import Iterator

from webhook.cel.contradiction import Logic
from webhook.cel.syntax import NOT_EQUALS, OR, Ast, Call
from webhook.core.cache import BoundedCache
from webhook.core.finding import Finding, Fix, Replacement, Severity, Span
from webhook.inventory.case import Case

NAME = "selector-always-true"
_MOST_KEPT = 250_000  # characters of source


def check(case: Case) -> Iterator[Finding]:
    for selector, _, ast in case.trees():
        if _always(ast, case.view.server.version):
            yield Finding(
                rule=NAME,
                severity=Severity.INFO,
                path=selector.path,
                message="the selector is true on every device, so it excludes none",
                fixes=(*_both(ast), Fix("leave it out, or compare what was meant")),
                source=selector.expression,
                span=Span(ast.root.start, ast.root.end),
            )


def _both(ast: Ast) -> Iterator[Fix]:
    """Yield the `&&` that is meant between two values that are both to be excluded."""
    root = ast.root
    if not isinstance(root, Call) or root.function != OR:
        return
    if all(isinstance(part, Call) and part.function == NOT_EQUALS for part in root.args):
        yield Fix("to exclude both, write `&&`", replacements=(Replacement(Span(root.pos, root.pos + 2), "&&"),))


_ALWAYS: BoundedCache[tuple[str, str], bool] = BoundedCache(_MOST_KEPT)


def _always(ast: Ast, version: str) -> bool:
    def computed() -> bool:
        return Logic(version, frozenset({id(ast.root)})).always_holds(ast.root)

    return _ALWAYS.get((ast.source, version), len(ast.source), computed)
