"""Whether a request can get a device that an opaque configuration is for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from webhook.cel.inspect import accesses, conjuncts
from webhook.cel.syntax import EQUALS, Ast, Call, Literal
from webhook.core.catalogue import ConfigKind, DriverPack
from webhook.core.claims import Alternative, Claim, OpaqueConfig, Selector
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.configuration import configurations
from webhook.inventory.domains import driver_demanded, is_slip
from webhook.inventory.knowledge import knowledge_of

Demands = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why no request can get what a configuration is for; `meant` are drivers that may be meant."""

    message: str
    advice: str
    why: str = ""
    meant: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Target:
    """What the selectors of one request, or of a class, demand beyond doubt: a driver, values of attributes."""

    name: str
    driver: str | None
    values: Demands


def mismatch(case: Case, config: OpaqueConfig) -> Mismatch | None:
    """Return why a configuration cannot apply to what it is for; None where it may.

    With named requests each of them must be able to get such a device; without, one of all is enough.
    """
    targets = tuple(_targets(case, config))
    if not targets:
        return None
    others = [target for target in targets if target.driver not in (None, config.driver)]
    if len(others) == len(targets):
        drivers = tuple(dict.fromkeys(target.driver for target in others if target.driver))
        return _wrong_driver(config, drivers, targets)
    return _misspelt(case, config) or _wrong_kind(case, config, targets)


def _wrong_driver(config: OpaqueConfig, drivers: tuple[str, ...], targets: tuple[_Target, ...]) -> Mismatch:
    asked = ", ".join(f"'{driver}'" for driver in drivers)
    return Mismatch(
        message=f"{_whose(targets)} cannot get a device of driver '{config.driver}'",
        advice=f"the driver of these devices is {asked}: remove the configuration, or write it for that one",
        why="a driver reads only the configurations that name it, so that this one does nothing",
        meant=drivers if len(drivers) == 1 else (),
    )


def _misspelt(case: Case, config: OpaqueConfig) -> Mismatch | None:
    knowledge = knowledge_of(case.view)
    if knowledge.domain(config.driver) is not None:
        return None
    mistake = knowledge.domain_mistake(config.driver)
    slips = tuple(domain for domain in sorted(knowledge.domains) if is_slip(domain, config.driver))
    meant = (mistake.right,) if mistake else slips
    if not meant:
        return None
    why = mistake.why if mistake else ""
    return Mismatch(f"no driver '{config.driver}' is known", f"did you mean `{meant[0]}`?", why, meant)


def _wrong_kind(case: Case, config: OpaqueConfig, targets: tuple[_Target, ...]) -> Mismatch | None:
    found = next((found for found in configurations(case) if found.config is config), None)
    kind = None if found is None else found.kind
    if found is None or kind is None or not kind.kinds:
        return None
    wrong = [target for target in targets if target.driver == config.driver and not _may_be(target, kind, found.pack)]
    if not wrong or (not config.requests and len(wrong) < len(targets)):
        return None
    kinds = ", ".join(sorted(kind.kinds))
    for_these = [other for other in found.kinds if all(_may_be(target, other, found.pack) for target in wrong)]
    advice = (
        f"the kind for these devices is `{for_these[0].kind}`" if len(for_these) == 1 else "remove the configuration"
    )
    return Mismatch(
        message=f"`{kind.kind}` is for devices of kind {kinds}, which {_whose(wrong)} cannot get",
        advice=advice,
        why="the driver refuses a configuration that does not fit the device",
    )


def _may_be(target: _Target, kind: ConfigKind, pack: DriverPack) -> bool:
    """Return whether the device asked for may be of one of the kinds that a configuration is for."""
    return any(
        device_kind.name in kind.kinds
        and all(target.values.get(name, value) == value for name, value in device_kind.marks.items())
        for device_kind in pack.kinds
    )


def _targets(case: Case, config: OpaqueConfig) -> Iterator[_Target]:
    """Yield what each request that the configuration concerns demands; a class is its own target."""
    subject = case.subject
    if not isinstance(subject, Claim):
        yield _target(case, "", subject.selectors)
        return
    for alternative in subject.alternatives():
        if not config.requests or alternative.name in config.requests or _parent(alternative) in config.requests:
            device_class = case.view.device_classes.get(alternative.device_class_name)
            selectors = (*(device_class.selectors if device_class else ()), *alternative.selectors)
            yield _target(case, alternative.name, selectors)


def _parent(alternative: Alternative) -> str:
    return alternative.name.partition("/")[0]


def _target(case: Case, name: str, selectors: Iterable[Selector]) -> _Target:
    driver: str | None = None
    values: dict[str, object] = {}
    for selector in selectors:
        ast = compiled_new(selector.expression, case.view.server).ast
        if ast is not None:
            driver = driver or driver_demanded(ast)
            values.update(_demanded(ast))
    return _Target(name, driver, values)


def _demanded(ast: Ast) -> Iterator[tuple[str, object]]:
    """Yield the attributes, by qualified name, that a selector demands to be equal to a literal at its top."""
    found = {id(access.node): access for access in accesses(ast)}
    for part in conjuncts(ast):
        if isinstance(part, Call) and part.function == EQUALS:
            for one, other in (part.args, part.args[::-1]):
                access = found.get(id(one))
                if access is not None and access.domain and access.name and isinstance(other, Literal):
                    yield f"{access.domain}/{access.name}", other.value


def _whose(targets: Iterable[_Target]) -> str:
    names = [f"'{target.name}'" for target in targets]
    if names == ["''"]:
        return "the class"
    return f"request{'s' if len(names) > 1 else ''} {', '.join(names)}"
