"""Which devices a request may get: those that its class's selectors and its own accept.

A selector that ends in an error on a device does not accept it (the scheduler then even stops at the node).
Selectors are judged as the scheduler does, in the environment for stored expressions.
"""

from collections.abc import Iterable

from webhook.cel.compile import Verdict, device_environment
from webhook.cel.environment import Environment
from webhook.cel.evaluator import EvaluationError, build
from webhook.core.claims import Selector
from webhook.core.cluster import ClusterView
from webhook.core.versions import CONSUMABLE_CAPACITY, LIST_ATTRIBUTES, ServerTruth
from webhook.inventory.case import compiled_in
from webhook.inventory.inventory import Inventory


def stored_environment(server: ServerTruth) -> Environment:
    """Return what the scheduler compiles selectors with."""
    return device_environment(
        server.version,
        stored=True,
        consumable_capacity=server.gate_or_default(CONSUMABLE_CAPACITY),
        list_attributes=server.gate_or_default(LIST_ATTRIBUTES),
    )


def accepting(view: ClusterView, inventory: Inventory, selectors: Iterable[Selector]) -> tuple[int, ...] | None:
    """Return the numbers of the devices that every selector accepts; None where one cannot be judged."""
    return accepting_texts(view, inventory, (selector.expression for selector in selectors))


def accepting_texts(view: ClusterView, inventory: Inventory, expressions: Iterable[str]) -> tuple[int, ...] | None:
    environment = stored_environment(view.server)
    wanted = tuple(expressions)
    return inventory.accepted.get((wanted, id(environment)), 1, lambda: _accepting(wanted, environment, inventory))


def _accepting(wanted: tuple[str, ...], environment: Environment, inventory: Inventory) -> tuple[int, ...] | None:
    left: Iterable[int] = range(len(inventory.devices))
    for expression in wanted:
        outcomes = outcomes_of(expression, environment, inventory)
        if outcomes is None:
            return None
        left = [number for number in left if outcomes[number] is True]
    return tuple(left)


def outcomes_of(expression: str, environment: Environment, inventory: Inventory) -> tuple[bool | str, ...] | None:
    """Return for each device true, false, or the error's text; None where the expression does not compile."""
    key = (expression, id(environment))  # environments are cached for good, so their identity is stable
    return inventory.outcomes.get(key, 1, lambda: _outcomes(expression, environment, inventory))


def _outcomes(expression: str, environment: Environment, inventory: Inventory) -> tuple[bool | str, ...] | None:
    compiled = compiled_in(expression, environment)
    if compiled.ast is None or compiled.verdict in (Verdict.INVALID, Verdict.TOO_LONG):
        return None
    matches = build(compiled.ast, environment.version, bounded=compiled.verdict is Verdict.TOO_COSTLY).matches
    found: list[bool | str] = []
    for device in inventory.cel_devices:
        try:
            found.append(matches(device))
        except EvaluationError as error:
            found.append(str(error))
    return tuple(found)
