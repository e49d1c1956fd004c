"""Authorization checks are declared in every environment, but no selector can get at a value to ask.

So each call ends in `no such overload` (apiserver library/authz.go).
"""

from typing import Final

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.types import STRING, Kind, Type
from webhook.cel.values import Value, no_such_overload

# Receiver, then per method its id and how many strings it takes.
_METHODS: Final = {
    "Authorizer": {
        "path": ("authorizer_path", 1),
        "group": ("authorizer_group", 1),
        "serviceAccount": ("authorizer_serviceaccount", 2),
    },
    "PathCheck": {"check": ("pathcheck_check", 1)},
    "GroupCheck": {"resource": ("groupcheck_resource", 1)},
    "ResourceCheck": {
        "check": ("resourcecheck_check", 1),
        "subresource": ("resourcecheck_subresource", 1),
        "namespace": ("resourcecheck_namespace", 1),
        "name": ("resourcecheck_name", 1),
        "fieldSelector": ("authorizer_fieldselector", 1),
        "labelSelector": ("authorizer_labelselector", 1),
    },
    "Decision": {
        "allowed": ("decision_allowed", 0),
        "reason": ("decision_reason", 0),
        "error": ("decision_error", 0),
        "errored": ("decision_errored", 0),
    },
}


def _never(*_: Value) -> Value:
    raise no_such_overload()


def _table() -> FunctionTable:
    table: dict[str, tuple[Overload, ...]] = {}
    for receiver, methods in _METHODS.items():
        first = Type(Kind.STRUCT, f"kubernetes.authorization.{receiver}")
        for name, (id_, strings) in methods.items():
            table[name] = (*table.get(name, ()), Overload(id_, (first, *[STRING] * strings), _never))
    return table


FUNCTIONS: Final[FunctionTable] = _table()
