"""Unification of types: whether a value of one type may stand where another is declared.

A substitution maps the names of type parameters to types. It only grows, except that a failed attempt
is taken back. Source of the rules: cel-go checker/types.go.
"""

from typing import Final

from webhook.cel.types import DYN, Kind, Type, same_type, with_parameters

_PARAMETER: Final = Kind.PARAMETER
_DYNAMIC: Final = (Kind.DYN, Kind.ANY)
_WILD: Final = (Kind.DYN, Kind.ANY, Kind.ERROR)
_NULLABLE: Final = (Kind.OPAQUE, Kind.STRUCT, Kind.ANY, Kind.DURATION, Kind.TIMESTAMP, Kind.NULL)
_CONTAINERS: Final = (Kind.OPAQUE, Kind.LIST, Kind.MAP)


class Substitution:
    """What the type parameters of one check stand for so far."""

    __slots__ = ("_undo", "types")

    def __init__(self) -> None:
        self.types: dict[str, Type] = {}
        self._undo: list[tuple[str, Type | None]] = []

    def assignable(self, first: Type, second: Type) -> bool:
        """Whether `first` fits `second`; keeps what that says about type parameters if it does."""
        if first is second:
            return True
        if self._fits(first, second):
            self._undo.clear()
            return True
        self._take_back()
        return False

    def all_assignable(self, first: tuple[Type, ...], second: tuple[Type, ...]) -> bool:
        """The same for each pair of two sequences of one length; all or nothing is kept."""
        for one, other in zip(first, second, strict=True):
            if one is not other and not self._fits(one, other):
                self._take_back()
                return False
        self._undo.clear()
        return True

    def resolve(self, type_: Type, *, free_to_dyn: bool = False) -> Type:
        """The type with its parameters replaced by what they stand for; free ones become dyn on request."""
        if not type_.open:
            return type_
        if type_.kind == _PARAMETER:
            bound = self.types.get(type_.name)
            if bound is not None:
                return self.resolve(bound, free_to_dyn=free_to_dyn)
            return DYN if free_to_dyn else type_
        parameters = tuple([self.resolve(parameter, free_to_dyn=free_to_dyn) for parameter in type_.parameters])
        return with_parameters(type_, parameters)

    def _set(self, name: str, type_: Type) -> None:
        self._undo.append((name, self.types.get(name)))
        self.types[name] = type_

    def _take_back(self) -> None:
        while self._undo:
            name, before = self._undo.pop()
            if before is None:
                del self.types[name]
            else:
                self.types[name] = before

    def _fits(self, first: Type, second: Type) -> bool:
        kind = first.kind
        other = second.kind
        if other == _PARAMETER:
            valid, bound = self._binds(first, second)
            if valid or bound:
                return valid
        if kind == _PARAMETER:
            return self._binds(second, first)[0]
        if kind in _WILD or other in _WILD:
            return True
        if kind == Kind.NULL:
            return other in _NULLABLE or second.wrapper
        if other == Kind.NULL:
            return kind in _NULLABLE or first.wrapper
        if kind != other:
            return False
        if kind in _CONTAINERS:
            if first.name != second.name or len(first.parameters) != len(second.parameters):
                return False
            for one, another in zip(first.parameters, second.parameters, strict=True):
                if not self._fits(one, another):
                    return False
            return True
        return kind == Kind.TYPE or first.name == second.name

    def _binds(self, type_: Type, parameter: Type) -> tuple[bool, bool]:
        """Whether the parameter can stand for the type, and whether it stood for something before."""
        if type_.kind == _PARAMETER and type_.name == parameter.name:
            return True, True
        bound = self.types.get(parameter.name)
        if bound is not None:
            if type_.kind == bound.kind and same_type(type_, bound):
                return True, True
            if self._fits(type_, bound):
                wider = most_general(type_, bound)
                if self._absent(parameter, wider):
                    self._set(parameter.name, wider)
                return True, True
            return False, True
        if self._absent(parameter, type_):
            self._set(parameter.name, type_)
            return True, False
        return False, False

    def _absent(self, parameter: Type, within: Type) -> bool:
        """The occurs check."""
        if not within.open:
            return True
        if within.kind == _PARAMETER:
            if within.name == parameter.name:
                return False
            bound = self.types.get(within.name)
            return bound is None or self._absent(parameter, bound)
        for inner in within.parameters:  # noqa: SIM110 - recursion must not pass through C code
            if not self._absent(parameter, inner):
                return False
        return True


def most_general(first: Type, second: Type) -> Type:
    """The wider of two types that fit each other."""
    return first if _less_specific(first, second) else second


def _less_specific(first: Type, second: Type) -> bool:
    kind = first.kind
    if kind in _DYNAMIC or kind == _PARAMETER:
        return True
    if second.kind in _DYNAMIC or second.kind == _PARAMETER or kind != second.kind:
        return False
    if kind in _CONTAINERS:
        if first.name != second.name or len(first.parameters) != len(second.parameters):
            return False
        for one, other in zip(first.parameters, second.parameters, strict=True):  # noqa: SIM110 - see above
            if not _less_specific(one, other):
                return False
        return True
    return kind == Kind.TYPE or same_type(first, second)
