"""JSON that a schema allows, drawn by hypothesis without knowing what it means."""

from collections.abc import Collection, Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]

SMALL = 6
"""What whole numbers and the lengths of lists mostly stay below, over their smallest."""
LARGEST_NUMBER = 10.0
"""Sizes of numbers that make no network overflow."""


class JsonValues:
    """Values of a model's JSON schema; objects in `deep` are drawn two levels deep at most."""

    def __init__(self, schema: Schema, deep: Collection[str] = ()) -> None:
        self.definitions: Schema = schema["$defs"]
        self._deep = set(deep)

    def draw(self, data: st.DataObject, schema: Schema, level: int = 0) -> Any:
        """A value that `schema` allows."""
        if "$ref" in schema:
            name = _name(schema)
            return self.draw(data, self.definitions[name], level + (name in self._deep))
        for union in ("oneOf", "anyOf"):
            if union in schema:
                options = [option for option in schema[union] if level < 2 or _name(option) not in self._deep]
                return self.draw(data, data.draw(st.sampled_from(options)), level)
        if "const" in schema or "enum" in schema:
            return data.draw(st.sampled_from(schema.get("enum", [schema.get("const")])))
        match schema["type"]:
            case "object":
                return self._object(data, schema, level)
            case "array":
                return self._array(data, schema, level)
            case "integer":
                return data.draw(_whole(schema))
            case "number":
                return data.draw(_real(schema))
            case "boolean":
                return data.draw(st.booleans())
            case "null":
                return None
        raise AssertionError(f"no JSON is known for {schema}")

    def _object(self, data: st.DataObject, schema: Schema, level: int) -> dict[str, Any]:
        always = {"kind", *schema.get("required", ())}
        return {
            name: self.draw(data, field, level)
            for name, field in schema["properties"].items()
            if name in always or data.draw(st.booleans())
        }

    def _array(self, data: st.DataObject, schema: Schema, level: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.draw(data, item, level) for item in schema["prefixItems"]]
        fewest = schema.get("minItems", 0)
        length = data.draw(st.integers(fewest, min(schema.get("maxItems", SMALL), fewest + 2)))
        return [self.draw(data, schema["items"], level) for _ in range(length)]


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _whole(schema: Schema) -> st.SearchStrategy[int]:
    """Mostly a small one, at times the largest."""
    smallest = int(schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1))
    largest = int(schema.get("maximum", 10**30))
    small = st.integers(smallest, min(largest, smallest + SMALL))
    return st.one_of(small, small, small, st.just(largest))


def _real(schema: Schema) -> st.SearchStrategy[float]:
    smallest = schema.get("minimum", schema.get("exclusiveMinimum", -LARGEST_NUMBER))
    largest = schema.get("maximum", schema.get("exclusiveMaximum", LARGEST_NUMBER))
    return st.floats(
        max(smallest, -LARGEST_NUMBER),
        min(largest, LARGEST_NUMBER),
        exclude_min=smallest == schema.get("exclusiveMinimum"),
        exclude_max=largest == schema.get("exclusiveMaximum") and largest <= LARGEST_NUMBER,
        width=32,
    )
