"""What doctor says of an installation: a finding with a stable name, and what mends it."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from webhook.core.raw import RawObject
from webhook.doctor.facts import CONFIGURATION_KINDS, Place


class Severity(Enum):
    """`INFO` is what could not be looked at, or is worth knowing; `OK` what was looked at and found right."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do in words, and the command for a shell that does it, where there is one."""

    message: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that a diagnosis speaks of; `namespace` is "" for one of the cluster's."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        place = f" in namespace '{self.namespace}'" if self.namespace else ""
        return f"{self.kind} '{self.name}'{place}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding; errors and warnings have a fix."""

    name: str
    severity: Severity
    message: str
    subject: Subject | None = None
    fix: Fix | None = None


def subject_of(raw: RawObject, api_version: str, kind: str) -> Subject:
    """Return the subject of an object as the API server lists it, where lists leave out what it is."""
    metadata = raw.get("metadata") or {}
    return Subject(api_version, kind, str(metadata.get("name", "")), str(metadata.get("namespace") or ""))


def configuration_subject(place: Place, plural: str) -> Subject:
    """Return one of an installation's two webhook configurations."""
    return Subject("admissionregistration.k8s.io/v1", CONFIGURATION_KINDS[plural], place.name)


def unchecked(area: str, why: str, message: str) -> Diagnosis:
    """Return that something could not be looked at; `why` is what the API server, or the network, says."""
    return Diagnosis(f"{area}-unchecked", Severity.INFO, f"{message}: {why}")


def patch_command(resource: str, name: str, operations: Sequence[Any], namespace: str = "") -> str:
    """Return the command that applies a JSON Patch (RFC 6902)."""
    place = ["-n", namespace] if namespace else []
    patch = json.dumps(operations, separators=(",", ":"))
    return shlex.join(["kubectl", "patch", resource, name, *place, "--type=json", "-p", patch])
