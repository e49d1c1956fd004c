"""LegacyMapping: how legacy extended resources and GPU node labels become requests (contract 1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LegacyMapping:
    name: str
