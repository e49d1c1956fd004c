"""Closures of fields and indices: `a.b`, `a['b']`, `a.?b`, `has(a.b)`."""

from collections.abc import Sequence
from typing import NamedTuple

from webhook.cel.closures import Closure, Frame
from webhook.cel.qualify import qualified, qualified_if_present, unwrapped
from webhook.cel.values import MISSING, NONE, LazyMap, Optional, Value


class Link(NamedTuple):
    """One field or index of a chain. `key` is MISSING unless it is constant."""

    key: Value
    compute: Closure
    optional: bool


def chain(root: Closure, links: Sequence[Link], tested: bool) -> Closure:
    """The root with fields and indices applied to it; `tested`: whether the last one is there (`has`)."""
    if tested:
        return _tested(root, links)
    if len(links) == 1:
        (link,) = links
        if type(link.key) is str:
            return _optional_field(root, link) if link.optional else _field(root, link)
        if not link.optional:
            return _one_link(root, link)
    if all(type(link.key) is str and not link.optional for link in links):
        for link in links:
            root = _field(root, link)
        return root
    return lambda frame: _all_links(root(frame), links, frame)


def tested_branch(root: Closure, links: Sequence[Link]) -> Closure:
    """`has` as a side of `c ? a : b`, where the reference keeps the optional that a chain with `.?` gives."""
    *before, last = links

    def test(frame: Frame) -> Value:
        value = _all_links(root(frame), before, frame)
        optional = type(value) is Optional or last.optional
        if value is NONE:
            return NONE
        found = qualified_if_present(value.value if type(value) is Optional else value, last.compute(frame))
        if not optional:
            return found is not MISSING
        return NONE if found is MISSING else Optional(found)

    return test


def legacy_attribute(get: Closure) -> Closure:
    """A value before 1.37, where an optional one of Kubernetes' types is lost once it is an attribute."""

    def unwrap(frame: Frame) -> Value:
        value = get(frame)
        return Optional(unwrapped(value.value)) if type(value) is Optional and value is not NONE else value

    return unwrap


def _field(root: Closure, link: Link) -> Closure:
    name = link.key
    others = (link,)

    def get(frame: Frame) -> Value:
        value = root(frame)
        kind = type(value)
        if (kind is dict or kind is LazyMap) and name in value:
            return value[name]
        return _all_links(value, others, frame)

    return get


def _optional_field(root: Closure, link: Link) -> Closure:
    name = link.key
    others = (link,)

    def get(frame: Frame) -> Value:
        value = root(frame)
        if type(value) is dict:
            return Optional(value[name]) if name in value else NONE
        return _all_links(value, others, frame)

    return get


def _one_link(root: Closure, link: Link) -> Closure:
    compute = link.compute

    def get(frame: Frame) -> Value:
        value = root(frame)
        if type(value) is Optional:
            return _all_links(value, (link,), frame)
        return qualified(value, compute(frame))

    return get


def _all_links(value: Value, links: Sequence[Link], frame: Frame) -> Value:
    optional = type(value) is Optional
    if optional:
        if value is NONE:
            return NONE
        value = value.value
    for link in links:
        optional = optional or link.optional
        key = link.compute(frame)
        if optional:
            value = qualified_if_present(value, key)
            if value is MISSING:
                return NONE
        else:
            value = qualified(value, key)
    return Optional(value) if optional else value


def _tested(root: Closure, links: Sequence[Link]) -> Closure:
    *before, last = links

    def test(frame: Frame) -> bool:
        value = _all_links(root(frame), before, frame)
        if type(value) is Optional:
            if value is NONE:
                return False
            value = value.value
        return qualified_if_present(value, last.compute(frame)) is not MISSING

    if not before and type(last.key) is str:
        return _tested_name(root, last.key, test)
    return test


def _tested_name(root: Closure, name: str, test: Closure) -> Closure:
    def quick(frame: Frame) -> bool:
        value = root(frame)
        if type(value) is dict:
            return name in value
        return bool(test(frame))

    return quick
