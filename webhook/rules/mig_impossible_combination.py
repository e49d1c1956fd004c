"""mig-impossible-combination: partitions that must share one GPU, and that no GPU can hold together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from webhook.core.catalogue import Model
from webhook.core.claims import AllocationMode, Alternative, Claim, Constraint
from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.constraints import attribute_of, concerned
from webhook.inventory.mig import PARENT, PROFILE, Geometry, Want, allowed, fits, geometry_of

NAME = "mig-impossible-combination"
_MOST_REQUESTS = 32
_MOST_NAMED = 3


def check(case: Case) -> Iterator[Finding]:
    if not isinstance(case.subject, Claim):
        return
    for constraint in case.subject.constraints:
        driver, _, name = constraint.match_attribute.rpartition("/")
        geometry = geometry_of(case.view, driver) if name == PARENT else None
        if geometry is not None and not case.expired():
            yield from _finding(case, case.subject, constraint, geometry)


def _finding(case: Case, claim: Claim, constraint: Constraint, geometry: Geometry) -> Iterator[Finding]:
    wants = _wants(case, claim, constraint, geometry)
    if not wants or _fit(case, geometry.here if geometry.all_known else geometry.models, wants):
        return
    nowhere = not _fit(case, geometry.models, wants)
    if case.expired():
        return
    models = geometry.models if nowhere else geometry.here
    yield Finding(
        rule=NAME,
        severity=Severity.DENY if nowhere else Severity.WARN,
        path=attribute_of(constraint)[1],
        message=f"no {'GPU' if nowhere else 'GPU here'} can hold {_written(wants)} at once",
        why="" if nowhere else f"the models here are {_listed(model.products[0] for model in geometry.here)}",
        fixes=tuple(_fixes(case, models, wants)),
    )


def _fit(case: Case, models: Iterable[Model], wants: Sequence[Sequence[Want]]) -> bool:
    """Return whether some model can hold them; where the time does not suffice, none of those looked at."""
    return any(fits(model, wants) for model in models if not case.expired())


def _wants(case: Case, claim: Claim, constraint: Constraint, geometry: Geometry) -> list[list[Want]]:
    """Return what each request that must use the GPU asks of it; nothing where one of them asks for no known profile.

    A request of which only some alternatives are named may be served by another one.
    """
    wants: list[list[Want]] = []
    known: dict[tuple[str, ...], frozenset[str]] = {}
    for entry in concerned(claim, constraint):
        if not entry.whole or any(way.admin_access for way in entry.ways):
            continue
        if len(wants) == _MOST_REQUESTS or case.expired():
            return []
        ways = []
        for way in entry.ways:
            texts = _about_profiles(case, way)
            if texts not in known:
                known[texts] = allowed(case, geometry, texts)
            ways.append(Want(known[texts], _count(way)))
        if not all(want.profiles for want in ways):
            return []
        wants.append(ways)
    return wants


def _count(way: Alternative) -> int:
    return way.count if way.mode is AllocationMode.EXACT_COUNT else int(way.mode is AllocationMode.ALL)


def _about_profiles(case: Case, way: Alternative) -> tuple[str, ...]:
    """Return the selectors of class and request that may speak of profiles; others leave all of them."""
    device_class = case.view.device_classes.get(way.device_class_name)
    selectors = (*(device_class.selectors if device_class else ()), *way.selectors)
    return tuple(selector.expression for selector in selectors if PROFILE in selector.expression)


def _written(wants: Iterable[Sequence[Want]]) -> str:
    """Return the partitions in words: `2 x '3g.40gb', 1 x '1g.10gb'`."""
    return ", ".join(" or ".join(map(_named, ways)) for ways in wants)


def _named(want: Want) -> str:
    names = sorted(want.profiles)
    return f"{want.count} x {_listed(names, '/') if len(names) <= _MOST_NAMED else 'MIG'}"


def _listed(names: Iterable[str], between: str = ", ") -> str:
    return between.join(f"'{name}'" for name in names)


def _fixes(case: Case, models: Sequence[Model], wants: Sequence[Sequence[Want]]) -> Iterator[Fix]:
    """Yield a lower count that alone would do, and to let go of the constraint."""
    for position, ways in enumerate(wants):
        if len(ways) == 1 and ways[0].count > 1:
            for count in range(min(ways[0].count - 1, 8), 0, -1):
                less = [*wants[:position], [replace(ways[0], count=count)], *wants[position + 1 :]]
                if _fit(case, models, less):
                    yield Fix(f"ask for at most {_named(less[position][0])} of one GPU")
                    break
    yield Fix("leave the constraint out, so that the partitions may be of several GPUs")
