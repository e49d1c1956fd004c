"""Which devices a request may get: those that its class's selectors and its own accept.

A selector that ends in an error on a device does not accept it (the scheduler then even stops at the node).
Selectors are judged as the scheduler does, in the environment for stored expressions.
"""

from collections.abc import Callable, Iterable
from itertools import compress

from webhook.cel.compile import Verdict, device_environment
from webhook.cel.environment import Environment
from webhook.cel.evaluator import build
from webhook.core.cache import BoundedCache
from webhook.core.claims import Selector
from webhook.core.cluster import ClusterView
from webhook.core.device import Device
from webhook.core.versions import CONSUMABLE_CAPACITY, LIST_ATTRIBUTES, ServerTruth
from webhook.inventory.case import compiled_in, never
from webhook.inventory.inventory import Inventory
from webhook.inventory.judge import Judge
from webhook.inventory.outcomes import Outcome, Outcomes

_MOST_CHARACTERS = 25_000  # of source
_JUDGES: BoundedCache[tuple[str, int], Judge] = BoundedCache(_MOST_CHARACTERS)


def stored_environment(server: ServerTruth) -> Environment:
    """Return what the scheduler compiles selectors with."""
    return device_environment(
        server.version,
        stored=True,
        consumable_capacity=server.gate_or_default(CONSUMABLE_CAPACITY),
        list_attributes=server.gate_or_default(LIST_ATTRIBUTES),
    )


def accepting(
    view: ClusterView, inventory: Inventory, selectors: Iterable[Selector], expired: Callable[[], bool] = never
) -> tuple[int, ...] | None:
    """Return the numbers of the devices that every selector accepts.

    None where one cannot be judged, or where the time was over; what was judged till then is not judged again.
    """
    return accepting_texts(view, inventory, (selector.expression for selector in selectors), expired)


def accepting_texts(
    view: ClusterView, inventory: Inventory, expressions: Iterable[str], expired: Callable[[], bool] = never
) -> tuple[int, ...] | None:
    environment = stored_environment(view.server)
    wanted = tuple(expressions)
    key = (wanted, id(environment))
    known = inventory.accepted.known(key)
    if known is not None:
        return known
    mask: int | None = None
    for expression in wanted:
        outcomes = outcomes_of(expression, environment, inventory, expired)
        if outcomes is None:
            return None
        mask = int.from_bytes(outcomes.true()) if mask is None else mask & int.from_bytes(outcomes.true())
    count = len(inventory.devices)
    found = tuple(range(count) if mask is None else compress(range(count), mask.to_bytes(count)))
    return inventory.accepted.get(key, 1 + len(found), lambda: found)


def outcomes_of(
    expression: str, environment: Environment, inventory: Inventory, expired: Callable[[], bool] = never
) -> Outcomes | None:
    """Return what the expression gives on each device; None where it does not compile, or the time was over."""
    key = (expression, id(environment))  # environments are cached for good, so their identity is stable
    outcomes = inventory.outcomes(key)
    if not outcomes.left:
        return outcomes
    judge = _judge(expression, environment)
    if judge is None:
        return None
    first = (outcomes.left[0][0],) * 2  # who asks has just asked for the time
    for start, end in outcomes.left:
        found: list[Outcome] = []
        for at in range(start, end, judge.at_once):
            if (at, start) != first and expired():
                break
            found += judge.on(inventory.devices[at : min(at + judge.at_once, end)], expired)
        done = start + len(found)
        rest = outcomes.left[1:] if done == end else ((done, end), *outcomes.left[1:])
        outcomes = outcomes.judged(start, found, rest)
        inventory.remember(key, outcomes)
        if done < end:
            return None
    return outcomes


def outcome_on(expression: str, environment: Environment, device: Device) -> Outcome | None:
    """Return what the expression gives on one device, of the inventory or not.

    None where it does not compile, or where running it may take long.
    """
    judge = _judge(expression, environment)
    return None if judge is None or judge.may_take_long else next(judge.on((device,)))


def _judge(expression: str, environment: Environment) -> Judge | None:
    compiled = compiled_in(expression, environment)
    ast = compiled.ast
    if ast is None or compiled.verdict in (Verdict.INVALID, Verdict.TOO_LONG):
        return None
    bounded = compiled.verdict is Verdict.TOO_COSTLY
    key = (expression, id(environment))
    cost = compiled.max_cost
    return _JUDGES.get(key, len(expression), lambda: Judge(ast, build(ast, environment.version, bounded), cost))
