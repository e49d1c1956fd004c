"""config-invalid-value: parameters for a driver hold what their kind cannot: a wrong type, value or combination."""

from collections.abc import Iterator

from webhook.core.finding import Edit, Finding, Fix
from webhook.core.json_schema import SchemaProblem, SchemaProblemKind, written
from webhook.core.quantity_slips import quantities_meant
from webhook.core.suggest import explains, nearest
from webhook.inventory.case import Case
from webhook.inventory.configuration import configurations

NAME = "config-invalid-value"


def check(case: Case) -> Iterator[Finding]:
    for found in configurations(case):
        for problem in found.problems:
            if problem.kind is not SchemaProblemKind.UNKNOWN:
                yield Finding(
                    rule=NAME,
                    severity=found.severity(explained=_explained(problem)),
                    path=problem.path,
                    message=problem.message,
                    why=problem.why,
                    fixes=tuple(_fixes(problem)),
                )


def _explained(problem: SchemaProblem) -> bool:
    if problem.kind is not SchemaProblemKind.VALUE or not isinstance(problem.value, str):
        return False
    return any(explains(choice, problem.value) for choice in problem.choices if isinstance(choice, str))


def _fixes(problem: SchemaProblem) -> Iterator[Fix]:
    match problem.kind:
        case SchemaProblemKind.EXCLUDED:
            yield Fix(f"remove `{problem.name}`", edits=(Edit(problem.path, None),))
        case SchemaProblemKind.MISSING:
            yield from _settings(problem)
        case SchemaProblemKind.TYPE if problem.default is not None:
            yield Fix(f"write {written(problem.default)}", edits=(Edit(problem.path, problem.default),))
        case _:
            yield from _values(problem)


def _settings(problem: SchemaProblem) -> Iterator[Fix]:
    path = problem.path.child(problem.name)
    if problem.default is not None:
        text = f"set `{problem.name}: {problem.default}`"
        yield Fix(text, edits=(Edit(path, problem.default),))
    elif problem.choices:
        yield Fix(f"set `{problem.name}` to one of {', '.join(map(written, problem.choices))}")
    else:
        yield Fix(f"set `{problem.name}`")


def _values(problem: SchemaProblem) -> Iterator[Fix]:
    choices = [choice for choice in problem.choices if isinstance(choice, str)]
    near = nearest(problem.value, choices) if isinstance(problem.value, str) else ()
    for choice in near:
        yield Fix(f"did you mean '{choice}'?", edits=(Edit(problem.path, choice),))
    amounts = tuple(quantities_meant(problem.value)) if _is_no_quantity(problem) else ()
    for amount in amounts:
        yield Fix(f"write '{amount}'", edits=(Edit(problem.path, amount),))
    if not near and not amounts:
        listed = f"write one of {', '.join(map(written, choices))}" if choices else ""
        wanted = problem.message.partition(", not ")[0]
        typed = problem.kind is SchemaProblemKind.TYPE
        told = f"write {wanted.removeprefix('must be ')}" if typed else f"write a value that {wanted}"
        yield Fix(problem.advice or listed or told)


def _is_no_quantity(problem: SchemaProblem) -> bool:
    return isinstance(problem.value, str) and problem.message.startswith("must be a quantity")
