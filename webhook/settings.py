"""One frozen Settings, read once from flags, environment, settings file and defaults (flags win).

Everything wrong is reported at once (SettingsError). Variables are `DRAWBRIDGE_` and the field's name in capitals;
the file named by `--settings` or `DRAWBRIDGE_SETTINGS` is YAML with the fields' names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from webhook.core.catalogue import StatedDriver
from webhook.core.errors import SettingsError
from webhook.core.finding import Severity
from webhook.core.suggest import nearest
from webhook.core.versions import minor

OFF = "off"
PREFIX = "DRAWBRIDGE_"
POLICY = "policy/"  # the rules of ClaimPolicies are `policy/NAME`, and the names are the cluster's
POLICIES = Path(__file__).parents[1] / "policies"
LEVELS: Mapping[str, Severity | None] = {**{severity.value: severity for severity in Severity}, OFF: None}
_TRUTH = {"true": True, "false": False, True: True, False: False}

Reader = Callable[[object], object]


def rule_pages() -> Mapping[str, Path]:
    """Return the page of each rule by the rule's id."""
    return {page.parent.name: page for page in sorted(POLICIES.glob("*/README.md"))}


def did_you_mean(rule: str, known: Mapping[str, Path]) -> str:
    """Return the near ids as the end of a sentence that says that there is no such rule; empty where none is near."""
    near = nearest(rule, known)
    return f"; did you mean '{near[0]}'?" if near else ""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004  # as every reader
    return value


def _texts(value: object) -> tuple[str, ...]:
    """Read a list, or one text with `,` between the parts."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("must be a list of texts")  # noqa: TRY004
    return tuple(text for part in parts if (text := _text(part).strip()))


def _path(value: object) -> Path:
    return Path(_text(value)) if not isinstance(value, Path) else value


def _paths(value: object) -> tuple[Path, ...]:
    """Read a list, or one text with `:` between the paths."""
    parts = value.split(":") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("must be a list of paths")  # noqa: TRY004
    return tuple(_path(part) for part in parts if part)


def _version(value: object) -> str:
    minor(str(value))
    return str(value)


def _tls_version(value: object) -> str:
    if str(value) not in ("1.2", "1.3"):
        raise ValueError("must be '1.2' or '1.3'")
    return str(value)


def _port(value: object) -> int:
    port = _number(value)
    if not (port.is_integer() and 0 <= port <= 65535):
        raise ValueError("must be a whole number from 0 to 65535")
    return int(port)


def _drain_seconds(value: object) -> float:
    seconds = _number(value)
    if not 0 <= seconds <= 600:
        raise ValueError("must be a number from 0 to 600")
    return seconds


def _positive(value: object) -> float:
    seconds = _number(value)
    if not seconds > 0:
        raise ValueError("must be a number greater than 0")
    return seconds


def _not_negative(value: object) -> float:
    seconds = _number(value)
    if not seconds >= 0:
        raise ValueError("must be a number greater than or equal to 0")
    return seconds


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number")  # noqa: TRY004
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"must be a number, not '{value}'") from None


def _gates(value: object) -> Mapping[str, bool]:
    """Read `A=true,B=false`, or a mapping."""
    if isinstance(value, str):
        pairs = [(part, *part.partition("=")[::2]) for piece in value.split(",") if (part := piece.strip())]
    elif isinstance(value, Mapping):
        pairs = [(f"{name}={setting}", str(name), setting) for name, setting in value.items()]
    else:
        raise ValueError("must be written A=true,B=false, or as a mapping of them")  # noqa: TRY004
    wrong = [part for part, name, setting in pairs if not name or not _is_truth(setting)]
    if wrong:
        raise ValueError(f"'{wrong[0]}' must be written NAME=true or NAME=false")
    return {name: _TRUTH[setting] for _, name, setting in pairs}


def _is_truth(value: object) -> bool:
    return isinstance(value, bool | str) and value in _TRUTH


def _severities(value: object) -> Mapping[str, Severity | None]:
    """Read `ID=deny|warn|info|off`, several separated by commas, or a mapping; off is None."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, Mapping):  # YAML reads a bare `off` as false
        parts = [f"{rule}={OFF if level is False else level}" for rule, level in parts.items()]
    if not isinstance(parts, list | tuple):
        raise ValueError("must be written ID=deny|warn|info|off, or as a mapping of them")  # noqa: TRY004
    known = rule_pages() if parts else {}
    found: dict[str, Severity | None] = {}
    problems = []
    for part in (str(part).strip() for part in parts if part):
        rule, _, level = part.partition("=")
        if level not in LEVELS:
            problems.append(f"'{part}' must be written RULE=deny, RULE=warn, RULE=info or RULE=off")
        elif rule not in known and not rule.startswith(POLICY):
            problems.append(f"there is no rule '{rule}'{did_you_mean(rule, known)}")
        else:
            found[rule] = LEVELS[level]
    if problems:
        raise ValueError(*problems)
    return found


def _drivers(value: object) -> Mapping[str, StatedDriver]:
    """Read `NAME=VERSION[,Gate=true...]`, several separated by spaces, or `{NAME: {version, featureGates}}`."""
    parts = value.split() if isinstance(value, str) else value
    if isinstance(parts, Mapping):
        return {str(name): _stated(str(name), stated) for name, stated in parts.items()}
    if not isinstance(parts, list | tuple):
        raise ValueError("must be written NAME=VERSION[,Gate=true...], or as a mapping of names")  # noqa: TRY004
    return dict(_written(str(part)) for part in parts)


def _stated(name: str, stated: object) -> StatedDriver:
    if not isinstance(stated, Mapping) or not set(stated) <= {"version", "featureGates"}:
        raise ValueError(f"'{name}' must be a mapping with `version` and `featureGates`")
    version = stated.get("version", "")
    if not isinstance(version, str):
        raise ValueError(f"the version of '{name}' must be text in quotes")  # noqa: TRY004
    return StatedDriver(version, _gates(stated.get("featureGates", {})))


def _written(part: str) -> tuple[str, StatedDriver]:
    name, equals, rest = part.partition("=")
    version, _, gates = rest.partition(",")
    try:
        if name and equals:
            return name, StatedDriver(version, _gates(gates))
    except ValueError:
        pass
    raise ValueError(f"'{part}' must be written NAME=VERSION[,Gate=true...]")


def _read_by(reader: Reader) -> Mapping[str, Reader]:
    return {"reader": reader}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process is started with; each field is a flag of the same name."""

    cluster: tuple[Path, ...] = field(default=(), metadata=_read_by(_paths))
    kubeconfig: Path | None = field(default=None, metadata=_read_by(_path))
    context: str | None = field(default=None, metadata=_read_by(_text))
    kubernetes_version: str | None = field(default=None, metadata=_read_by(_version))
    feature_gates: Mapping[str, bool] = field(default_factory=dict, metadata=_read_by(_gates))
    namespace: str = field(default="default", metadata=_read_by(_text))
    rules: Mapping[str, Severity | None] = field(default_factory=dict, metadata=_read_by(_severities))
    drivers: Mapping[str, StatedDriver] = field(default_factory=dict, metadata=_read_by(_drivers))
    docs_url: str = field(default="", metadata=_read_by(_text))

    host: str = field(default="127.0.0.1", metadata=_read_by(_text))
    port: int = field(default=8443, metadata=_read_by(_port))
    health_port: int = field(default=8081, metadata=_read_by(_port))
    cert_dir: Path | None = field(default=None, metadata=_read_by(_path))
    cert_secret: str = field(default="", metadata=_read_by(_text))
    client_ca: Path | None = field(default=None, metadata=_read_by(_path))
    client_subjects: tuple[str, ...] = field(default=(), metadata=_read_by(_texts))
    tls_min_version: str = field(default="1.3", metadata=_read_by(_tls_version))
    ledger: Path | None = field(default=None, metadata=_read_by(_path))
    write_templates: Path | None = field(default=None, metadata=_read_by(_path))
    drain_seconds: float = field(default=12, metadata=_read_by(_drain_seconds))
    own_namespace: str = field(default="drawbridge-system", metadata=_read_by(_text))

    installation_name: str = field(default="drawbridge", metadata=_read_by(_text))
    settle_seconds: float = field(default=120, metadata=_read_by(_not_negative))
    look_seconds: float = field(default=10, metadata=_read_by(_positive))

    reservation_seconds: float = field(default=90, metadata=_read_by(_positive))
    template_grace_seconds: float = field(default=60, metadata=_read_by(_not_negative))


READERS: Mapping[str, Reader] = {setting.name: setting.metadata["reader"] for setting in fields(Settings)}


def read_settings(flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Return the settings; SettingsError with every problem. A flag that is None or empty was not given."""
    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    from_environment = {
        name: environment[variable] for name in READERS if (variable := f"{PREFIX}{name.upper()}") in environment
    }
    problems: list[str] = []
    settings: dict[str, Any] = {}
    for name, value in {**_file_content(file), **from_environment, **given}.items():
        try:
            if name not in READERS:
                problems.append(f"setting '{name}' is not known")
            elif value is not None:  # a line of the file without a value
                settings[name] = READERS[name](value)
        except ValueError as error:
            problems += (f"setting '{name}': {problem}" for problem in error.args)
    if problems:
        raise SettingsError(tuple(problems))
    return Settings(**settings)


def _file_content(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError((f"settings file {file}: {error}",)) from error
    if content is not None and not isinstance(content, dict):
        raise SettingsError((f"settings file {file}: must hold a mapping of settings",))
    return content or {}
