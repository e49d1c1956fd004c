"""One frozen Settings, read once from flags, environment, settings file and defaults (flags win).

Everything wrong is reported at once (SettingsError). Variables are `DRAWBRIDGE_` and the field's name in capitals;
the file named by `--settings` or `DRAWBRIDGE_SETTINGS` is YAML with the fields' names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from webhook.core.catalogue import StatedDriver
from webhook.core.errors import SettingsError
from webhook.core.finding import Severity
from webhook.core.versions import minor

OFF = "off"
PREFIX = "DRAWBRIDGE_"


class Driver(BaseModel, frozen=True, extra="forbid"):
    """A driver's version and feature gates, where they are stated rather than inferred."""

    version: str = ""
    feature_gates: Mapping[str, bool] = Field(default_factory=dict, alias="featureGates")


def _gates(value: object) -> object:
    """Read `A=true,B=false`."""
    if not isinstance(value, str):
        return value
    gates = {}
    for part in filter(None, (piece.strip() for piece in value.split(","))):
        name, equals, setting = part.partition("=")
        if not equals or setting not in ("true", "false"):
            raise ValueError(f"'{part}' must be written NAME=true or NAME=false")
        gates[name] = setting == "true"
    return gates


def _severities(value: object) -> object:
    """Read `ID=deny|warn|info|off`, several separated by commas."""
    if isinstance(value, str):
        value = [piece for piece in value.split(",") if piece]
    if isinstance(value, list | tuple):
        value = dict(_severity(str(part)) for part in value)
    return value


def _severity(part: str) -> tuple[str, str]:
    rule, equals, level = part.partition("=")
    if not equals or level not in (*(severity.value for severity in Severity), OFF):
        raise ValueError(f"'{part}' must be written RULE=deny, RULE=warn, RULE=info or RULE=off")
    return rule, level


def _paths(value: object) -> object:
    return [Path(piece) for piece in value.split(":") if piece] if isinstance(value, str) else value


def _version(value: object) -> object:
    if value is not None:
        minor(str(value))
    return None if value is None else str(value)


Gates = Annotated[Mapping[str, bool], BeforeValidator(_gates)]
Levels = Annotated[Mapping[str, str], BeforeValidator(_severities)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_paths)]


class Settings(BaseModel):
    """What a process is started with; each field is a flag of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: Paths = ()
    kubeconfig: Path | None = None
    context: str | None = None
    kubernetes_version: Annotated[str | None, BeforeValidator(_version)] = None
    feature_gates: Gates = Field(default_factory=dict)
    namespace: str = "default"
    rules: Levels = Field(default_factory=dict)
    drivers: Mapping[str, Driver] = Field(default_factory=dict)
    docs_url: str = ""

    host: str = "127.0.0.1"
    port: int = Field(8443, ge=0, le=65535)
    health_port: int = Field(8081, ge=0, le=65535)
    cert_dir: Path | None = None
    tls_min_version: Literal["1.2", "1.3"] = "1.3"
    ledger: Path | None = None
    write_templates: Path | None = None
    drain_seconds: float = Field(12, ge=0, le=600)
    own_namespace: str = "drawbridge-system"

    reservation_seconds: float = Field(90, gt=0)
    template_grace_seconds: float = Field(60, ge=0)

    def severities(self) -> Mapping[str, Severity | None]:
        return {rule: None if level == OFF else Severity(level) for rule, level in self.rules.items()}

    def stated_drivers(self) -> Mapping[str, StatedDriver]:
        return {name: StatedDriver(driver.version, driver.feature_gates) for name, driver in self.drivers.items()}


def read_settings(flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Return the settings; SettingsError with every problem. A flag that is None or empty was not given."""
    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    from_environment = {
        name: environment[variable]
        for name in Settings.model_fields
        if (variable := f"{PREFIX}{name.upper()}") in environment
    }
    try:
        return Settings.model_validate({**_file_content(file), **from_environment, **given})
    except ValidationError as error:
        raise SettingsError(tuple(_problem(dict(detail)) for detail in error.errors())) from error


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


def _problem(detail: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"setting '{name}' is not known"
    return f"setting '{name}': {str(detail['msg']).removeprefix('Value error, ')}"
