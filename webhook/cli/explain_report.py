"""What `drawbridge explain` reports: tables for people, the ExplainReport for programs (contract 3)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from webhook.bootstrap.explaining import TOGETHER, Asked, Explained
from webhook.cli.report import API_VERSION, fix_json
from webhook.core.finding import Fix
from webhook.core.render import drawn, printable
from webhook.inventory.funnel import Funnel

_ONE_VALUE = re.compile(r"`[^`]*` ([^`]*)")
_BAR = 24
_MOST_NODES = 8


def explain_json(found: Mapping[str, Sequence[Explained]], *, pods: bool) -> dict[str, Any]:
    """Return the ExplainReport; with several clusters each request names the one that it is told of."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ExplainReport",
        "requests": [
            {**_request(entry), **({"cluster": cluster} if len(found) > 1 else {})}
            for cluster, entries in found.items()
            for entry in entries
        ],
        "pods": [],
        "unjudged": [TOGETHER] if pods else [],
        "notes": list(_notes(entry for entries in found.values() for entry in entries)),
    }


def _request(entry: Explained) -> dict[str, Any]:
    funnel, asked = entry.funnel, entry.asked
    return {
        "object": {
            "apiVersion": asked.claim.api_version,
            "kind": asked.claim.kind,
            "namespace": asked.namespace,
            "name": _name(asked),
        },
        "field": str(asked.alternative.path),
        "request": asked.alternative.name,
        "wanted": funnel.wanted,
        "all": funnel.takes_all,
        "devices": funnel.devices,
        "stages": [
            {"label": stage.label, "expression": stage.expression, "left": stage.left} for stage in funnel.stages
        ],
        "matched": funnel.matched,
        "nearest": [
            {"device": near.device, "failed": near.failed, "value": _bare(near.value)} for near in funnel.nearest
        ],
        "fixes": [fix_json(fix) for fix in entry.fixes],
    }


def _bare(value: str) -> str:
    """Return a value without its name, where it is the only one."""
    alone = _ONE_VALUE.fullmatch(value)
    return alone[1] if alone else value.replace("`", "")


def explain_text(found: Mapping[str, Sequence[Explained]], *, pods: bool, bars: bool) -> str:
    """Return a table for each request; with bars and colour where it is read in a terminal."""
    blocks = []
    for cluster, entries in found.items():
        if len(found) > 1:
            blocks.append(printable(f"cluster {cluster}"))
        blocks += ["\n".join(_block(entry, bars=bars)) for entry in entries]
    notes = [printable(f"note: {note}") for note in _notes(entry for entries in found.values() for entry in entries)]
    if pods:
        notes.append(f"note: {TOGETHER}")
    return "\n\n".join([*blocks, *(["\n".join(notes)] if notes else [])])


def _block(entry: Explained, *, bars: bool) -> Iterator[str]:
    funnel = entry.funnel
    name = f"{entry.asked.namespace}/{_name(entry.asked)}"
    yield printable(f"{entry.asked.claim.kind} {name}, request {funnel.alternative.name}")
    yield f"  {_verdict(funnel, bars=bars)}"
    yield ""
    yield from _table(funnel, bars=bars)
    if funnel.nodes:
        yield printable(f"  matches are on: {_nodes(funnel)}")
    if funnel.nearest:
        yield ""
        yield "  nearest:"
        for near in funnel.nearest:
            yield printable(f"    {near.device} has {near.value}" if near.value else f"    {near.device}")
            yield f"      fails {drawn(near.failed)}"
    if entry.fixes:
        yield ""
        yield "  smallest change:"
        yield from (f"    {line}" for line in _fixes(entry.fixes))


def _verdict(funnel: Funnel, *, bars: bool) -> str:
    wanted = "all devices wanted" if funnel.takes_all else f"{funnel.enough} wanted"
    fits = any(funnel.fits(count) for _, count in funnel.nodes)
    told = f"{wanted}, {funnel.matched} {'matches' if funnel.matched == 1 else 'match'}"
    if funnel.matched and not fits:
        told += ", too few of them on one node"
    return click.style(told, fg="green" if fits else "red", bold=True) if bars else told


def _table(funnel: Funnel, *, bars: bool) -> Iterator[str]:
    whole = f"devices, {funnel.planned} of them planned" if funnel.planned else "devices"
    rows = [(funnel.devices, whole, ""), *((s.left, printable(s.label), s.expression) for s in funnel.stages)]
    digits = max(len(str(left)) for left, _, _ in rows)
    widest = max(len(label) for _, label, _ in rows)
    for left, label, expression in rows:
        bar = f"  {_bar(left, funnel.devices)}" if bars else ""
        yield f"  {left:>{digits}}{bar}  {label:<{widest}}  {drawn(expression)}".rstrip()


def _bar(left: int, devices: int) -> str:
    """Return a bar whose length tells how many are left; one that is left is always seen."""
    length = 0 if not left else max(1, left * _BAR // max(1, devices))
    return click.style("\u2588" * length, fg="green" if left else "red") + "\u2591" * (_BAR - length)


def _nodes(funnel: Funnel) -> str:
    shown = [f"{name or 'a node to come'} ({count})" for name, count in funnel.nodes[:_MOST_NODES]]
    more = len(funnel.nodes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _fixes(fixes: Iterable[Fix]) -> Iterator[str]:
    for fix in fixes:
        yield drawn(fix.message)


def _notes(entries: Iterable[Explained]) -> Iterator[str]:
    yield from dict.fromkeys(note for entry in entries for note in entry.notes)


def _name(asked: Asked) -> str:
    metadata = asked.claim.metadata
    return metadata.name or metadata.generate_name
