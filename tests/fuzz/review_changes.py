"""Reviews of everything that the pages and examples show, and changes to them that keep most of their structure."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.texts import CEL_PIECES, ODD_CHARACTERS, TextChanges
from tests.support.pages import examples, rule_pages
from tests.support.serving import make_review
from webhook.kube.manifests import read_documents

Json = dict[str, Any]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CLUSTER = EXAMPLES / "cluster"
SHIPPED = EXAMPLES.parent / "policies"
WORKLOADS = {"StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ReplicaSet": "apps/v1", "Job": "batch/v1"}
NOT_ADMITTED = ("ResourceSlice", "Namespace", "Node")
Place = tuple[Any, Any]
"""A container, and a key or an index in it."""

ODD: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 33, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**40, 0.5, -0.0, 1e308, 1e-320),
    *("", " ", "0", "-1", "1", "1.5", "1e3", "1Gi", "1GiB", "1e400", "-0", "9" * 40, "0.0000000001", "5u", "\u0661Gi"),
    *("x", "X" * 64, "x" * 300, "a/b", "/", "~0~1", "../../x", "a.b.c/d", "gpu.nvidia.com", "nvidia.com/gpu", "%s{0}"),
    *ODD_CHARACTERS,
    *([], [None], [[]], [{}], {}, {"": ""}, {"a": {"b": {}}}, [0, "", None], {"value": None}, ["a"] * 33, [{}] * 300),
)
RAW = (
    *(b"NaN", b"-Infinity", b"1e400", b"-1e-400", b"-0", b"0.1e1", b"1" * 400, b"1" * 5000, b"01", b"+1", b".5", b"1."),
    *(b"[" * 200 + b"]" * 200, b"[" * 9_000 + b"]" * 9_000, b'{"a":' * 140 + b"1" + b"}" * 140, b"[" * 12_000, b"[1,]"),
    *(b'"\\ud800"', b'"\\udc00\\ud83d"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\\u0000"', b'"a\nb"', b'"\\x"', b"'a'"),
    *(
        b'{"a":1,"a":2}',
        b'{"kind":1,"kind":"Pod"}',
        b'{"":[]}',
        b"{1:2}",
        b"tru",
        b"",
        b"/**/1",
        b"\xef\xbb\xbf1",
        b'"',
    ),
)
_SCALAR = re.compile(rb'(?<=[:\[,])\s*(?:null|true|false|-?[0-9][0-9.eE+-]*|"(?:[^"\\]|\\.)*")')


@cache
def manifests() -> tuple[str, ...]:
    """Return the text of every manifest of the examples and of the rules' pages, shipped policies and mappings."""
    shipped = (*SHIPPED.glob("pack/*/policy.yaml"), *SHIPPED.glob("mappings/*.yaml"))
    texts = [file.read_text() for file in sorted((*EXAMPLES.rglob("*.yaml"), *shipped))]
    for page in rule_pages():
        texts += [text for example in examples(page) for text in (example.manifest, example.cluster)]
    return tuple(dict.fromkeys(texts))


def stored_objects() -> Iterator[Json]:
    """Yield every object of those manifests that an endpoint is asked about, and more kinds of workloads."""
    for text in manifests():
        for document in read_documents("", text.encode())[0]:
            raw = dict(document.raw)
            if raw["kind"] not in NOT_ADMITTED:
                yield raw
            if raw["kind"] == "Pod" and isinstance(raw.get("spec"), dict):
                yield from _workloads(raw)


def _workloads(pod: Json) -> Iterator[Json]:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": pod["spec"]}
    metadata = {"name": "w", "namespace": "team-a"}
    for kind, version in WORKLOADS.items():
        spec: Json = {"replicas": 3, "selector": {"matchLabels": {"app": "a"}}, "template": template}
        yield {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
    job = {"spec": {"parallelism": 2, "template": template}}
    yield {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": {"jobTemplate": job}}


def review_of(raw: Json, operation: str = "CREATE", number: int = 0) -> Json:
    """Return the review of an object; `number` makes its uids its own."""
    group, _, version = raw["apiVersion"].rpartition("/")
    metadata = raw.get("metadata") or {}
    given = {"group": group, "version": version}
    fields: Json = {
        "uid": f"review-{number}",
        "kind": {**given, "kind": raw["kind"]},
        "resource": {**given, "resource": f"{raw['kind'].lower()}s"},
        "name": metadata.get("name", ""),
        "namespace": metadata.get("namespace", "team-a"),
        "operation": operation,
        "dryRun": number % 3 == 0,
        "object": None if operation == "DELETE" else {**raw, "metadata": {**metadata, "uid": f"object-{number}"}},
    }
    if operation != "CREATE":
        fields["oldObject"] = raw
    return make_review(**fields)


@cache
def reviews() -> tuple[Json, ...]:
    """Return a review of each stored object, and of updates and deletions of some."""
    made: list[Json] = []
    for number, raw in enumerate(stored_objects()):
        made.append(review_of(raw, "CREATE", number))
        if number % 4 == 0:
            made.append(review_of(raw, ("UPDATE", "DELETE")[number // 4 % 2], number))
    return tuple(made)


def places(value: Any, most: int = 5_000) -> list[Place]:
    """Return every place inside a value, or the first so many."""
    found: list[Place] = []
    waiting = [value]
    while waiting and len(found) < most:
        container = waiting.pop()
        inner = list(container.items()) if isinstance(container, dict) else list(enumerate(container))
        found += [(container, key) for key, _ in inner]
        waiting += [item for _, item in inner if isinstance(item, dict | list)]
    return found


@dataclass(frozen=True, slots=True)
class ReviewChanges:
    """Changes to the JSON of reviews. `known` has the values seen under each key, `texts` changes expressions."""

    known: dict[str, list[Any]]
    texts: TextChanges

    def changed(self, review: Json, random: Random, inside: str = "") -> Json:
        """Return a copy after one to six changes, in the whole review or in one field of its request."""
        copy: Json = json.loads(json.dumps(review))
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            found = places(_part(copy, ("request", inside) if inside else _parts(random)))
            if found:
                self._change(found, random)
        return copy

    def _change(self, found: list[Place], random: Random) -> None:
        container, key = random.choice(found)
        value = container[key]
        match random.randrange(12):
            case 0 | 1:
                container[key] = _copied(random.choice(ODD))
            case 2:
                del container[key]
            case 3 | 4:
                container[key] = self._similar(value, random)
            case 5:
                container[key] = _copied(random.choice(self.known.get(str(key)) or ODD))
            case 6:
                if isinstance(container, dict):
                    container[random.choice(list(self.known))] = container.pop(key)
            case 7:
                if isinstance(container, dict):
                    name = random.choice(list(self.known))
                    container[name] = _copied(random.choice(self.known[name]))
            case 8:
                if isinstance(container, list):
                    container[key:key] = [_copied(value) for _ in range(random.choice((1, 1, 2, 8, 33, 130)))]
            case 9:
                container[key] = random.choice(([value], {"value": value}, {"a": value}, [[value]], [value, value]))
            case 10:
                other, name = random.choice(found)
                if value is not other and not _holds(value, other):
                    other[name] = _copied(value)
            case _:
                if isinstance(container, dict):
                    container[self._similar(key, random)] = container.pop(key)

    def _similar(self, value: Any, random: Random) -> Any:
        """Return a value of the same type that is a little different."""
        match value:
            case bool():
                return not value
            case int() | float():
                return random.choice(
                    (value + 1, -value, value // 2, value * 1000 if abs(value) < 2**200 else 0, str(value))
                )
            case str():
                return self.texts.changed(value, random)
            case list():
                return random.choice((value[::-1], value[:1], value * 2, value[1:]))
            case dict():
                return dict(list(value.items())[: random.randint(0, len(value))])
            case _:
                return _copied(random.choice(ODD))

    def written(self, review: Json, random: Random) -> bytes:
        """Return the review as JSON, sometimes with values in it that no library would write."""
        text = json.dumps(review, ensure_ascii=random.random() < 0.7).encode("utf-8", "surrogatepass")
        if random.random() < 0.2:
            scalars = list(_SCALAR.finditer(text))
            if scalars:
                chosen = random.choice(scalars)
                text = text[: chosen.start()] + random.choice(RAW) + text[chosen.end() :]
        return text


def _parts(random: Random) -> tuple[str, ...]:
    return ("request", "object") if random.random() < 0.8 else ()


def _part(review: Json, way: tuple[str, ...]) -> Json:
    """Return what lies on the way into the review, as far as it is made of objects."""
    for key in way:
        inner = review.get(key)
        if not isinstance(inner, dict):
            break
        review = inner
    return review


def _holds(value: Any, container: Any) -> bool:
    return isinstance(value, dict | list) and any(around is container for around, _ in places(value))


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value


@cache
def review_changes() -> ReviewChanges:
    """Return changes that know the keys, values and expressions of all reviews."""
    known: dict[str, list[Any]] = {}
    expressions = []
    for review in reviews():
        for container, key in places(review):
            if isinstance(container, dict):
                known.setdefault(key, []).append(container[key])
                if key == "expression" and isinstance(container[key], str):
                    expressions.append(container[key])
    return ReviewChanges(known, TextChanges(CEL_PIECES, expressions))


def changed_body(body: bytes, random: Random) -> bytes:
    """Return a request's body after changes to its structure; one that is no JSON object is begun anew."""
    changes = review_changes()
    try:
        review = json.loads(body)
    except (ValueError, RecursionError):
        review = None
    if not isinstance(review, dict) or random.random() < 0.02:
        review = random.choice(reviews())
    return changes.written(changes.changed(review, random), random)
