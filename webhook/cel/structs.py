"""Messages that a selector can write, such as `google.protobuf.Int64Value{value: 1}` (cel-go common/types/pb)."""

from webhook.cel.values import EvaluationError, Value


def make_struct(name: str, fields: dict[str, Value]) -> Value:
    """The value of a message literal; wrappers and JSON values become the values they stand for."""
    raise EvaluationError(f"unknown type '{name}' with {len(fields)} fields")
