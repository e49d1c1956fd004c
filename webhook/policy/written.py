"""An expression as its author wrote it: macros are calls again, and each part has the place where its value is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from webhook.cel.printer import SIGNS
from webhook.cel.syntax import INDEX, OPTIONAL_INDEX, OPTIONAL_SELECT, Ast, Call, Expr, Select, children

_AT_SIGN: Final = frozenset({*SIGNS, INDEX, OPTIONAL_INDEX, OPTIONAL_SELECT})
_HAS: Final = "has"


@dataclass(frozen=True, slots=True)
class Written:
    """A part of an expression: `node` is what is evaluated, `call` the macro that it was written as.

    `parent` is the operator or function whose operand it is, empty at the root.
    """

    node: Expr
    call: Call | None
    parent: str = ""

    @property
    def form(self) -> Expr:
        """What it looks like."""
        return self.call or self.node

    def text(self, ast: Ast) -> str:
        return ast.source[self.node.start : self.node.end]

    def name_start(self, ast: Ast) -> int:
        """Return where the name of a function or macro begins; -1 where there is none."""
        form = self.form
        if not isinstance(form, Call) or form.function in _AT_SIGN:
            return -1
        return ast.source.rfind(form.function.rpartition(".")[2], form.start, form.pos)

    def anchor(self, ast: Ast) -> int:
        """Return where its value is told: at the operator, the field or the name."""
        form = self.form
        if isinstance(form, Select):
            return form.field_pos if form.field_pos >= 0 else form.start
        if isinstance(form, Call):
            name = self.name_start(ast)
            return name if name >= 0 else form.pos
        return form.start


def written(ast: Ast) -> Iterator[Written]:
    """Yield the parts of an expression, each before its own parts."""
    stack = [Written(ast.root, ast.macros.get(ast.root.id))]
    while stack:
        part = stack.pop()
        yield part
        form = part.form
        function = form.function if isinstance(form, Call) else ""
        inner = () if part.call is not None and function == _HAS else children(form)
        stack.extend(Written(one, ast.macros.get(one.id), function) for one in reversed(inner))
