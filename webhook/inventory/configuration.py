"""Opaque configuration of claims and classes: what the driver's pack says that it may hold.

The API server passes `opaque.parameters` on unread; a driver reads them strictly when the pod is already on its node.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from webhook.core.catalogue import ConfigKind, DriverPack, MistakeKind
from webhook.core.claims import OpaqueConfig
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Edit, Fix, Severity
from webhook.core.json_schema import SchemaProblem, SchemaProblemKind, schema_problems, written
from webhook.core.raw import EMPTY, RawObject
from webhook.core.suggest import MOST_SUGGESTIONS, explains, nearest
from webhook.inventory.case import Case
from webhook.inventory.knowledge import DomainKnowledge, knowledge_of
from webhook.inventory.unknown import listing

_MOST_PROBLEMS = 50
_TYPE_FIELDS = ("apiVersion", "kind")


@dataclass(frozen=True)
class Configuration:
    """One entry of `config` for a driver whose pack knows what it takes."""

    config: OpaqueConfig
    known: DomainKnowledge
    pack: DriverPack

    @property
    def path(self) -> FieldPath:
        """Return the path of the parameters."""
        return self.config.path.child("opaque", "parameters")

    @cached_property
    def kinds(self) -> tuple[ConfigKind, ...]:
        """Return the kinds that the driver's version takes."""
        former = self.pack.former
        return tuple(kind for kind in self.pack.configs if self.known.versions.meets(kind.lifetime, former))

    @cached_property
    def kind(self) -> ConfigKind | None:
        """Return the kind that the parameters are of; None where it is none of the driver's."""
        version, name = (self.config.parameters.get(field) for field in _TYPE_FIELDS)
        for kind in self.kinds:
            if not kind.kind or (kind.api_version, kind.kind) == (version, name):
                return kind
        return None

    @cached_property
    def problems(self) -> tuple[SchemaProblem, ...]:
        """Return where the parameters do not fit their kind, at most fifty."""
        kind = self.kind
        if kind is None:
            return ()
        parameters = self.config.parameters
        if kind.kind:
            parameters = {name: value for name, value in parameters.items() if name not in _TYPE_FIELDS}
        return _merged(tuple(islice(schema_problems(parameters, kind.schema, self.path), _MOST_PROBLEMS)))

    def severity(self, *, explained: bool) -> Severity:
        """Return how sure a mistake is: a driver that may know more than its pack is only warned of (contract 4)."""
        return Severity.DENY if explained or not self.known.is_vague else Severity.WARN


def configurations(case: Case) -> Iterator[Configuration]:
    """Yield the configurations of the subject whose driver has a pack with kinds of configuration."""
    for config in case.subject.config:
        found = _configuration(case, config)
        if found is not None:
            yield found


def takes(case: Case, config: OpaqueConfig) -> bool:
    """Return whether the driver takes parameters of this kind; a driver of whose kinds nothing is known may."""
    found = _configuration(case, config)
    return found is None or found.kind is not None


def _configuration(case: Case, config: OpaqueConfig) -> Configuration | None:
    known = knowledge_of(case.view).domain(config.driver)
    if known is None or known.pack is None or not known.pack.configs:
        return None
    return Configuration(config, known, known.pack)


def _merged(problems: tuple[SchemaProblem, ...]) -> tuple[SchemaProblem, ...]:
    """Return the problems without what is missing only because it stands under a wrong name or in a wrong place."""
    unknown = [problem for problem in problems if problem.kind is SchemaProblemKind.UNKNOWN]
    meant = {problem.name for problem in unknown}
    meant |= {near for problem in unknown for near in nearest(problem.name, problem.choices)[:1]}
    return tuple(p for p in problems if p.kind is not SchemaProblemKind.MISSING or p.name not in meant)


@dataclass(frozen=True, slots=True)
class UnknownKind:
    """What is to be said of parameters that are of no kind that the driver takes."""

    message: str
    explained: bool
    fixes: tuple[Fix, ...]
    why: str = ""


def unknown_kind(found: Configuration) -> UnknownKind | None:
    """Return what is wrong with the kind of the parameters; None where it is one of the driver's."""
    if found.kind is not None or not found.kinds:
        return None
    version, name = (found.config.parameters.get(field) for field in _TYPE_FIELDS)
    driver = found.pack.driver
    takes = listing([kind.kind for kind in found.kinds])
    if not isinstance(version, str) or not isinstance(name, str):
        missing = " and ".join(
            f"`{field}`" for field in _TYPE_FIELDS if not isinstance(found.config.parameters.get(field), str)
        )
        fixes = tuple(_to_kind(found, kind) for kind in _named(found, name))
        message = f"the parameters for driver '{driver}' must have {missing}"
        return UnknownKind(message, bool(fixes), fixes or (Fix(f"state the kind; the driver takes {takes}"),))
    fixes = tuple(_to_kind(found, kind) for kind in _named(found, name))[:MOST_SUGGESTIONS]
    mistake = found.known.mistake(MistakeKind.CONFIG, version) or found.known.mistake(MistakeKind.CONFIG, name)
    return UnknownKind(
        message=f"driver '{driver}' takes no `{name[:60]}` of '{version[:60]}'",
        explained=bool(fixes),
        fixes=fixes or (Fix(f"the driver takes {takes} of '{found.kinds[0].api_version}'"),),
        why=mistake.why if mistake else "",
    )


def _named(found: Configuration, name: Any) -> list[ConfigKind]:
    """Return the kinds that a name may be meant for, best first: itself, a known mistake, near ones."""
    if not isinstance(name, str):
        return [found.kinds[0]] if len(found.kinds) == 1 else []
    by_name = {kind.kind: kind for kind in reversed(found.kinds)}
    mistake = found.known.mistake(MistakeKind.CONFIG, name)
    names = dict.fromkeys((name, *((mistake.right,) if mistake else ()), *nearest(name, by_name)))
    return [by_name[one] for one in names if one in by_name]


def _to_kind(found: Configuration, kind: ConfigKind) -> Fix:
    wanted = {"apiVersion": kind.api_version, "kind": kind.kind}
    changes = {field: value for field, value in wanted.items() if found.config.parameters.get(field) != value}
    said = " and ".join(f"`{field}: {value}`" for field, value in changes.items())
    return Fix(f"write {said}", edits=tuple(Edit(found.path.child(field), value) for field, value in changes.items()))


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that is none of its kind's: whether a slip explains it, and the fixes."""

    problem: SchemaProblem
    explained: bool
    fixes: tuple[Fix, ...]


def unknown_field(found: Configuration, problem: SchemaProblem) -> UnknownField:
    """Return what may be meant by an unknown field: a near name beside it, or the same name elsewhere in the kind."""
    kind = found.kind
    assert kind is not None  # it has a schema, so the problem has a place in it
    around = problem.path.parent()
    taken = _at(found.config.parameters, around.steps[len(found.path.steps) :])
    fixes = []
    for name in nearest(problem.name, problem.choices):
        hint = " (names are case-sensitive)" if name.lower() == problem.name.lower() else ""
        renamed = () if name in taken else (Edit(problem.path, None), Edit(around.child(name), problem.value))
        fixes.append(Fix(f"did you mean `{name}`?{hint}", edits=renamed))
    for place in _places(kind.schema, problem.name, ()):
        edits = _moved(found, problem, place)
        fixes.append(
            Fix(f"`{problem.name}` belongs to `{'.'.join(place[:-1]) or 'the parameters themselves'}`", edits=edits)
        )
    explained = bool(fixes) and (not problem.choices or any(explains(n, problem.name) for n in problem.choices))
    explained = explained or any("belongs to" in fix.message for fix in fixes)
    if not fixes:
        text = f"its fields are {listing(problem.choices)}" if problem.choices else "it has no fields"
        fixes.append(Fix(text, edits=(Edit(problem.path, None),)))
    return UnknownField(problem, explained, tuple(fixes[:MOST_SUGGESTIONS]))


def _moved(found: Configuration, problem: SchemaProblem, place: tuple[str, ...]) -> tuple[Edit, ...]:
    """Return the edits that put a field in its place, with the object around it where that is not there yet."""
    *above, around = ("", *place[:-1])
    inside = _at(found.config.parameters, place[:-1])
    if problem.name in inside:
        return ()
    if inside or len(place) == 1:
        return Edit(problem.path, None), Edit(found.path.child(*place), problem.value)
    if len(above) == 1 or _at(found.config.parameters, tuple(above[1:])):
        return Edit(problem.path, None), Edit(found.path.child(*above[1:], around), {problem.name: problem.value})
    return ()


def _at(value: Any, steps: tuple[Any, ...]) -> Mapping[str, Any]:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else EMPTY


def _places(schema: RawObject, name: str, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths at which a schema has a field of this name."""
    for field, inner in schema.get("properties", EMPTY).items():
        if field == name:
            yield (*above, field)
        if isinstance(inner, dict):
            yield from _places(inner, name, (*above, field))


def needed_gates(found: Configuration) -> Iterator[tuple[FieldPath, str, str]]:
    """Yield the gates that the parameters need: where, what of them needs it in words, and the gate."""
    for condition, gate in found.kind.gates if found.kind else ():
        place, _, value = condition.partition("=")
        if not place:
            yield found.path.child("kind"), f"`{found.kind.kind if found.kind else ''}`", gate
            continue
        steps = tuple(place.split("."))
        actual = _at(found.config.parameters, steps[:-1]).get(steps[-1])
        if actual is not None and written(actual).strip("'") == value:
            yield found.path.child(*steps), f"`{steps[-1]}: {value}`", gate
