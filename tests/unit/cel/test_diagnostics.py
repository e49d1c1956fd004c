import pytest

from webhook.cel.compile import Diagnostic, DiagnosticKind, compile_selector
from webhook.cel.environment import device_environment


def diagnosed(text: str, version: str = "1.37") -> tuple[Diagnostic, ...]:
    return compile_selector(text, device_environment(version)).diagnostics


# the expression as it was meant to be, by mistake and wrong expression
MENDED = {
    "one equals sign": ("device.driver = 'x'", "device.driver == 'x'"),
    "three equals signs": ("device.driver === 'x'", "device.driver == 'x'"),
    "angle brackets for unequal": ("device.driver <> 'x'", "device.driver != 'x'"),
    "one ampersand": ("device.driver == 'x' & true", "device.driver == 'x' && true"),
    "the word and": ("device.driver == 'x' and true", "device.driver == 'x' && true"),
    "the word not": ("not device.allowMultipleAllocations", "!device.allowMultipleAllocations"),
    "several slips at once": ("device.driver = 'x' and 1 = 1", "device.driver == 'x' && 1 == 1"),
    "a slip of syntax and one of types": (
        "device.capacity['d'].m > '4Gi' and device.driver = 'x'",
        "device.capacity['d'].m.compareTo(quantity('4Gi')) > 0 && device.driver == 'x'",
    ),
    "an open bracket": ("(device.driver == 'x'", "(device.driver == 'x')"),
    "a bracket too many": ("device.driver == 'x')", "device.driver == 'x'"),
    "an open string": ("device.driver == 'x", "device.driver == 'x'"),
    "curly quotes": ("device.driver == \u201cx\u201d", "device.driver == 'x'"),
    "a pattern with a backslash": (r"device.driver.matches('\d+')", r"device.driver.matches(r'\d+')"),
    "a field that is a word": ("device.attributes['d'].in == 1", "device.attributes['d']['in'] == 1"),
    "a domain without quotes": (
        "device.attributes[gpu.example.com].x == 1",
        "device.attributes['gpu.example.com'].x == 1",
    ),
    "a domain as a path": (
        "device.capacity.gpu.example.com.m.compareTo(quantity('1')) > 0",
        "device.capacity['gpu.example.com'].m.compareTo(quantity('1')) > 0",
    ),
    "a domain as a path, and a value": (
        "device.capacity.gpu.example.com.m.value > 1",
        "device.capacity['gpu.example.com'].m.compareTo(quantity('1')) > 0",
    ),
    "a name without its domain": (
        "device.driver == 'd' && device.capacity['m'].compareTo(quantity('1')) > 0",
        "device.driver == 'd' && device.capacity['d'].m.compareTo(quantity('1')) > 0",
    ),
    "a quantity against a quantity": (
        "device.capacity['d'].m >= quantity('1Gi')",
        "device.capacity['d'].m.compareTo(quantity('1Gi')) >= 0",
    ),
    "a capacity against a name": ("device.capacity['d'].model == 'A100'", "device.attributes['d'].model == 'A100'"),
    "a quantity against a number": (
        "device.capacity['d'].m < 5",
        "device.capacity['d'].m.compareTo(quantity('5')) < 0",
    ),
    "a function called as a method": (
        "device.capacity['d'].m.sub(quantity('8')).sign() > 0",
        "sign(device.capacity['d'].m.sub(quantity('8'))) > 0",
    ),
    "a text against a quantity": ("'5' < quantity('1')", "quantity('1').compareTo(quantity('5')) > 0"),
    "a quantity without quotes": ("quantity(40Gi) == quantity('40Gi')", "quantity('40Gi') == quantity('40Gi')"),
    "versions by operators": (
        "semver('1.2.3') > semver('1.0.0')",
        "semver('1.2.3').compareTo(semver('1.0.0')) > 0",
    ),
    "version for semver": ("version('1.2.3').major() == 1", "semver('1.2.3').major() == 1"),
    "letter case of a method": ("device.driver.startswith('a')", "device.driver.startsWith('a')"),
    "a method called as a function": (
        "isLessThan(quantity('1'), quantity('2'))",
        "quantity('1').isLessThan(quantity('2'))",
    ),
    "a field of the device": ("driver == 'x'", "device.driver == 'x'"),
    "a mistyped field": ("device.attribute['d'].x == 1", "device.attributes['d'].x == 1"),
    "a list of mixed types": ("device.driver in ['x', 1]", "device.driver in ['x', '1']"),
    "a text without quotes": ("device.driver == gpu.example.com", "device.driver == 'gpu.example.com'"),
    "a second value without its comparison": (
        "device.driver == 'a' || 'b'",
        "device.driver == 'a' || device.driver == 'b'",
    ),
    "a quantity compared to a text by a method": (
        "device.capacity['d'].m.isGreaterThan('1Gi')",
        "device.capacity['d'].m.isGreaterThan(quantity('1Gi'))",
    ),
    "not as a function": ("not (device.driver == 'x')", "!(device.driver == 'x')"),
    "a key of the device": ("device['driver'] == 'x'", "device.driver == 'x'"),
    "in before a text": ("device.driver in 'x'", "device.driver in ['x']"),
    "not before in": ("!device.driver in ['x']", "!(device.driver in ['x'])"),
    "a list in round brackets": ("device.driver in ('x', 'y')", "device.driver in ['x', 'y']"),
    "size without brackets": ("device.driver.size == 3", "device.driver.size() == 3"),
    "the value of a quantity": (
        "device.capacity['d'].m.value.isGreaterThan(quantity('1'))",
        "device.capacity['d'].m.isGreaterThan(quantity('1'))",
    ),
    "a version as a text": (
        "device.attributes['d'].v.isGreaterThan('v550.1')",
        "device.attributes['d'].v.isGreaterThan(semver('550.1.0'))",
    ),
    "equals of another language": ("device.driver.equals('x')", "device.driver == 'x'"),
    "at least as a method": (
        "device.capacity['d'].m.gte(quantity('1Gi'))",
        "device.capacity['d'].m.compareTo(quantity('1Gi')) >= 0",
    ),
    "has as a method": ("device.attributes['d'].has(x)", "has(device.attributes['d'].x)"),
    "has of a key": ("has(device.attributes['d']['x'])", "has(device.attributes['d'].x)"),
    "a pattern behind `=~`": ("device.driver =~ 'a.*' && true", "device.driver.matches('a.*') && true"),
    "the flag of a pattern": ("device.driver.matches('a', 'i')", "device.driver.matches('(?i)a')"),
    "nothing behind and": ("device.driver == 'x' &&", "device.driver == 'x'"),
    "a key that is not closed": ("device.attributes['d'.x == 'y'", "device.attributes['d'].x == 'y'"),
    "a comparison's result": (
        "device.capacity['d'].m.compareTo(quantity('1Gi'))",
        "device.capacity['d'].m.compareTo(quantity('1Gi')) >= 0",
    ),
    "the domain before a slash": ("device.attributes['d.com/x'] == 'y'", "device.attributes['d.com'].x == 'y'"),
    "an optional as result": ("device.attributes['d'].?x", "device.attributes['d'].?x.orValue(false)"),
}


@pytest.mark.parametrize(("wrong", "right"), MENDED.values(), ids=MENDED)
def test_a_usual_mistake_is_mended(wrong: str, right: str) -> None:
    diagnostics = diagnosed(wrong)
    assert {fix.expression for diagnostic in diagnostics for fix in diagnostic.fixes} == {right}


@pytest.mark.parametrize(
    ("wrong", "form"),
    [
        ("quantity('1').sign(2) > 0", "write sign(kubernetes.Quantity)"),
        ("isGreaterThan(quantity('1'))", "write kubernetes.Quantity.isGreaterThan(kubernetes.Quantity)"),
    ],
)
def test_a_form_is_shown_where_the_arguments_do_not_fit_the_other_way_either(wrong: str, form: str) -> None:
    (diagnostic,) = diagnosed(wrong)
    (fix,) = diagnostic.fixes
    assert fix.message.startswith(form)
    assert fix.expression is None


@pytest.mark.parametrize("wrong", ["device.attributes.x == 'y'", "device.attributes['x'] == 'y'"])
def test_a_domain_that_is_missing_is_the_driver_that_is_known(wrong: str) -> None:
    compiled = compile_selector(wrong, device_environment())
    (diagnostic,) = compiled.diagnostics_for("gpu.example.com")
    assert diagnostic.fixes[0].expression == "device.attributes['gpu.example.com'].x == 'y'"
    assert compiled.diagnostics[0].fixes[0].expression is None


EXPLAINED = {
    "a wrong number of arguments": ("device.driver.split()", "`split` must have 1 or 2 arguments, not 0"),
    "a macro in a wrong form": ("[1].map(x)", "`map` must have 2 or 3 arguments, not 1"),
    "an unknown function": ("foo(1) == 1", "there is no function `foo`"),
    "a method on something else": ("true.matches('a')", "`matches` needs a text, not `bool`"),
    "a reserved word": ("as == 1", "`as` is a reserved word"),
    "has without a field": ("has(device)", "has() must be given a field"),
    "a duration that is none": ("duration('1 hour') > duration('1s')", "'1 hour' is not a duration"),
    "a pattern that is none": ("device.driver.matches('[')", "'[' is not a pattern"),
    "a text as condition": (
        "device.driver && true",
        "`&&` and `||` need conditions that are true or false, not `string`",
    ),
    "a result that is no condition": ("device.driver", "must be a condition that is true or false, not `string`"),
    "nothing at all": ("", "the expression is empty"),
    "the end comes too early": ("device.driver ==", "the expression ends too early"),
}


@pytest.mark.parametrize(("wrong", "message"), EXPLAINED.values(), ids=EXPLAINED)
def test_a_mistake_is_explained(wrong: str, message: str) -> None:
    assert diagnosed(wrong)[0].message == message


@pytest.mark.parametrize("wrong", [wrong for wrong, _ in (*MENDED.values(), *EXPLAINED.values())])
def test_words_are_those_of_users(wrong: str) -> None:
    for diagnostic in diagnosed(wrong):
        words = f"{diagnostic.message} {' '.join(fix.message for fix in diagnostic.fixes)}".lower()
        for unwanted in ("overload", "undeclared", "ast", "none ", "token", "illegal", "compile"):
            assert unwanted not in words.replace("past", "").replace("last", "").replace("least", "")
        assert not diagnostic.message.endswith(".")
        assert len(diagnostic.message) <= 200
        assert diagnostic.fixes


def test_the_span_covers_what_is_wrong() -> None:
    text = "device.driver == 'x' && device.attribute['d'].y == 1"
    (diagnostic,) = diagnosed(text)
    assert text[diagnostic.start : diagnostic.end] == "attribute"
    assert diagnostic.kind is DiagnosticKind.TYPE


def test_the_api_servers_words_stand_beside_ours() -> None:
    (diagnostic,) = diagnosed("device.driver = 'x'")
    assert diagnostic.reference_text.startswith("compilation failed: ERROR: <input>:1:15: Syntax error")


def test_too_long_and_too_costly_are_told_apart() -> None:
    assert diagnosed("x" * 20_000)[0].kind is DiagnosticKind.LENGTH
    costly = "device.attributes.all(d, " * 5 + "true" + ")" * 5
    assert diagnosed(costly)[0].kind is DiagnosticKind.COST
