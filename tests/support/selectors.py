"""Selectors in tests: their trees, and those trees as short texts."""

from webhook.cel.environment import device_environment
from webhook.cel.lexer import tokenize
from webhook.cel.parser import parse
from webhook.cel.printer import print_expression
from webhook.cel.syntax import CONDITIONAL, Ast, Call, Expr

SIGNS = {"_&&_": "&&", "_||_": "||", "_+_": "+", "_-_": "-", "_*_": "*", "_<_": "<", "_==_": "=="}


def parsed(text: str, version: str = "1.37") -> Ast:
    """The tree of a text that has no syntax errors."""
    environment = device_environment(version)
    result = parse(tokenize(text), environment.macros, escaped_names=environment.escaped_names)
    assert result.root is not None, result.errors
    return Ast(result.root, text, result.macros)


def shape(node: Expr) -> str:
    """The tree with every operation in brackets."""
    if isinstance(node, Call) and node.function in SIGNS:
        left, right = node.args
        return f"({shape(left)} {SIGNS[node.function]} {shape(right)})"
    if isinstance(node, Call) and node.function == CONDITIONAL:
        condition, then, other = map(shape, node.args)
        return f"({condition} ? {then} : {other})"
    return print_expression(Ast(node, "", {}))
