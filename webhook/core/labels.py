"""Label selectors (`metav1.LabelSelector`)."""

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.core.fieldpath import FieldPath
from webhook.core.raw import RawObject, Reader


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case _:
                return False


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold; without any, everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_label_selector(raw: RawObject, path: FieldPath, reader: Reader) -> LabelSelector:
    equal = reader.text_map(raw, "matchLabels", path)
    listed = (
        Requirement(reader.text(e, "key", at), reader.text(e, "operator", at), reader.texts(e, "values", at))
        for e, at in reader.structs(raw, "matchExpressions", path)
    )
    return LabelSelector((*(Requirement(key, "In", (value,)) for key, value in equal.items()), *listed))
