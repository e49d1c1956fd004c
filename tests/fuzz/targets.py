"""What `make fuzz` tries: for each target the inputs to begin with, how they are changed, and what must hold."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from zlib import crc32

from tests.fuzz.manifest_laws import hold_for_manifest
from tests.fuzz.review_changes import changed_body, manifests, reviews
from tests.fuzz.review_laws import gate, hold_for_body
from tests.fuzz.selector_laws import hold_for_selector
from tests.fuzz.texts import CEL_PIECES, YAML_PIECES, TextChanges, bytes_of, text_of
from webhook.cel.environment import VERSIONS

RECORDED = Path(__file__).parents[1] / "conformance" / "compile.jsonl"

Law = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """`inputs` is how many a campaign gives it, `share` its part of the time of one that is bounded by time; `answers`
    is how many an input is given, `longest` its most bytes, `pieces` the fuzzer's words.
    """

    inputs: int
    share: int
    answers: int
    longest: int
    seeds: Callable[[], Sequence[bytes]]
    pieces: Sequence[str]
    changed: Callable[[bytes, Random], bytes]
    law: Callable[[], AbstractContextManager[Law]]


@cache
def recorded_selectors() -> tuple[str, ...]:
    """Return the expressions on which Kubernetes' verdicts are recorded."""
    with RECORDED.open(encoding="utf-8") as lines:
        return tuple(json.loads(line)["expr"] for line in lines)


@cache
def selector_changes() -> TextChanges:
    return TextChanges(CEL_PIECES, recorded_selectors())


@cache
def manifest_changes() -> TextChanges:
    return TextChanges(YAML_PIECES, manifests())


def _changed(changes: Callable[[], TextChanges]) -> Callable[[bytes, Random], bytes]:
    return lambda data, random: bytes_of(changes().changed(text_of(data), random))


@contextmanager
def _selector_law() -> Iterator[Law]:
    yield lambda data: hold_for_selector(text_of(data), fully=VERSIONS[crc32(data) % len(VERSIONS)])


@contextmanager
def _review_law() -> Iterator[Law]:
    with gate() as asked:
        yield lambda data: hold_for_body(asked, data)


@contextmanager
def _manifest_law() -> Iterator[Law]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.yaml"
        yield lambda data: hold_for_manifest(data, file)


TARGETS: Mapping[str, Target] = {
    "selectors": Target(
        inputs=12_000,
        share=3,
        answers=len(VERSIONS),
        longest=10_300,
        seeds=lambda: [bytes_of(text) for text in recorded_selectors()],
        pieces=CEL_PIECES,
        changed=_changed(selector_changes),
        law=_selector_law,
    ),
    "reviews": Target(
        inputs=90_000,
        share=6,
        answers=6,
        longest=40_000,
        seeds=lambda: [json.dumps(review).encode() for review in reviews()],
        pieces=('"', ":", "{", "}", "[", "]", "null", "\\u0000", "\\ud800", "1e400", "-0", "NaN"),
        changed=changed_body,
        law=_review_law,
    ),
    "manifests": Target(
        inputs=6_000,
        share=2,
        answers=2,
        longest=16_384,
        seeds=lambda: [text.encode() for text in manifests()],
        pieces=YAML_PIECES,
        changed=_changed(manifest_changes),
        law=_manifest_law,
    ),
}
