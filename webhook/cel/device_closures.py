"""Closures of what nearly every selector asks: the device's driver, an attribute, a capacity, and how it compares."""

from typing import NamedTuple

from webhook.cel.closures import Closure, Frame
from webhook.cel.functions.dispatch import Guarded, no_overload_for
from webhook.cel.values import MapKey, Value, equal, map_key, no_such_key


class Entry(NamedTuple):
    """Where a value is in the device: `attributes` or `capacity`, the domain, the name."""

    attribute: str
    domain: str
    name: str


def field(attribute: str) -> Closure:
    """`device.driver` and the other fields of the device."""
    if attribute == "driver":
        return lambda frame: frame[0].driver
    return lambda frame: getattr(frame[0], attribute)


def domain_map(attribute: str, domain: str) -> Closure:
    """`device.attributes['domain']`, `device.capacity['domain']`; never an error."""
    if attribute == "attributes":
        return lambda frame: frame[0].attributes[domain]
    return lambda frame: frame[0].capacity[domain]


def value(entry: Entry) -> Closure:
    """`device.attributes['domain'].name`, `device.capacity['domain'].name`."""
    attribute, domain, name = entry
    if attribute == "attributes":

        def get_attribute(frame: Frame) -> Value:
            try:
                return frame[0].attributes[domain][name]
            except KeyError:
                raise no_such_key(name) from None

        return get_attribute

    def get_capacity(frame: Frame) -> Value:
        try:
            return frame[0].capacity[domain][name]
        except KeyError:
            raise no_such_key(name) from None

    return get_capacity


def is_there(entry: Entry) -> Closure:
    """`has(device.attributes['domain'].name)`."""
    attribute, domain, name = entry
    if attribute == "attributes":
        return lambda frame: name in frame[0].attributes[domain]
    return lambda frame: name in frame[0].capacity[domain]


def driver_equals(constant: str) -> Closure:
    """`device.driver == 'constant'`."""
    return lambda frame: frame[0].driver == constant


def attribute_equals(domain: str, name: str, constant: Value) -> Closure:
    """`device.attributes['domain'].name == 'constant'`."""
    kind = type(constant)

    def compare(frame: Frame) -> Value:
        try:
            value = frame[0].attributes[domain][name]
        except KeyError:
            raise no_such_key(name) from None
        return value == constant if type(value) is kind else equal(value, constant)

    return compare


def attribute_in(domain: str, name: str, members: frozenset[MapKey]) -> Closure:
    """`device.attributes['domain'].name in ['constant']`."""

    def test(frame: Frame) -> bool:
        try:
            value = frame[0].attributes[domain][name]
        except KeyError:
            raise no_such_key(name) from None
        return value in members if type(value) is str else map_key(value) in members

    return test


def attribute_or(domain: str, name: str, alternative: Closure) -> Closure:
    """`device.attributes['domain'].?name.orValue(alternative)`."""

    def get(frame: Frame) -> Value:
        entries = frame[0].attributes[domain]
        return entries[name] if name in entries else alternative(frame)

    return get


def method_with(entry: Entry, function: str, method: Guarded, constant: Value) -> Closure:
    """`device.capacity['domain'].name.f('constant')` where the constant fits."""
    attribute, domain, name = entry
    run, fits, _ = method

    def of_attribute(frame: Frame) -> Value:
        try:
            value = frame[0].attributes[domain][name]
        except KeyError:
            raise no_such_key(name) from None
        if type(value) in fits:
            return run(value, constant)
        raise no_overload_for(function, (value, constant))

    def of_capacity(frame: Frame) -> Value:
        try:
            value = frame[0].capacity[domain][name]
        except KeyError:
            raise no_such_key(name) from None
        if type(value) in fits:
            return run(value, constant)
        raise no_overload_for(function, (value, constant))

    return of_attribute if attribute == "attributes" else of_capacity
