"""What selectors give on a device: the result or the error's text, and the cost, as Kubernetes 1.37 has them."""

import pytest

from webhook.cel.compile import compile_selector
from webhook.cel.device import CelDevice, device_from_json, make_device
from webhook.cel.environment import device_environment
from webhook.cel.evaluator import EvaluationError, Outcome, build, evaluate
from webhook.cel.syntax import Ast
from webhook.core.device import VersionText
from webhook.core.quantity import parse_quantity

DEVICE = make_device(
    "dra.example.com",
    {
        "flag": True,
        "count": 3,
        "model": "x100",
        "version": VersionText("1.2.3"),
        "other.example.com/name": "o",
    },
    {"memory": parse_quantity("16Gi")},
    allow_multiple_allocations=True,
)

CASES = [
    pytest.param(
        [
            ("1 + 2 == 3", True, 2),
            ("9223372036854775807 + 1 > 0", "integer overflow", 2),
            ("-(-9223372036854775807 - 1) > 0", "integer overflow", 3),
            ("7 / 0 == 1", "division by zero", 2),
            ("7 % 0 == 1", "modulus by zero", 2),
            ("-7 / 2 == -3", True, 2),
            ("-7 % 3 == -1", True, 2),
            ("1u - 2u == 0u", "unsigned integer overflow", 2),
        ],
        id="arithmetic stops where 64 bits end",
    ),
    pytest.param(
        [
            ("1.0 / 0.0 == double('Infinity')", True, 2),
            ("double('NaN') == double('NaN')", False, 1),
            ("double('NaN') < 1.0", "NaN values cannot be ordered", 1),
            ("1 < 1.5", True, 1),
            ("dyn(1) == 1.0", True, 1),
            ("dyn(1) == 1u", True, 1),
            ("dyn('1') == 1", False, 1),
            ("1 in [1.0, 2.0].map(x, dyn(x))", True, 31),
        ],
        id="numbers of different types compare by value",
    ),
    pytest.param(
        [
            ("int('42') == 42", True, 1),
            ("string(1e21) == '1e+21'", True, 1),
            ("string(0.1) == '0.1'", True, 1),
            ("bytes('ü').size() == 2", True, 2),
        ],
        id="conversions read and print as Go does",
    ),
    pytest.param(
        [
            ("duration('1h30m') == duration('90m')", True, 1),
            ("string(duration('1.5s')) == '1.5s'", True, 1),
            ("duration('1h').getMinutes() == 60", True, 2),
            ("timestamp('2024-02-29T12:00:00Z').getDayOfYear() == 59", True, 2),
            ("timestamp('2024-02-29T23:30:00Z').getDate('+05:30') == 1", True, 2),
            ("timestamp('2024-02-29T23:30:00Z').getHours('Europe/Berlin') == 0", True, 2),
            ("timestamp('2024-02-29T23:30:00Z').getHours('Nowhere/X') == 0", "unknown time zone Nowhere/X", 2),
            ("timestamp('2024-01-01T00:00:00Z') - timestamp('2023-01-01T00:00:00Z') == duration('8760h')", True, 2),
            ("timestamp('9999-12-31T23:59:59Z') + duration('1s') == timestamp(0)", "timestamp overflow", 2),
            ("string(timestamp('2024-01-01T01:02:03.400+02:00')) == '2024-01-01T01:02:03.4+02:00'", True, 3),
        ],
        id="durations and timestamps know calendars and time zones",
    ),
    pytest.param(
        [
            ("device.attributes['dra.example.com'].flag == true", True, 5),
            ("device.attributes['dra.example.com'].nope == 1", "no such key: nope", 5),
            ("device.attributes['nope'].x == 1", "no such key: x", 5),
            ("device.attributes['nope'] == {}", True, 3),
            ("'nope' in device.attributes", False, 3),
            ("has(device.attributes.nope)", True, 2),
            ("has(device.attributes['dra.example.com'].flag)", True, 3),
            ("device.attributes['dra.example.com'].?nope.orValue(7) == 7", True, 4),
            ("device.attributes['dra.example.com'][?'count'].orValue(0) == 3", True, 5),
            (
                "device.attributes['dra.example.com'].count",
                (
                    "CEL result of type int could not be converted to bool: unsupported type "
                    "conversion from 'int' to bool"
                ),
                4,
            ),
            (
                "device.attributes['dra.example.com'].model",
                (
                    "CEL result of type string could not be converted to bool: unsupported native "
                    "conversion from string to 'bool'"
                ),
                4,
            ),
            ("device.attributes['dra.example.com'].version == '1.2.3'", "no such overload", 5),
            ("device.attributes['dra.example.com'].version != '1.2.3'", True, 5),
            (
                "device.attributes['dra.example.com'].version in ['1.2.3']",
                "internal error: runtime error: hash of unhashable type cel.Semver",
                4,
            ),
            ("device.attributes['dra.example.com'].version.isLessThan(semver('1.10.0'))", True, 6),
            ("device.attributes['dra.example.com'].count == '3'", False, 5),
            ("device.attributes['dra.example.com'].count + 1 == 4", True, 6),
            ("device.attributes['dra.example.com'].model + 1 == 4", "no such overload", 6),
            ("device.attributes['dra.example.com'].model.matches('^x[0-9]+$')", True, 7),
            ("device.attributes['dra.example.com'].count.matches('a')", "no such overload", 5),
        ],
        id="attributes are looked up as the scheduler looks them up",
    ),
    pytest.param(
        [
            ("device.capacity['dra.example.com'].memory.compareTo(quantity('16Gi')) == 0", True, 7),
            ("device.capacity['dra.example.com'].memory == quantity('16384Mi')", True, 6),
            ("device.capacity['dra.example.com'].memory.asInteger() == 17179869184", True, 6),
            ("quantity('1.5').asInteger() == 1", "cannot convert value to integer", 3),
            ("quantity('1') == quantity('1').add(0)", "no such overload", 4),
            ("quantity('1').add(0) == quantity('1')", True, 4),
            ("quantity('1Gi').sub(1).isLessThan(quantity('1Gi'))", True, 4),
            ("sign(quantity('-5')) == -1", True, 3),
            ("isQuantity('20GiB')", False, 1),
            (
                "quantity(device.driver).isInteger()",
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
                5,
            ),
            ("device.allowMultipleAllocations", True, 2),
        ],
        id="quantities are compared, summed and converted",
    ),
    pytest.param(
        [
            ("device.attributes['dra.example.com'].nope == 1 || true", True, 5),
            ("device.attributes['dra.example.com'].nope == 1 && false", False, 5),
            ("device.attributes['dra.example.com'].nope == 1 && true", "no such key: nope", 5),
        ],
        id="errors are absorbed where another term decides",
    ),
    pytest.param(
        [
            ("[1, 2, 3].all(x, x / (x - 2) > 5 || x == 1)", False, 31),
            ("[1, 2, 3].exists(x, 6 / (x - 1) == 3)", True, 25),
            ("[1, 2, 3].exists_one(x, x > 2)", True, 10),
            ("[1, 2, 3].map(x, x * 2) == [2, 4, 6]", True, 44),
            ("[1, 2, 3].filter(x, x > 1) == [2, 3]", True, 34),
            ("[3, 1, 2].sortBy(x, -x) == [3, 2, 1]", True, 75),
            ("{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}", True, 7),
            ("['a', 'a'].transformMapEntry(i, v, {v: i}) == {}", "insert failed: key a already exists", 69),
            ("[5, 6].transformList(i, v, i + v) == [5, 7]", True, 32),
            ("cel.bind(x, 1 / 0, true)", True, 0),
            ("cel.bind(x, 1 / 0, x == 1)", "division by zero", 3),
            ("cel.bind(x, [], (x + [1]).size() + x.size() == 2)", True, 7),
        ],
        id="macros loop, and bind lazily",
    ),
    pytest.param(
        [
            ("[1, 2][5] == 1", "index out of bounds: 5", 3),
            ("[1, 2][dyn('a')] == 1", "unsupported index type 'string' in list", 3),
            ("{'a': 1}['b'] == 1", "no such key: b", 3),
            ("optional.none().value() == 1", "optional.none() dereference", 3),
            ("optional.of(1).or(optional.of(2)).value() == 1", True, 3),
            ("optional.ofNonZeroValue('').hasValue()", False, 2),
            ("[?optional.none(), ?optional.of(1)] == [1]", True, 13),
            ("{?'a': optional.of(1), ?'b': optional.none()} == {'a': 1}", True, 33),
        ],
        id="lists, maps and optionals hold values",
    ),
    pytest.param(
        [
            ("lists.range(3) == [0, 1, 2]", True, 15),
            ("[3, 1, 2].sort() == [1, 2, 3]", True, 30),
            ("[1, 2, 3].slice(1, 9) == []", "cannot slice(1, 9), list is length 3", 12),
            ("[1, 2].sum() == 3", True, 3),
            ("[].map(x, 1).min() == 1", "min called on empty list", 2),
            ("sets.equivalent([1, 2], [2, 1, 1])", True, 13),
        ],
        id="list functions and sets",
    ),
    pytest.param(
        [
            ("'tacocat'.charAt(9) == ''", "index out of range: 9", 1),
            ("'hello'.indexOf('l', 3) == 3", True, 1),
            ("'hello'.lastIndexOf('l') == 3", True, 1),
            ("'a,b,c'.split(',', 2) == ['a', 'b,c']", True, 2),
            ("'hello'.substring(3, 1) == ''", "invalid substring range. start: 3, end: 1", 1),
            (
                (
                    "'%s has %d, %.2f, %x, %e'.format(['x', 3, 1.5, 255, 1234.5]) == 'x has 3, 1.50, "
                    "ff, 1.234500 × 10⁰³'"
                ),
                False,
                7,
            ),
            ("'%s'.format([[1, 'a', {'k': b'v'}]]) == '[1, \"a\", {\"k\":b\"v\"}]'", True, 3),
            ("strings.quote('a\"b') == '\"a\\\\\"b\"'", True, 2),
            ("'ÄbC'.lowerAscii() == 'Äbc'", True, 2),
            ("'abc'.find('[bc]+') == 'bc'", True, 3),
            ("'a1b22'.findAll('[0-9]+', 1) == ['1']", True, 3),
        ],
        id="string functions count code points",
    ),
    pytest.param(
        [
            ("semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))", True, 3),
            ("semver('v1.2', true) == semver('1.2.0')", True, 3),
            ("semver('1.2') == semver('1.2.0')", "No Major.Minor.Patch elements found", 3),
            ("semver('01.2.3') == semver('1.2.3')", 'Major number must not contain leading zeroes "01"', 3),
            ("isSemver('1.2')", False, 1),
        ],
        id="versions follow semantic versioning",
    ),
    pytest.param(
        [
            ("ip('10.0.0.1').family() == 4", True, 3),
            ("ip('::ffff:1.2.3.4').family() == 6", 'IPv4-mapped IPv6 address "::ffff:1.2.3.4" is not allowed', 4),
            ("ip.isCanonical('2001:db8:0::1')", False, 3),
            ("cidr('10.0.0.0/8').containsIP('10.1.2.3')", True, 3),
            (
                "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/33')",
                (
                    "network address parse error during conversion from string: network address "
                    'parse error during conversion from string: netip.ParsePrefix("10.1.0.0/33"): '
                    "prefix length out of range"
                ),
                6,
            ),
            ("cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')", True, 4),
        ],
        id="addresses and networks are canonical",
    ),
    pytest.param(
        [
            ("url('https://u@h:8443/p%2Fq?a=1&a=2#f').getPort() == '8443'", True, 6),
            ("url('https://u@h:8443/p%2Fq?a=1&a=2#f').getQuery()['a'] == ['1', '2']", True, 8),
            (
                "url('not a url').getHost() == ''",
                'URL parse error during conversion from string: parse "not a url": invalid URI for request',
                2,
            ),
            ("isURL('/path')", True, 1),
        ],
        id="URLs are taken apart",
    ),
    pytest.param(
        [
            ("format.dns1123Label().validate('My_Label').hasValue()", True, 10),
            ("format.named('nope').hasValue()", False, 2),
            ("type(1) == int", True, 1),
            ("type(device.capacity) == map", True, 4),
            ("google.protobuf.Int64Value{value: 3} == 3", True, 41),
        ],
        id="named formats, types and messages",
    ),
]


def tree(expression: str, version: str = "1.37", list_attributes: bool | None = None) -> Ast:
    compiled = compile_selector(expression, device_environment(version, list_attributes=list_attributes))
    assert compiled.ast is not None, compiled.error
    return compiled.ast


def outcome(expression: str, device: CelDevice = DEVICE, version: str = "1.37") -> Outcome:
    return evaluate(tree(expression, version), device, version=version)


def quick(expression: str, device: CelDevice = DEVICE, version: str = "1.37") -> bool | str:
    try:
        return build(tree(expression, version), version).matches(device)
    except EvaluationError as error:
        return str(error)


@pytest.mark.parametrize("cases", CASES)
def test_results_and_errors_are_those_of_kubernetes(cases: list[tuple[str, bool | str, int]]) -> None:
    assert [(expression, quick(expression)) for expression, _, _ in cases] == [case[:2] for case in cases]


@pytest.mark.parametrize("cases", CASES)
def test_costs_are_those_of_kubernetes(cases: list[tuple[str, bool | str, int]]) -> None:
    counted = [(expression, outcome(expression)) for expression, _, _ in cases]
    found = [(expression, done.result if done.error is None else done.error, done.cost) for expression, done in counted]
    assert found == cases


def test_a_run_ends_at_the_cost_limit() -> None:
    loops = tree("lists.range(100).all(a, lists.range(100).all(b, a + b >= 0))")
    full = evaluate(loops, DEVICE)
    assert full.result is True
    cut = evaluate(loops, DEVICE, cost_limit=full.cost // 2)
    assert cut.error == "operation cancelled: actual cost limit exceeded"
    assert full.cost // 2 < cut.cost < full.cost


def test_no_alternative_saves_a_run_that_was_cancelled() -> None:
    cut = evaluate(tree("lists.range(100).all(a, a >= 0) || true"), DEVICE, cost_limit=50)
    assert cut.error == "operation cancelled: actual cost limit exceeded"


def test_a_bounded_program_ends_where_a_quick_one_would_run_for_hours() -> None:
    expression = "lists.range(999000).distinct().size() > 0"
    program = build(tree(expression), bounded=True)
    with pytest.raises(EvaluationError, match="operation cancelled"):
        program.matches(DEVICE)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("-(" * 120 + "1" + ")" * 120 + " == 1", id="signs"),
        pytest.param("[" * 240 + "]" * 240 + " == []", id="lists"),
        pytest.param(" + ".join(["1"] * 240) + " == 240", id="a long sum"),
        pytest.param("[1].all(x, " * 80 + "true" + ")" * 80, id="loops in loops"),
        pytest.param(" && ".join(["true"] * 900), id="a long conjunction"),
        pytest.param("device" + ".attributes['a'].b" + "[0]" * 200 + " == 1", id="a long chain"),
        pytest.param("false ? false : " * 200 + "true", id="conditionals in conditionals"),
    ],
)
def test_the_deepest_trees_are_evaluated(expression: str) -> None:
    done = outcome(expression)
    assert quick(expression) == (done.result if done.error is None else done.error)


@pytest.mark.parametrize(
    ("expression", "before", "now"),
    [
        pytest.param("'ab'.indexOf('', 9) == 9", True, False, id="an empty part behind the end"),
        pytest.param("lists.range(-device.attributes['dra.example.com'].count) == []", True, None, id="no range"),
        pytest.param("dyn(true).orValue(false)", True, None, id="orValue of what is no optional"),
        pytest.param("cel.bind(q, quantity('1Pi'), q.add(1).isGreaterThan(q))", False, True, id="sums of big numbers"),
        pytest.param(
            "cel.bind(q, optional.of(quantity('1')), q.value() == quantity('1'))", None, True, id="optional quantities"
        ),
    ],
)
def test_releases_differ(expression: str, before: bool | None, now: bool | None) -> None:
    for version, expected in (("1.36", before), ("1.37", now)):
        done = outcome(expression, version=version)
        found = quick(expression, version=version)
        assert done.result is expected
        assert found == (expected if expected is not None else done.error)


def test_a_comparison_with_a_big_number_spoils_a_quantity_as_in_the_scheduler() -> None:
    spoiled = "device.capacity['dra.example.com'].memory.isLessThan(quantity('1Pi')) && "
    spoiled += "device.capacity['dra.example.com'].memory.asInteger() > 0"
    assert quick(spoiled) == outcome(spoiled).error == "cannot convert value to integer"
    assert quick("device.capacity['dra.example.com'].memory.asInteger() > 0") is True


def test_a_field_named_from_the_root_is_the_device() -> None:
    assert quick("[1].exists(device, .device.driver == 'dra.example.com')") is True


def test_list_attributes_are_lists() -> None:
    device = make_device("d", {"models": ("a", "b"), "versions": (VersionText("1.0.0"),), "counts": ()}, {})
    checked = tree("device.attributes['d'].models.exists(m, m == 'b')", list_attributes=True)
    assert build(checked).matches(device)
    assert evaluate(checked, device).result is True
    assert build(tree("device.attributes['d'].counts == []", list_attributes=True)).matches(device)
    assert build(tree("device.attributes['d'].models.includes('a')", list_attributes=True)).matches(device)


def test_a_version_that_is_none_keeps_every_selector_from_being_judged() -> None:
    device = make_device("d", {"v": VersionText("1.2")}, {})
    problem = "attribute v: parse semantic version: No Major.Minor.Patch elements found"
    assert quick("true", device) == problem
    assert outcome("true", device).error == problem


def test_devices_are_read_in_all_published_shapes() -> None:
    new = {"driver": "d", "name": "x", "attributes": {"a": {"int": 1}}, "capacity": {"m": {"value": "1Gi"}}}
    old = {"driver": "d", "name": "x", "basic": {"attributes": {"a": {"int": 1}}, "capacity": {"m": {"value": "1Gi"}}}}
    expression = "device.attributes['d'].a == 1 && device.capacity['d'].m.compareTo(quantity('1Gi')) == 0"
    assert quick(expression, device_from_json(new)) is True
    assert quick(expression, device_from_json(old)) is True


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({"driver": 1}, id="a driver that is no name"),
        pytest.param({"attributes": []}, id="attributes that are no object"),
        pytest.param({"attributes": {"a": 1}}, id="an attribute without a type"),
        pytest.param({"attributes": {"a": {"int": 1, "bool": True}}}, id="an attribute of two types"),
        pytest.param({"capacity": {"m": {}}}, id="a capacity without a value"),
        pytest.param({"capacity": {"m": {"value": "x"}}}, id="a capacity that is no quantity"),
    ],
)
def test_what_is_no_device_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|quantit"):
        device_from_json(raw)


def test_messages_stand_for_the_values_of_the_language() -> None:
    assert quick("google.protobuf.FloatValue{value: 0.1} == 0.1") is False
    assert quick("google.protobuf.Struct{fields: {'a': 1}} == {'a': 1.0}") is True
    assert quick("google.protobuf.Duration{seconds: 1, nanos: 5} == duration('1.000000005s')") is True
    assert quick("google.protobuf.Empty{} == google.protobuf.Empty{}") is True
    overflow = "field type conversion error for google.protobuf.Int32Value.value value type: integer overflow"
    assert quick("google.protobuf.Int32Value{value: 5000000000} == 3") == overflow
