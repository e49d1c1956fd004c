"""What the reference says when a value does not become a native one of Go (cel-go ConvertToNative)."""

from typing import Final

from webhook.cel.values import NONE, Optional, Value, type_name

_PROBLEMS: Final = {
    "string": "unsupported native conversion from string to '{}'",
    "int": "unsupported type conversion from 'int' to {}",
    "uint": "unsupported type conversion from 'uint' to {}",
    "double": "type conversion error from Double to '{}'",
    "bytes": "type conversion error from Bytes to '{}'",
    "bool": "type conversion error from bool to '{}'",
    "list": "type conversion error from list to '{}'",
    "map": "type conversion error from map to '{}'",
    "null_type": "type conversion error from 'null_type' to '{}'",
    "type": "type conversion not supported for 'type'",
    "kubernetes.NamedFormat": "type conversion error from 'Format' to '{}'",
}


def native_problem(value: Value, target: str) -> str:
    """Why the value is not of the Go type `target`."""
    if type(value) is Optional:
        return "optional.none() dereference" if value is NONE else native_problem(value.value, target)
    name = type_name(value)
    short = name.rpartition(".")[2]
    return _PROBLEMS.get(name, f"type conversion error from '{short}' to '{{}}'").format(target)
