"""What random expressions must bring: every overload, macro, validator and phase of refusal; how often they came."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from webhook.cel.compile import Compiled, DiagnosticKind
from webhook.cel.environment import Environment, Overload
from webhook.cel.syntax import Call, walk

# What the validators say, at the beginning of a message.
_VALIDATORS = {
    "duration": "invalid duration argument",
    "timestamp": "invalid timestamp argument",
    "regex": "invalid matches argument",
    "format": "error during formatting|could not parse formatting|too many arguments|unexpected end of string|index",
    "homogeneous": "expected type '",
}
# What ends an expression before its types are looked at, by the beginning of a message.
_PHASES = {
    "lexing": "Syntax error: token recognition error",
    "parsing": "Syntax error: (?!token recognition)",
    "literals": "invalid (int|uint|double|unicode)|unable to unescape",
    "reserved words": "reserved identifier",
    "macros": "argument (must be a simple|is not an id)|invalid argument to has|.*must be (a )?simple id|iteration",
    "depth": "(expression|max) recursion",
}
_OUTCOMES = ("true", "false", "error", "cost limit")
_MESSAGE = re.compile(r"^(?:compilation failed: )?ERROR: <input>:-?\d+:-?\d+: ", re.MULTILINE)
_INNER = ("@", "__", "cel.@", "_in_")


class Coverage:
    """How often each wanted name has come in different expressions."""

    def __init__(self, environment: Environment) -> None:
        self.seen: Counter[str] = Counter()
        self.wanted = {
            *(f"overload {one.overload.id}" for one in callable_overloads(environment)),
            *(f"macro {name}/{count}" for name, count, _ in environment.macros),
            *(f"validator {name}" for name in _VALIDATORS),
            *(f"phase {name}" for name in (*_PHASES, "planning", "panic")),
            *(f"phase {kind.value}" for kind in DiagnosticKind if kind is not DiagnosticKind.SYNTAX),
            *(f"outcome {name}" for name in _OUTCOMES),
        }

    def count(self, compiled: Compiled, result: bool | None, eval_error: str | None) -> None:
        """Count one expression: what is in it once it compiles, or what it was refused for; and what it gave.

        An overload counts where the types single it out, not where it is one of those that may fit.
        """
        names: set[str] = set()
        if compiled.ast is not None:
            for node in walk(compiled.ast.root):
                if isinstance(node, Call) and len(node.overloads) == 1:
                    names.add(f"overload {node.overloads[0]}")
            names.update(f"macro {call.function}/{len(call.args)}" for call in compiled.ast.macros.values())
        names.update(_of_refusal(compiled))
        if eval_error is not None:
            names.add("outcome cost limit" if "cost limit exceeded" in eval_error else "outcome error")
        elif result is not None:
            names.add(f"outcome {str(result).lower()}")
        self.seen.update(names)

    def rare(self, least: int) -> list[tuple[str, int]]:
        """Return what has come fewer times than that, the rarest first."""
        found = [(name, self.seen[name]) for name in sorted(self.wanted) if self.seen[name] < least]
        return sorted(found, key=lambda pair: pair[1])

    def summary(self) -> str:
        """Return how many of each sort there are, and the three rarest of it."""
        lines = []
        for sort in ("overload", "macro", "validator", "phase", "outcome"):
            counts = sorted((self.seen[name], name.split(" ", 1)[1]) for name in self.wanted if name.startswith(sort))
            rarest = ", ".join(f"{name} {count}" for count, name in counts[:3])
            lines.append(f"  {len(counts)} {sort}s, the rarest: {rarest}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Declared:
    """One overload as it is written: `name(args)` or `target.name(args)`."""

    name: str
    overload: Overload
    method: bool


def callable_overloads(environment: Environment) -> Iterator[Declared]:
    """Yield what a user can call, leaving out what only macros call."""
    for name, function in environment.functions.items():
        if name == "@in" or not (name == "in" or name.startswith(_INNER)):
            yield from (Declared(name, overload, method=False) for overload in function.functions)
            yield from (Declared(name, overload, method=True) for overload in function.methods)


def _of_refusal(compiled: Compiled) -> set[str]:
    found = compiled.found()
    if found is None:
        return set()
    if found.reference_text.startswith("program instantiation failed"):
        return {"phase planning"}
    if found.reference_text.startswith("panic"):
        return {"phase panic"}
    messages = [found.reference_text[match.end() :] for match in _MESSAGE.finditer(found.reference_text)]
    if found.kind is DiagnosticKind.SYNTAX:
        return {f"phase {name}" for name, words in _PHASES.items() if any(re.match(words, one) for one in messages)}
    names = {f"validator {name}" for name, words in _VALIDATORS.items() if any(re.match(words, m) for m in messages)}
    return names or {f"phase {found.kind.value}"}
