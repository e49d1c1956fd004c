import pytest

from webhook.cel.environment import VERSIONS, device_environment, parse_environment
from webhook.cel.macros import EXPANDERS

DECLARED = """
version 9.9
cel-go 0.29
gate Shiny off
variable device kubernetes.DRADevice
field kubernetes.DRADevice attributes map{2}(string{3}, map{4}(string{5}, google.protobuf.Any{6}))
[Shiny] field kubernetes.DRADevice shine int{1}
[stored|Shiny] function glow glow_int (int) -> list(int)
function same same_any (<A>, list(<A>)) -> <A>
macro has 1 function
"""


def test_declarations_become_an_environment() -> None:
    environment = parse_environment(DECLARED, stored=False, gates={})
    assert environment.version == "9.9"
    (overload,) = environment.functions["same"].functions
    assert (overload.id, overload.variables) == ("same_any", ("A",))
    attributes = environment.sizes["device"]["attributes"]
    assert attributes.size == 2
    assert attributes.element is not None
    assert attributes.element.key is not None
    assert (attributes.element.size, attributes.element.key.size) == (4, 5)
    assert list(environment.macros) == [("has", 1, False)]


@pytest.mark.parametrize(
    ("stored", "gates", "field", "function"),
    [(False, {}, False, False), (True, {}, False, True), (False, {"Shiny": True}, True, True)],
    ids=["neither", "stored expressions", "the gate is on"],
)
def test_marks_decide_what_is_declared(stored: bool, gates: dict[str, bool], field: bool, function: bool) -> None:
    environment = parse_environment(DECLARED, stored=stored, gates=gates)
    assert ("shine" in environment.structs["kubernetes.DRADevice"]) == field
    assert ("glow" in environment.functions) == function


@pytest.mark.parametrize("version", VERSIONS)
def test_every_release_declares_what_its_macros_expand_to(version: str) -> None:
    environment = device_environment(version)
    assert set(environment.macros) <= set(EXPANDERS)
    for name in ("hasValue", "value", "optional.of", "optional.none", "cel.@mapInsert", "_?_:_", "@not_strictly_false"):
        assert name in environment.functions


@pytest.mark.parametrize("version", VERSIONS)
def test_no_overload_is_declared_twice(version: str) -> None:
    for name, function in device_environment(version).functions.items():
        for overloads in (function.functions, function.methods):
            ids = [overload.id for overload in overloads]
            assert len(ids) == len(set(ids)), name


def test_an_environment_is_made_once() -> None:
    assert device_environment("1.36") is device_environment("1.36")
