"""The environment in which policies' expressions are checked: Kubernetes' functions, and the words of policies."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

from webhook.cel.environment import VERSIONS, Environment, declared_environment
from webhook.cel.macros import Factory, Macros
from webhook.cel.syntax import INDEX, OPTIONAL_INDEX, Expr, Ident, Select
from webhook.cel.types import BOOL, STRING, Type
from webhook.core.policies import CONFIG_MAP, ParamKind
from webhook.policy.vocabulary import (
    CONFIG_MAP_PARAMS,
    OWN_PARAMS,
    PARAMS,
    STRUCTS,
    VARIABLES,
    WORDS,
    Struct,
    Word,
    declarations,
)

NEWEST: Final = VERSIONS[-1]
ASSUMED: Final = (32, 64)
"""The most entries of a list and the longest text in an object that the estimate of costs assumes."""

_OWN_VARIABLES: Final = "drawbridge.Variables"


def _quota(make: Factory, _: Expr, args: tuple[Expr, ...]) -> Expr:
    """`quota('name')` is `quotas['name']`."""
    return make.call(INDEX, make.ident("quotas"), args[0])


def _devices(make: Factory, target: Expr, args: tuple[Expr, ...]) -> Expr | None:
    """`inventory.devices('driver')` is `inventory.byDriver[?'driver'].orValue([])`."""
    if not isinstance(target, Ident) or target.name != "inventory":
        return None
    listed = Select(make.next_id(), make.pos, make.start, make.end, target, "byDriver", target.pos)
    return make.call("orValue", make.list(), target=make.call(OPTIONAL_INDEX, listed, args[0]))


_MACROS: Final[Macros] = {("quota", 1, False): _quota, ("devices", 1, True): _devices}


def policy_environment(
    version: str, param_kind: ParamKind | None, variables: tuple[tuple[str, Type], ...] = ()
) -> Environment:
    """Return the environment with the policy's parameters, if it has some, and the variables declared so far."""
    base = _base(version, param_kind)
    return replace(base, structs={**base.structs, _OWN_VARIABLES: dict(variables)}) if variables else base


@lru_cache(maxsize=32)
def _base(version: str, param_kind: ParamKind | None) -> Environment:
    words: tuple[Word, ...] = (*WORDS, Word(VARIABLES, _OWN_VARIABLES, "The policy's variables."))
    structs: tuple[Struct, ...] = STRUCTS
    if param_kind is not None:
        params = CONFIG_MAP_PARAMS if param_kind.kind == CONFIG_MAP else OWN_PARAMS
        words = (*words, Word(PARAMS, params[0].name, "The policy's parameters."))
        structs = (*structs, *params)
    made = declared_environment(version if version in VERSIONS else NEWEST, "\n".join(declarations(words, structs)))
    return replace(
        made,
        structs={**made.structs, _OWN_VARIABLES: {}},
        macros={**made.macros, **_MACROS},
        undeclared=ASSUMED,
    )


def giving_bool(environment: Environment) -> Environment:
    return replace(environment, result_types=(BOOL,))


def giving_text(environment: Environment) -> Environment:
    return replace(environment, result_types=(STRING,))
