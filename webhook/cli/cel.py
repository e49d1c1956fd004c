"""`drawbridge cel`: what the API server's compiler says about selectors, and what they give on devices."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from webhook.cel.compile import Compiled, Diagnostic, Verdict, compile_selector
from webhook.cel.device import CelDevice, device_from_json, make_device
from webhook.cel.environment import VERSIONS, Environment, device_environment
from webhook.cel.evaluator import Outcome, evaluate
from webhook.cel.tree import render_tree
from webhook.cli.options import fail, say
from webhook.core.finding import Span
from webhook.core.render import drawn, excerpt, harmless

REFUSED = 1
_STANDARD_INPUT = "-"
_GATES = {"DRAConsumableCapacity": "consumable_capacity", "DRAListTypeAttributes": "list_attributes"}


@dataclass(frozen=True, slots=True)
class NamedDevice:
    """A device with the name under which results are shown."""

    name: str
    device: CelDevice


@dataclass(frozen=True, slots=True)
class Job:
    """An expression, and the devices that it is evaluated on."""

    expression: str
    devices: tuple[NamedDevice, ...]


@click.command()
@click.argument("expressions", nargs=-1)
@click.option("--device", "device_file", type=click.Path(path_type=Path), help="Devices to evaluate on: YAML or JSON.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to report.")
@click.option("--tree", is_flag=True, help="Show the syntax tree with types.")
@click.option("--reference-text", is_flag=True, help="Show the API server's own words as well.")
@click.option("--kubernetes-version", metavar="1.34 ... 1.37", default=VERSIONS[-1], help="Judge as this version does.")
@click.option("--feature-gates", metavar="A=true,B=false", default="", help="Gates of the API server.")
@click.option("--stored", is_flag=True, help="Judge as for an object that is stored already.")
def cel(
    expressions: tuple[str, ...],
    device_file: Path | None,
    output: str,
    tree: bool,
    reference_text: bool,
    kubernetes_version: str,
    feature_gates: str,
    stored: bool,
) -> None:
    """Compile, type-check and cost selectors, and evaluate them.

    EXPRESSIONS are read from standard input, one a line, if there are none: the expression itself, or a JSON
    object with `expr` and optionally `device`.
    """
    version = _supported(kubernetes_version)
    environment = device_environment(version, stored=stored, **_gates(feature_gates))
    devices = _device_from_jsons(device_file) if device_file is not None else ()
    jobs = [Job(text, devices) for text in expressions] if expressions else _read_jobs(devices)
    refused = False
    for job in jobs:
        compiled = compile_selector(job.expression, environment)
        outcomes = _evaluated(compiled, job.devices, environment)
        refused = refused or compiled.verdict is not Verdict.OK
        if output == "json":
            click.echo(
                json.dumps(_report(compiled, outcomes, tree=tree, evaluating=bool(job.devices)), ensure_ascii=False)
            )
        else:
            click.echo(harmless(_text(compiled, outcomes, tree=tree, reference_text=reference_text)))
    raise SystemExit(REFUSED if refused and output == "text" else 0)


def _supported(wanted: str) -> str:
    """The nearest version that we know, with a warning if it is another one."""
    if wanted in VERSIONS:
        return wanted
    parts = wanted.removeprefix("v").split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        fail((f"--kubernetes-version must be written like {VERSIONS[-1]}, not '{wanted}'",))
    minor = f"{int(parts[0])}.{int(parts[1])}"
    if minor in VERSIONS:
        return minor
    nearest = VERSIONS[0] if [int(part) for part in parts[:2]] < [1, 34] else VERSIONS[-1]
    say(f"Kubernetes {wanted} is not supported, judging as {nearest} does")
    return nearest


def _gates(text: str) -> dict[str, bool | None]:
    found: dict[str, bool | None] = {}
    for pair in filter(None, text.split(",")):
        name, equals, state = pair.strip().partition("=")
        if not equals or state.lower() not in ("true", "false"):
            fail((f"--feature-gates must be written A=true,B=false, not '{text}'",))
        if name in _GATES:
            found[_GATES[name]] = state.lower() == "true"
    return found


def _device_from_jsons(path: Path) -> tuple[NamedDevice, ...]:
    import yaml

    from webhook.kube.yaml_values import values_of

    try:
        text = sys.stdin.read() if str(path) == _STANDARD_INPUT else path.read_text("utf-8-sig")
        documents = [document for document in values_of(text) if document is not None]
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        fail((f"cannot read devices from {path}: {error}",))
    raws = [raw for document in documents for raw in (document if isinstance(document, list) else [document])]
    try:
        return tuple(_named(raw, index) for index, raw in enumerate(raws))
    except ValueError as error:
        fail((f"{path}: {error}",))


def _named(raw: Any, index: int) -> NamedDevice:
    if not isinstance(raw, Mapping):
        raise ValueError("a device must be an object")  # noqa: TRY004 - a file is wrong, not a call
    name = raw.get("name")
    return NamedDevice(name if isinstance(name, str) and name else f"[{index}]", device_from_json(raw))


def _read_jobs(devices: tuple[NamedDevice, ...]) -> Iterator[Job]:
    """One a line; a line that is a JSON object with `expr` may carry its own device."""
    for raw in sys.stdin.buffer:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        entry: Any = None
        if line.startswith("{"):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                entry = None
        if not isinstance(entry, dict) or not isinstance(entry.get("expr"), str):
            if line.strip():
                yield Job(line, devices)
            continue
        own = entry.get("device")
        yield Job(entry["expr"], devices if own is None else _chosen(own, devices))


def _chosen(own: object, devices: tuple[NamedDevice, ...]) -> tuple[NamedDevice, ...]:
    """Return the device that a line brings, or names; one that is none ends every expression in saying so."""
    if isinstance(own, str):
        found = tuple(device for device in devices if device.name == own)
        return found or (_broken(own, "there is no such device in the file of --device"),)
    try:
        return (_named(own, 0),)
    except ValueError as error:
        return (_broken("[0]", f"the device cannot be read: {error}"),)


def _broken(name: str, why: str) -> NamedDevice:
    device = make_device("", {}, {})
    device.problem = why
    return NamedDevice(name, device)


def _evaluated(
    compiled: Compiled, devices: tuple[NamedDevice, ...], environment: Environment
) -> list[tuple[str, Outcome]]:
    if compiled.ast is None:
        return []
    return [(each.name, evaluate(compiled.ast, each.device, version=environment.version)) for each in devices]


def _report(
    compiled: Compiled, outcomes: list[tuple[str, Outcome]], *, tree: bool, evaluating: bool
) -> dict[str, object]:
    report: dict[str, object] = {
        "expr": compiled.expression,
        "ok": compiled.verdict is Verdict.OK,
        "kind": compiled.verdict.value,
        "error": compiled.error,
        "type": compiled.result_type,
        "max_cost": str(compiled.max_cost) if compiled.ast is not None else "",
        "diagnostics": [_diagnostic(one) for one in compiled.diagnostics],
    }
    if tree and compiled.ast is not None:
        report["tree"] = render_tree(compiled.ast)
    if evaluating:
        report["results"] = [_result(name, outcome) for name, outcome in outcomes]
    return report


def _diagnostic(diagnostic: Diagnostic) -> dict[str, object]:
    return {
        "message": diagnostic.message,
        "span": {"start": diagnostic.start, "end": diagnostic.end},
        "fixes": [
            {
                "message": fix.message,
                **({} if fix.expression is None else {"edits": [{"field": "expr", "value": fix.expression}]}),
            }
            for fix in diagnostic.fixes
        ],
    }


def _result(name: str, outcome: Outcome) -> dict[str, object]:
    if outcome.error is not None:
        return {"device": name, "eval_error": outcome.error, "cost": outcome.cost}
    return {"device": name, "result": outcome.result, "cost": outcome.cost}


def _text(compiled: Compiled, outcomes: list[tuple[str, Outcome]], *, tree: bool, reference_text: bool) -> str:
    lines = [drawn(compiled.expression)]
    if compiled.verdict is Verdict.OK:
        lines.append(f"  ok, gives {compiled.result_type}, costs at most {compiled.max_cost}")
    for diagnostic in compiled.diagnostics:
        lines.append(f"  {compiled.verdict.value}: {diagnostic.message}")
        lines.extend(excerpt(compiled.expression, Span(diagnostic.start, diagnostic.end)))
        lines.extend(f"  fix: {fix.message}" for fix in diagnostic.fixes)
    mended = {fix.expression for diagnostic in compiled.diagnostics for fix in diagnostic.fixes if fix.expression}
    lines.extend(f"  mended: {expression}" for expression in sorted(mended))
    if reference_text and compiled.error:
        lines.extend(f"  {line}" for line in f"API server: {compiled.error}".splitlines())
    if tree and compiled.ast is not None:
        lines.extend(f"  {line}" for line in render_tree(compiled.ast).splitlines())
    for name, outcome in outcomes:
        value = f"error: {outcome.error}" if outcome.error is not None else json.dumps(outcome.result)
        lines.append(f"  {name}: {value} (cost {outcome.cost})")
    return "\n".join(lines)
