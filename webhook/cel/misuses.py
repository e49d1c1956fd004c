"""The usual mistakes in expressions that parse but whose types do not fit, and how to mend them."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from webhook.cel.environment import Environment, Function
from webhook.cel.habits import has_as_method, operator_for_method, pattern_flags, version_as_text
from webhook.cel.problems import Change, Problem
from webhook.cel.source import SourceError
from webhook.cel.syntax import (
    EQUALS,
    GREATER,
    GREATER_EQUALS,
    IN,
    INDEX,
    LESS,
    LESS_EQUALS,
    NOT_EQUALS,
    Ast,
    Call,
    Expr,
    Ident,
    Literal,
    Select,
    walk,
)
from webhook.cel.types import Kind, Type, format_type
from webhook.core.suggest import nearest

_COMPARISONS: Final = {
    LESS: "<",
    LESS_EQUALS: "<=",
    GREATER: ">",
    GREATER_EQUALS: ">=",
    EQUALS: "==",
    NOT_EQUALS: "!=",
}
_OPERATORS: Final = {
    **_COMPARISONS,
    "_+_": "+",
    "_-_": "-",
    "_*_": "*",
    "_/_": "/",
    "_%_": "%",
    IN: "in",
    "-_": "-",
    "!_": "!",
    INDEX: "[]",
    "_?_:_": "?:",
}
_DEVICE: Final = "device."
_CAPACITY: Final = "device.capacity"
_AMOUNT: Final = re.compile(r"\s*[-+.0-9]")
_COMPARABLE: Final = {"kubernetes.Quantity": "quantity", "kubernetes.Semver": "semver"}
_KNOWN_AS: Final = {
    "version": "semver",
    "length": "size",
    "len": "size",
    "count": "size",
    "toLowerCase": "lowerAscii",
    "toLower": "lowerAscii",
    "lower": "lowerAscii",
    "toUpperCase": "upperAscii",
    "upper": "upperAscii",
    "any": "exists",
    "some": "exists",
    "every": "all",
    "includes": "contains",
    "match": "matches",
    "regex": "matches",
    "strip": "trim",
    "startWith": "startsWith",
    "endWith": "endsWith",
    "str": "string",
    "parseQuantity": "quantity",
    "greaterThan": "isGreaterThan",
    "lessThan": "isLessThan",
}
_FORMS: Final = {
    "all": "list.all(x, x > 1)",
    "exists": "list.exists(x, x == 1)",
    "exists_one": "list.exists_one(x, x == 1)",
    "existsOne": "map.existsOne(k, v, v == 1)",
    "map": "list.map(x, x + 1)",
    "filter": "list.filter(x, x > 1)",
    "has": "has(device.attributes['domain'].name)",
    "quota": "quota('name')",
    "devices": "inventory.devices('driver')",
    "sortBy": "list.sortBy(x, x.size())",
    "bind": "cel.bind(name, value, expression)",
    "optMap": "optional.optMap(x, x + 1)",
    "optFlatMap": "optional.optFlatMap(x, x.?name)",
    "transformList": "map.transformList(k, v, v)",
    "transformMap": "map.transformMap(k, v, v)",
    "transformMapEntry": "map.transformMapEntry(k, v, {v: k})",
}
_UNDECLARED = re.compile(r"undeclared reference to '(.*)' \(in container ''\)", re.DOTALL)
_UNDEFINED = re.compile(r"undefined field '(.*)'", re.DOTALL)


def find_misuse(ast: Ast, error: SourceError, environment: Environment, driver: str = "") -> Problem:
    """The problem behind one error of the checker or a validator; `driver` is whose devices are meant, if known."""
    node = error.node
    message = error.message
    if node is None:
        return _plain(ast, error)
    for pattern, explain in _BY_MESSAGE:
        match = pattern.match(message)
        if match is not None:
            found = explain(ast, node, match, environment)
            if found is not None:
                return found
    if isinstance(node, Call) and message.startswith("found no matching overload"):
        return _without_domain(ast, node, driver) or _misfit(ast, node, environment)
    return _plain(ast, error)


def _text(ast: Ast, node: Expr) -> str:
    return ast.source[node.start : node.end]


def _plain(ast: Ast, error: SourceError) -> Problem:
    """An error without a guess what was meant."""
    start = max(error.pos, 0)
    end = start + 1
    if error.node is not None:
        start, end = error.node.start, error.node.end
    message = error.message
    match = re.match(r"expected type '(.*)' but found '(.*)'$", message)
    if match is not None:
        return Problem(
            f"must be `{_kind(match[1])}`, not `{_kind(match[2])}`", start, end, f"give a `{_kind(match[1])}`"
        )
    match = re.match(r"expression of type '(.*)' cannot be range", message)
    if match is not None:
        words = f"a list or a map must stand here, not `{_kind(match[1])}`"
        return Problem(words, start, end, "apply it to a list or a map")
    if "format" in message:
        return Problem(
            "the format does not fit its arguments", start, end, "give each % clause an argument of its type"
        )
    return Problem("this does not fit together", start, min(end, len(ast.source)) or 1, "check the types of the parts")


def _kind(name: str) -> str:
    return {"any": "an attribute's value", "dyn": "a value of any type"}.get(name, name)


def wrong_result(ast: Ast) -> Problem:
    """The expression gives something other than a condition."""
    root = ast.root
    what = f"must be a condition that is true or false, not `{_kind(format_type(root.type))}`"
    fix = "compare it with something, such as `== 'value'`"
    changes: tuple[Change, ...] = ()
    if root.type.kind == Kind.DYN:
        fix = "compare it: `== true`"
        changes = ((root.start, root.start, "("), (root.end, root.end, ") == true"))
    elif root.type.name == "optional_type" and root.type.parameters[0].kind in (Kind.BOOL, Kind.ANY, Kind.DYN):
        fix = "say what holds when it is absent: .orValue(false)"
        changes = ((root.end, root.end, ".orValue(false)"),)
    elif root.type.kind in (Kind.LIST, Kind.MAP):
        fix, changes = "ask whether there are some: .size() > 0", ((root.end, root.end, ".size() > 0"),)
    elif root.type.kind in (Kind.INT, Kind.UINT, Kind.DOUBLE) and not isinstance(root, Call):
        fix = "compare it with a number, such as `<= 4`"
    elif isinstance(root, Call) and root.function == "compareTo":
        fix = "compare the result with 0: >= 0 for at least as much"
        changes = ((root.end, root.end, " >= 0"),)
    return Problem(what, root.start, root.end, fix, changes)


def wrong_text(ast: Ast) -> Problem:
    """The expression gives something other than a text."""
    root = ast.root
    words = f"must give a text, not `{_kind(format_type(root.type))}`"
    changes: tuple[Change, ...] = ()
    fix = "make a text of it: string(...)"
    if root.type.kind in (Kind.INT, Kind.UINT, Kind.DOUBLE, Kind.BOOL, Kind.DYN, Kind.ANY, Kind.DURATION):
        changes = ((root.start, root.start, "string("), (root.end, root.end, ")"))
    elif root.type.kind == Kind.LIST and root.type.parameters[0].kind == Kind.STRING:
        fix, changes = "join the texts: .join(', ')", ((root.end, root.end, ".join(', ')"),)
    return Problem(words, root.start, root.end, fix, changes)


# Names


def _undeclared(ast: Ast, node: Expr, match: re.Match[str], environment: Environment) -> Problem | None:
    name = match[1]
    if isinstance(node, Call):
        return _unknown_function(ast, node, environment)
    start, end = node.start, node.end
    quoted = _unquoted_domain(ast, node)
    if quoted is not None:
        return quoted
    compared = _unquoted_text(ast, node)
    if compared is not None:
        return compared
    variables = [known for known, meaning in environment.names.items() if meaning.variable]
    owner = next((variable for variable in variables if name in environment.sizes.get(variable, ())), None)
    if owner is not None:
        fix = f"write {owner}.{name}"
        return Problem(f"`{name}` is a field of `{owner}`", start, end, fix, ((start, end, f"{owner}.{name}"),))
    near = nearest(name, variables)
    if near:
        message = f"there is no variable `{name}`"
        return Problem(message, start, end, f"did you mean `{near[0]}`?", ((start, end, near[0]),))
    if name in ("True", "False", "None", "nil"):
        right = {"True": "true", "False": "false"}.get(name, "null")
        return Problem(f"`{name}` is not a word of the language", start, end, f"write {right}", ((start, end, right),))
    listed = ", ".join(f"`{variable}`" for variable in variables)
    known = f"the variable is {listed}" if len(variables) == 1 else f"the variables are {listed}"
    return Problem(f"there is no variable `{name}`", start, end, f"write '{name}' in quotes if it is a text; {known}")


def _unquoted_domain(ast: Ast, node: Expr) -> Problem | None:
    """`device.attributes[gpu.example.com]`: the key, or what it begins with, is not in quotes."""
    for parent in walk(ast.root):
        if isinstance(parent, Call) and parent.function == INDEX and parent.args[1].start == node.start:
            key = parent.args[1]
            text = _text(ast, key)
            if re.fullmatch(r"[A-Za-z0-9_.\-/ ]+", text) and isinstance(key, Ident | Select | Call):
                bare = text.replace(" ", "")
                return Problem(
                    f"the key {bare} must be in quotes",
                    key.start,
                    key.end,
                    f"write ['{bare}']",
                    ((key.start, key.end, f"'{bare}'"),),
                )
    return None


def _unquoted_text(ast: Ast, node: Expr) -> Problem | None:
    """`device.driver == gpu.example.com`: a text after a comparison that is not in quotes."""
    for parent in walk(ast.root):
        if not isinstance(parent, Call) or parent.function not in (EQUALS, NOT_EQUALS):
            continue
        left, right = parent.args
        if (
            right.start == node.start
            and isinstance(right, Ident | Select)
            and left.type.kind in (Kind.STRING, Kind.ANY)
        ):
            text = _text(ast, right)
            words = f"the text {text} must be in quotes"
            return Problem(words, right.start, right.end, f"write '{text}'", ((right.start, right.end, f"'{text}'"),))
    return None


def _unknown_function(ast: Ast, node: Call, environment: Environment) -> Problem:
    name = node.function
    start, end = _name_span(ast, node)
    foreign = has_as_method(ast, node, start, end) or operator_for_method(ast, node, start, end)
    if foreign is not None:
        return foreign
    counts = sorted({count for macro, count, _ in environment.macros if macro == name})
    if counts:
        return Problem(
            f"`{name}` must have {_either(counts)} argument{'' if counts == [1] else 's'}, not {len(node.args)}",
            start,
            end,
            f"write {_FORMS[name]}",
        )
    if name == "not" and len(node.args) == 1:
        return Problem("`not` is not an operator", start, end, "use `!`", ((start, node.pos, "!"),))
    if name == "isEmpty" and node.target is not None and not node.args:
        changes = ((start, node.end, "size() == 0"),)
        return Problem("there is no method `isEmpty`", start, end, "write size() == 0", changes)
    known = _KNOWN_AS.get(name)
    candidates = {
        function.name
        for function in environment.functions.values()
        if function.name[0].isalpha() and (function.functions if node.target is None else function.methods)
    } | {macro for macro, _, method in environment.macros if method == (node.target is not None)}
    near = (known,) if known in candidates else nearest(name, candidates)
    message = f"there is no {'function' if node.target is None else 'method'} `{name}`"
    if near:
        return Problem(message, start, end, f"did you mean `{near[0]}`?", ((start, end, near[0]),))
    return Problem(message, start, end, "use one of the functions of `drawbridge cel`'s reference page")


def _either(counts: list[int]) -> str:
    return " or ".join(map(str, counts))


def _name_span(ast: Ast, node: Call) -> tuple[int, int]:
    """Where the name of a function stands: before its parenthesis."""
    head = ast.source[: node.pos].rstrip()
    name = node.function.rsplit(".", 1)[-1]
    return (len(head) - len(name), len(head)) if head.endswith(name) else (node.start, node.end)


def _undefined(ast: Ast, node: Expr, match: re.Match[str], environment: Environment) -> Problem | None:
    if not isinstance(node, Select):
        return None
    name = match[1]
    owner = node.operand.type.name
    fields = environment.structs.get(owner, {})
    start = node.field_pos if node.field_pos >= 0 else node.start
    end = start + len(name)
    of = _text(ast, node.operand)
    whose = "device" if owner == "kubernetes.DRADevice" else of if re.fullmatch(r"[\w.\[\]]{1,40}", of) else ""
    words = f"`{whose}` has no field `{name}`" if whose else f"there is no field `{name}`"
    if name == "allowMultipleAllocations":
        fix = "it needs the feature gate DRAConsumableCapacity, on by default from Kubernetes 1.36"
        return Problem(words, start, end, fix)
    near = nearest(name, fields)
    if near:
        return Problem(words, start, end, f"did you mean `{near[0]}`?", ((start, end, near[0]),))
    listed = ", ".join(f"`{field}`" for field in sorted(fields))
    return Problem(words, start, end, f"it has {listed}" if fields else "it has none")


def _not_selectable(ast: Ast, node: Expr, match: re.Match[str], _: Environment) -> Problem | None:
    if not isinstance(node, Select):
        return None
    dotted = _domain_as_path(ast, node)
    if dotted is not None:
        return dotted
    start = node.field_pos if node.field_pos >= 0 else node.start
    end = start + len(node.field)
    words = f"`{_kind(match[1])}` has no fields"
    if node.field in ("size", "length", "len"):
        return Problem(words, start, end, "write size()", ((start, end, "size()"),))
    if node.field == "value" and match[1] in _COMPARABLE:
        return Problem(words, start, end, "leave `.value` out", ((node.operand.end, end, ""),))
    if node.operand.type.kind == Kind.LIST:
        return Problem(words, start, end, f"say it of each: {_text(ast, node.operand)}.all(x, x.{node.field} ...)")
    return Problem(words, start, end, f"leave `.{node.field}` out")


def _domain_as_path(ast: Ast, node: Select) -> Problem | None:
    """`device.capacity.gpu.example.com.memory`: the dots of a domain are taken for those of fields."""
    around = {id(part.operand): part for part in walk(ast.root) if isinstance(part, Select)}
    outer = node
    while id(outer) in around:
        outer = around[id(outer)]
    inner, labels = outer.operand, [outer.field]
    while isinstance(inner, Select):
        labels.append(inner.field)
        inner = inner.operand
    field, *path = reversed(labels)
    path = path[:-1] if path[-1:] == ["value"] else path
    if not isinstance(inner, Ident) or inner.name != "device" or len(path) < 3:
        return None
    domain = ".".join(path[:-1])
    text = f"device.{field}['{domain}'].{path[-1]}"
    words = f"the domain '{domain}' must be written in brackets, not as a path"
    return Problem(words, outer.start, outer.end, f"write {text}", ((outer.start, outer.end, text),))


def _literal(ast: Ast, node: Expr, match: re.Match[str], _: Environment) -> Problem:
    forms = {
        "duration": "write a number with a unit, such as '90s' or '1h30m'",
        "timestamp": "write a time as in RFC 3339, such as '2026-01-31T12:00:00Z'",
        "matches": "write a pattern that RE2 accepts",
    }
    name = match[1]
    what = "pattern" if name == "matches" else name
    return Problem(f"{_text(ast, node)} is not a {what}", node.start, node.end, forms[name])


def _mixed(ast: Ast, node: Expr, match: re.Match[str], _: Environment) -> Problem | None:
    """An entry of a list or map whose type differs from those before it."""
    if match[1] == "bool" and _is_condition(ast, node):
        words = f"`&&` and `||` need conditions that are true or false, not `{_kind(match[2])}`"
        repeated = _repeated(ast, node)
        if repeated is not None:
            return Problem(words, node.start, node.end, f"write {repeated}", ((node.start, node.end, repeated),))
        return Problem(words, node.start, node.end, "compare it with something, such as `== 'value'`")
    if "optional_type" in match[1]:
        return None
    words = f"the entries must be of one type: `{_kind(match[2])}` follows `{_kind(match[1])}`"
    if isinstance(node, Literal) and match[1] == "string":
        quoted = f"'{_text(ast, node)}'"
        return Problem(words, node.start, node.end, f"write {quoted}", ((node.start, node.end, quoted),))
    return Problem(words, node.start, node.end, "convert it, or put it into a list of its own")


def _repeated(ast: Ast, node: Expr) -> str | None:
    """`a == 'x' || 'y'`: the comparison before, with this value."""
    if not isinstance(node, Literal):
        return None
    for other in walk(ast.root):
        if isinstance(other, Call) and other.function in (EQUALS, NOT_EQUALS) and other.end <= node.start:
            one, value = other.args
            if isinstance(value, Literal) and type(value.value) is type(node.value):
                return f"{_text(ast, one)} {_COMPARISONS[other.function]} {_text(ast, node)}"
    return None


def _is_condition(ast: Ast, node: Expr) -> bool:
    return any(
        isinstance(parent, Call) and parent.function in ("_&&_", "_||_") and node in parent.args
        for parent in walk(ast.root)
    )


# Operators and functions that do not fit their operands


def _as_the_other(ast: Ast, parts: Sequence[Expr]) -> tuple[Expr, str] | None:
    """Return one side as the type of the other: `4` for `'4'`, `true` for `'true'`, `string(x)` beside a text."""
    for part, other in (parts, parts[::-1]):
        kind = other.type.kind
        value = part.value if isinstance(part, Literal) else None
        if isinstance(value, str) and (
            (kind == Kind.INT and _WHOLE.fullmatch(value)) or (kind == Kind.BOOL and value in ("true", "false"))
        ):
            return part, value
        if kind == Kind.STRING and isinstance(other, Literal) and part.type.kind in _PRINTABLE:
            return part, f"string({_text(ast, part)})"
    for part, other in (parts, parts[::-1]):
        if part.type.kind == Kind.STRING and other.type.kind == Kind.INT:
            return part, f"int({_text(ast, part)})"
    return None


_WHOLE: Final = re.compile(r"-?\d{1,18}")
_PRINTABLE: Final = (Kind.INT, Kind.UINT, Kind.DOUBLE, Kind.BOOL)


def _misfit(ast: Ast, node: Call, environment: Environment) -> Problem:
    for explain in (_not_comparable, _method_argument, _membership, _device_key, _matches, _arguments):
        found = explain(ast, node, environment)
        if found is not None:
            return found
    name = node.function
    parts = node.args if node.target is None else (node.target, *node.args)
    shown = [f"`{_kind(format_type(part.type))}`" for part in parts]
    if name in _OPERATORS:
        words = f"`{_OPERATORS[name]}` does not work on {' and '.join(shown)}"
        mended = _as_the_other(ast, parts) if len(parts) == 2 else None
        if mended is not None:
            part, text = mended
            return Problem(words, node.start, node.end, f"write {text}", ((part.start, part.end, text),))
        return Problem(words, node.start, node.end, "give both sides the same type, for example with string() or int()")
    start, end = _name_span(ast, node)
    words = f"`{name}` does not work on {', '.join(shown) or 'nothing'}"
    return Problem(
        words, start, end, f"its forms are {_forms(environment.functions[name], name, node.target is not None)}"
    )


def _forms(function: Function, name: str, method: bool) -> str:
    overloads = (function.methods if method else function.functions) or function.functions or function.methods
    shown: dict[str, None] = {}
    for overload in overloads:
        types = [re.sub(r"[<>]", "", format_type(type_)) for type_ in overload.parameters]
        head = f"{types.pop(0)}." if method and overload in function.methods else ""
        shown[f"{head}{name}({', '.join(types)})"] = None
    return " or ".join(list(shown)[:3])


def _is_map_of_names(type_: Type) -> bool:
    return type_.kind == Kind.MAP and type_.parameters[0].kind == Kind.STRING


def _without_domain(ast: Ast, node: Call, driver: str) -> Problem | None:
    """`device.capacity['memory']` or `device.attributes.type`: what should be a domain is a name."""
    parts = node.args if node.target is None else (node.target, *node.args)
    for part in parts:
        owner = _owner(part)
        if owner is None or not _is_map_of_names(part.type):
            continue
        field, name = owner
        domain, slash, rest = name.partition("/")
        if slash:  # `device.attributes['gpu.example.com/model']`
            name = rest
        else:
            domain = _stated_driver(ast) or driver
        words = f"`device.{field}` must be given a domain before the name '{name}'"
        shown = domain or "the driver's name"
        text = f"device.{field}['{shown}'].{name}" if name.isidentifier() else f"device.{field}['{shown}']['{name}']"
        changes: tuple[Change, ...] = ((part.start, part.end, text),) if domain else ()
        return Problem(words, part.start, part.end, f"write {text}", changes)
    return None


def _owner(node: Expr) -> tuple[str, str] | None:
    """The map of the device and the one key by which it is read."""
    if isinstance(node, Select):
        inner, name = node.operand, node.field
    elif isinstance(node, Call) and node.function == INDEX and isinstance(node.args[1], Literal):
        inner, name = node.args[0], str(node.args[1].value)
    else:
        return None
    if isinstance(inner, Select) and isinstance(inner.operand, Ident) and inner.operand.name == "device":
        return inner.field, name
    return None


def _stated_driver(ast: Ast) -> str:
    """The driver that the expression itself asks for: `device.driver == 'gpu.example.com'`."""
    for node in walk(ast.root):
        if isinstance(node, Call) and node.function == EQUALS:
            one, other = node.args
            if isinstance(other, Literal) and isinstance(one, Select) and one.field == "driver":
                return str(other.value)
    return ""


def _not_comparable(ast: Ast, node: Call, _: Environment) -> Problem | None:
    """Quantities and versions compared by operators, or with texts and numbers."""
    sign = _COMPARISONS.get(node.function)
    if sign is None or len(node.args) != 2:
        return None
    left, right = node.args
    maker = _COMPARABLE.get(left.type.name) or _COMPARABLE.get(right.type.name)
    if maker is None:
        return None
    swapped = left.type.name not in _COMPARABLE and left.type.kind not in (Kind.ANY, Kind.DYN)
    one, other = (right, left) if swapped else (left, right)
    argument = _made(ast, other, maker)
    noun = "a quantity" if maker == "quantity" else "a version"
    words = f"{noun} cannot be compared by `{sign}`"
    if _is_a_name(other) and _text(ast, one).startswith(_CAPACITY):
        start = one.start + len(_DEVICE)
        text = f"{_DEVICE}attributes{_text(ast, one).removeprefix(_CAPACITY)}"
        said = f"{_text(ast, other)} is no quantity: if an attribute is meant, write {text}"
        return Problem(words, node.start, node.end, said, ((start, one.start + len(_CAPACITY), "attributes"),))
    if argument is None:
        return Problem(words, node.start, node.end, f"use compareTo({maker}('...')) {sign} 0")
    if swapped:
        sign = sign.translate(str.maketrans("<>", "><"))
    text = f"{_text(ast, one)}.compareTo({argument}) {sign} 0"
    return Problem(words, node.start, node.end, f"write {text}", ((node.start, node.end, text),))


def _is_a_name(node: Expr) -> bool:
    """Whether it is a literal text that cannot be meant for an amount."""
    return isinstance(node, Literal) and isinstance(node.value, str) and _AMOUNT.match(node.value) is None


def _made(ast: Ast, node: Expr, maker: str) -> str | None:
    """The text of a quantity or version with the node's value."""
    if node.type.name in _COMPARABLE or node.type.kind in (Kind.ANY, Kind.DYN):
        return _text(ast, node)
    if isinstance(node, Literal) and isinstance(node.value, str):
        return f"{maker}({_text(ast, node)})"
    if isinstance(node, Literal) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return f"{maker}('{_text(ast, node)}')"
    return f"{maker}({_text(ast, node)})" if node.type.kind == Kind.STRING else None


def _method_argument(ast: Ast, node: Call, _: Environment) -> Problem | None:
    """`compareTo('1Gi')`: the other quantity or version as a text or a number."""
    target = node.target
    if target is None or target.type.name not in _COMPARABLE or len(node.args) != 1:
        return version_as_text(node)
    argument = node.args[0]
    maker = _COMPARABLE[target.type.name]
    made = _made(ast, argument, maker)
    if node.function not in ("compareTo", "isGreaterThan", "isLessThan", "add", "sub") or made == _text(ast, argument):
        return None
    words = f"`{node.function}` needs another {'quantity' if maker == 'quantity' else 'version'}"
    if made is None:
        return Problem(words, argument.start, argument.end, f"write {maker}('...')")
    return Problem(words, argument.start, argument.end, f"write {made}", ((argument.start, argument.end, made),))


def _membership(ast: Ast, node: Call, _: Environment) -> Problem | None:
    """`in` after `!`, or before a single value."""
    if node.function == "!_" and len(node.args) == 1 and node.args[0].type.kind != Kind.BOOL:
        for parent in walk(ast.root):
            if isinstance(parent, Call) and parent.function == IN and parent.args[0] is node:
                text = f"!({_text(ast, node.args[0])} in {_text(ast, parent.args[1])})"
                words = "`!` belongs to what stands right behind it, not to `in`"
                return Problem(words, parent.start, parent.end, f"write {text}", ((parent.start, parent.end, text),))
    if node.function != IN:
        return None
    one, other = node.args
    if other.type.kind == Kind.STRING and one.type.kind in (Kind.STRING, Kind.ANY, Kind.DYN):
        text = f"[{_text(ast, other)}]"
        words = "`in` needs a list or a map behind it, not a text"
        return Problem(words, other.start, other.end, f"write {text}", ((other.start, other.end, text),))
    return None


def _device_key(ast: Ast, node: Call, environment: Environment) -> Problem | None:
    """`device['driver']`."""
    if node.function != INDEX or node.args[0].type.name != "kubernetes.DRADevice":
        return None
    key = node.args[1]
    if (
        isinstance(key, Literal)
        and isinstance(key.value, str)
        and key.value in environment.structs["kubernetes.DRADevice"]
    ):
        text = f"{_text(ast, node.args[0])}.{key.value}"
        words = "`device` is no map"
        return Problem(words, node.start, node.end, f"write {text}", ((node.start, node.end, text),))
    return None


def _matches(ast: Ast, node: Call, _: Environment) -> Problem | None:
    """Methods of texts on something else."""
    target = node.target
    methods = ("matches", "contains", "startsWith", "endsWith", "lowerAscii", "upperAscii", "find")
    if node.function not in methods or target is None or target.type.kind == Kind.STRING:
        return None
    if target.type.kind not in (Kind.INT, Kind.UINT, Kind.DOUBLE, Kind.BOOL, Kind.BYTES):
        if node.function == "contains" and target.type.kind == Kind.LIST and len(node.args) == 1:
            text = f"({_text(ast, node.args[0])} in {_text(ast, target)})"
            words = "a list has no method `contains`"
            return Problem(words, node.start, node.end, f"write {text}", ((node.start, node.end, text),))
        return None
    words = f"`{node.function}` needs a text, not `{format_type(target.type)}`"
    text = f"string({_text(ast, target)})"
    return Problem(words, target.start, target.end, f"write {text}", ((target.start, target.end, text),))


def _arguments(ast: Ast, node: Call, environment: Environment) -> Problem | None:
    """A wrong number of arguments, or a method called as a function and the other way round."""
    name = node.function
    if name in _OPERATORS or name not in environment.functions:
        return None
    flagged = pattern_flags(node)
    if flagged is not None:
        return flagged
    function = environment.functions[name]
    method = node.target is not None
    start, end = _name_span(ast, node)
    overloads = function.methods if method else function.functions
    if not overloads:
        other = "function" if method else "method"
        given = [_text(ast, part) for part in ((node.target, *node.args) if node.target is not None else node.args)]
        if len(given) not in {len(overload.parameters) for overload in (*function.methods, *function.functions)}:
            return Problem(f"`{name}` is a {other}", start, end, f"write {_forms(function, name, not method)}")
        text = f"{name}({', '.join(given)})" if method else f"{given[0]}.{name}({', '.join(given[1:])})"
        changes: tuple[Change, ...] = ((node.start, node.end, text),)
        return Problem(f"`{name}` is a {other}", start, end, f"write {text}", changes)
    counts = sorted({len(overload.parameters) - method for overload in overloads})
    if len(node.args) in counts:
        return None
    words = f"`{name}` must have {_either(counts)} argument{'' if counts == [1] else 's'}, not {len(node.args)}"
    return Problem(words, start, end, f"write {_forms(function, name, method)}")


_Explain = Callable[[Ast, Expr, re.Match[str], Environment], Problem | None]
_BY_MESSAGE: Final[tuple[tuple[re.Pattern[str], _Explain], ...]] = (
    (_UNDECLARED, _undeclared),
    (_UNDEFINED, _undefined),
    (re.compile(r"type '(.*)' does not support field selection"), _not_selectable),
    (re.compile(r"unexpected failed resolution of '(.*)'"), _not_selectable),
    (re.compile(r"invalid (duration|timestamp|matches) argument"), _literal),
    (re.compile(r"expected type '(.*)' but found '(.*)'"), _mixed),
)
