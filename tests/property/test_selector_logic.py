"""Laws of what is told of selectors without asking devices: never true is true on none, always true on all.

Expressions are made of few places and few constants, so that contradictions are frequent, and judged against random
devices that publish just those places with values near the constants.
"""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from webhook.cel.compile import Verdict, compile_selector, device_environment
from webhook.cel.contradiction import Logic
from webhook.cel.demands import Wanted
from webhook.cel.device import CelDevice, make_device
from webhook.cel.evaluator import EvaluationError, build
from webhook.cel.places import clauses
from webhook.core.device import AttributeValue, VersionText
from webhook.core.quantity import parse_quantity

VERSION = "1.36"
ENVIRONMENT = device_environment(VERSION, list_attributes=True)
NAMES = ("a", "b")
TEXTS = ("", "g", "gp", "gpu", "gpu0", "mig", "u", "pu", "gxu", "gu", "Z")
NUMBERS = (-1, 0, 1, 2, 3)
VERSIONS = ("1.0.0", "1.0.0-a", "1.0.0-a.0", "1.0.1-0", "1.0.1", "2.0.0", "0.0.0-0")
AMOUNTS = ("0", "1n", "2n", "3n", "1", "1Gi", "-1")

ATTRIBUTES: st.SearchStrategy[AttributeValue] = st.one_of(
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from((-(2**63), 2**63 - 1)),
    st.sampled_from(TEXTS),
    st.text("gpumi0Z\0", max_size=4),
    st.sampled_from(VERSIONS).map(VersionText),
    st.lists(st.sampled_from(TEXTS), max_size=2).map(tuple),
)
DEVICES = st.builds(
    make_device,
    st.sampled_from(("gpu", "mig", "d")),
    st.dictionaries(st.sampled_from(tuple(f"d/{name}" for name in (*NAMES, "other"))), ATTRIBUTES, max_size=3),
    st.dictionaries(
        st.sampled_from(tuple(f"d/{name}" for name in NAMES)), st.sampled_from(AMOUNTS).map(parse_quantity), max_size=2
    ),
    st.booleans(),
)

texts = st.sampled_from(TEXTS).map(lambda text: f"'{text}'")
numbers = st.one_of(st.sampled_from(NUMBERS).map(str), st.sampled_from(("1.5", "2.0", "1u", "9223372036854775807")))
places = st.sampled_from(
    tuple(f"device.attributes['d']{access}{name}" for access in (".", ".?") for name in NAMES if access == ".")
)
optionals = st.sampled_from(tuple(f"device.attributes['d'].?{name}" for name in NAMES))
capacities = st.sampled_from(tuple(f"device.capacity['d'].{name}" for name in NAMES))
operators = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
constants = st.one_of(texts, numbers, st.sampled_from(("true", "false", "semver('1.0.0')", "quantity('1')", "['g']")))
versions = st.sampled_from(VERSIONS).map(lambda text: f"semver('{text}')")
amounts = st.sampled_from(AMOUNTS).map(lambda text: f"quantity('{text}')")
terms = st.one_of(places, st.builds("{}.orValue({})".format, optionals, constants), st.just("device.driver"))
methods = st.sampled_from(("startsWith", "endsWith", "contains", "matches"))
ATOMS = st.one_of(
    st.builds("{} {} {}".format, terms, operators, constants),
    st.builds("{} {} {}".format, constants, operators, places),
    st.builds("{}.{}({})".format, terms, methods, texts),
    st.builds("{} in [{}, {}]".format, terms, texts, texts),
    st.builds("{}.{}({})".format, places, st.sampled_from(("isGreaterThan", "isLessThan")), versions),
    st.builds("{}.{}({})".format, versions, st.sampled_from(("isGreaterThan", "isLessThan")), places),
    st.builds("{}.compareTo({}) {} {}".format, places, versions, operators, st.sampled_from(("-1", "0", "1"))),
    st.builds("{}.{}({})".format, capacities, st.sampled_from(("isGreaterThan", "isLessThan")), amounts),
    st.builds("{}.compareTo({}) {} 0".format, capacities, amounts, operators),
    st.builds("{} == {}".format, capacities, amounts),
    st.builds("has({})".format, st.one_of(places, capacities)),
    st.builds("'{}' in device.attributes['d']".format, st.sampled_from(NAMES)),
    st.builds("{}.hasValue()".format, optionals),
    st.builds("{} + 1 > 2".format, places),
    st.builds("{}.lowerAscii() == 'z'".format, places),
    st.builds("{} == {}".format, places, places),
    st.builds("size({}) > 1".format, places),
    st.builds("{}.exists(x, x == 'g')".format, places),
    places,
    st.sampled_from(("true", "false", "1 == 2", "[1, 2].exists(x, x == 2)", "device.allowMultipleAllocations")),
    st.just("cel.bind(x, device.attributes['d'].a, x == 'g' && x == 'u')"),
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)


def outcome(expression: str, device: CelDevice) -> bool | None:
    compiled = compile_selector(expression, ENVIRONMENT)
    assert compiled.ast is not None
    try:
        return build(compiled.ast, VERSION).matches(device)
    except EvaluationError:
        return None


# A version among constants is looked up by its hash, which it has not: the API server gives up, and no `||` helps.
VERSIONED = make_device("gpu", {"d/b": VersionText("1.0.0")}, {})


@settings(deadline=None)
@given(EXPRESSIONS, st.lists(DEVICES, min_size=1, max_size=12))
@example("device.attributes['d'].b in ['', ''] || true", [VERSIONED])
def test_what_is_never_true_is_true_on_no_device_and_what_is_always_true_on_all(
    expression: str, devices: list[CelDevice]
) -> None:
    compiled = compile_selector(expression, ENVIRONMENT)
    if compiled.verdict is not Verdict.OK or compiled.ast is None:
        return
    root = compiled.ast.root
    logic = Logic(VERSION, frozenset({id(root)}))
    outcomes = [outcome(expression, device) for device in devices]
    if not logic.can_hold(clauses(root)):
        assert True not in outcomes
    if logic.always_holds(root):
        assert set(outcomes) == {True}


@settings(deadline=None)
@given(st.lists(EXPRESSIONS, min_size=2, max_size=3), st.lists(DEVICES, min_size=1, max_size=12))
def test_selectors_that_cannot_hold_together_hold_together_on_no_device(
    expressions: list[str], devices: list[CelDevice]
) -> None:
    compiled = [compile_selector(expression, ENVIRONMENT) for expression in expressions]
    roots = [one.ast.root for one in compiled if one.ast is not None and one.verdict is Verdict.OK]
    if len(roots) < len(expressions):
        return
    logic = Logic(VERSION, frozenset(map(id, roots)))
    if not logic.can_hold([clause for root in roots for clause in clauses(root)]):
        assert not any(all(outcome(text, device) is True for text in expressions) for device in devices)


@given(st.sampled_from(Wanted), st.sampled_from((True, False, None)))
def test_what_is_wanted_and_its_contrary_admit_each_outcome_once(wanted: Wanted, ended: bool | None) -> None:
    contrary = {
        Wanted.TRUE: Wanted.NOT_TRUE,
        Wanted.FALSE: Wanted.NOT_FALSE,
        Wanted.NOT_TRUE: Wanted.TRUE,
        Wanted.NOT_FALSE: Wanted.FALSE,
    }
    assert wanted.admits(ended) is not contrary[wanted].admits(ended)
