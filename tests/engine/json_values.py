"""JSON that a schema allows, drawn at random without knowing what it means."""

import math
from collections.abc import Collection, Mapping
from random import Random
from typing import Any

Schema = Mapping[str, Any]

SMALL = 6
"""How far whole numbers and the lengths of lists mostly are from their smallest."""
SAFE = 10.0
"""Numbers up to which no network overflows."""
DEEPEST = 2
STARTS = "_initializer"
"""How the fields end that keep their default: with steep weights the gradients explode over many steps."""
GIVEN = 0.4
"""The share of the fields with a default that are given all the same."""


class JsonValues:
    """Values of a model's JSON schema; the objects named in `deep` hold themselves two levels deep at most."""

    def __init__(self, schema: Schema, rng: Random, deep: Collection[str] = ()) -> None:
        self._definitions: Schema = schema["$defs"]
        self._rng = rng
        self._deep = deep

    def named(self, name: str) -> dict[str, Any]:
        """An object of this definition."""
        return self._draw({"$ref": name}, 0)

    def _draw(self, schema: Schema, level: int) -> Any:
        if "$ref" in schema:
            name = _name(schema)
            return self._draw(self._definitions[name], level + (name in self._deep))
        if options := schema.get("oneOf") or schema.get("anyOf"):
            allowed = [option for option in options if level < DEEPEST or _name(option) not in self._deep]
            return self._draw(self._rng.choice(allowed), level)
        if "const" in schema or "enum" in schema:
            return self._rng.choice(schema.get("enum") or [schema["const"]])
        if schema["type"] == "object":
            return self._object(schema, level)
        if schema["type"] == "array":
            return self._array(schema, level)
        return self._scalar(schema)

    def _object(self, schema: Schema, level: int) -> dict[str, Any]:
        always = {"kind", *schema.get("required", ())}
        return {
            name: self._draw(field, level)
            for name, field in schema["properties"].items()
            if name in always or (self._rng.random() < GIVEN and not name.endswith(STARTS))
        }

    def _array(self, schema: Schema, level: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self._draw(item, level) for item in schema["prefixItems"]]
        fewest = schema.get("minItems", 0)
        length = self._rng.randint(fewest, min(schema.get("maxItems", math.inf), fewest + 2))
        return [self._draw(schema["items"], level) for _ in range(length)]

    def _scalar(self, schema: Schema) -> float | bool | None:
        """A number is mostly a small one, at times the largest."""
        match schema["type"]:
            case "integer":
                smallest = int(schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1))
                largest = int(schema.get("maximum", 10**30))
                small = self._rng.randint(smallest, min(largest, smallest + SMALL))
                return small if self._rng.random() < 0.9 else largest
            case "number":
                low = max(-SAFE, schema.get("minimum", schema.get("exclusiveMinimum", -SAFE)))
                high = min(SAFE, schema.get("maximum", schema.get("exclusiveMaximum", SAFE)))
                return low + (high - low) * self._rng.uniform(0.01, 0.99)  # open bounds have their reasons
            case "boolean":
                return self._rng.random() < 0.5
        assert schema["type"] == "null", schema
        return None


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
