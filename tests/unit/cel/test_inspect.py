from tests.support.selectors import parsed
from webhook.cel.compile import compile_selector
from webhook.cel.environment import device_environment
from webhook.cel.inspect import Access, AccessKind, accesses, conjuncts, respell


def read(text: str) -> list[Access]:
    compiled = compile_selector(text, device_environment())
    assert compiled.ast is not None, compiled.error
    return list(accesses(compiled.ast))


def names(text: str) -> list[tuple[str | None, str | None, bool]]:
    return [(access.domain, access.name, access.guarded) for access in read(text)]


def test_an_attribute_is_read_by_domain_and_name() -> None:
    text = "device.attributes['gpu.example.com'].model == 'a'"
    (access,) = read(text)
    assert (access.kind, access.domain, access.name) == (AccessKind.ATTRIBUTES, "gpu.example.com", "model")
    assert access.domain_span is not None
    assert access.name_span is not None
    assert text[slice(*access.domain_span)] == "'gpu.example.com'"
    assert text[slice(*access.name_span)] == "model"
    assert text[slice(*access.span)] == "device.attributes['gpu.example.com'].model"
    assert not access.guarded


def test_capacity_is_told_from_attributes() -> None:
    (access,) = read("device.capacity['d']['m'] == quantity('1')")
    assert (access.kind, access.domain, access.name) == (AccessKind.CAPACITY, "d", "m")


def test_what_may_be_absent_is_guarded() -> None:
    assert names("has(device.attributes['d'].x)") == [("d", "x", True)]
    assert names("'x' in device.attributes['d']") == [("d", "x", True)]
    assert names("'d' in device.attributes") == [("d", None, True)]
    assert names("device.attributes['d'].?x.orValue(1) == 1") == [("d", "x", True)]
    assert names("device.attributes[?'d'].?x.orValue(1) == 1") == [("d", "x", True)]


def test_a_name_of_bind_stands_for_what_it_is_bound_to() -> None:
    assert names("cel.bind(g, device.attributes['d'], g.x == g['y'])") == [
        ("d", None, False),
        ("d", "x", False),
        ("d", "y", False),
    ]


def test_what_a_macro_copies_is_seen_once() -> None:
    assert names("device.attributes['d'].?x.optMap(v, v == 1).orValue(false)") == [("d", "x", True)]


def test_a_computed_name_is_none() -> None:
    assert names("device.attributes['d'].exists(k, device.attributes['d'][k] == 1)") == [
        ("d", None, False),
        ("d", None, False),
    ]


def test_a_field_of_a_value_is_nested() -> None:
    (access,) = read("device.attributes['d'].x.y == 1")
    assert (access.name, access.nested) == ("x", True)


def test_a_variable_named_device_is_not_the_device() -> None:
    assert names("[{'attributes': 1}].all(device, device.attributes == 1)") == []


def test_conjuncts_are_the_parts_joined_at_the_top() -> None:
    text = "1 == 1 && (true || false && true) && 'a' == 'a' && true"
    ast = parsed(text)
    assert [text[node.start : node.end] for node in conjuncts(ast)] == [
        "1 == 1",
        "(true || false && true)",
        "'a' == 'a'",
        "true",
    ]


def test_respelling_keeps_the_style_of_quotes() -> None:
    assert respell('a["x"]', (2, 5), "y") == 'a["y"]'
    assert respell("a.x", (2, 3), "y") == "a.y"
    assert respell("a['x']", (2, 5), "it's") == "a['it\\'s']"
