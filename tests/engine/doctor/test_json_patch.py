"""JSON Patch by the examples of RFC 6902."""

import pytest

from engine.doctor import Operation, apply


@pytest.mark.parametrize(
    ("document", "op", "path", "value", "after"),
    [
        ({"foo": "bar"}, "add", "/baz", "qux", {"foo": "bar", "baz": "qux"}),  # A.1
        ({"foo": ["bar", "baz"]}, "add", "/foo/1", "qux", {"foo": ["bar", "qux", "baz"]}),  # A.2
        ({"baz": "qux", "foo": "bar"}, "replace", "/baz", "boo", {"baz": "boo", "foo": "bar"}),  # A.5
        (
            {"foo": "bar"},
            "add",
            "/child",
            {"grandchild": {}},
            {"foo": "bar", "child": {"grandchild": {}}},
        ),  # A.10
        ({"/": 9, "~1": 10}, "replace", "/~01", 11, {"/": 9, "~1": 11}),  # A.14
        ({"foo": ["bar"]}, "add", "/foo/-", ["abc", "def"], {"foo": ["bar", ["abc", "def"]]}),  # A.16
    ],
)
def test_examples(document, op, path, value, after) -> None:
    assert apply(document, [Operation(op=op, path=path, value=value)]) == after


@pytest.mark.parametrize(
    ("op", "path"),
    [
        ("add", "/a/b"),
        ("replace", "/b"),
        ("replace", "/list/1"),
        ("add", "/list/2"),
        ("replace", "/list/-"),
        ("add", ""),
    ],
)
def test_a_path_to_nowhere(op, path) -> None:
    with pytest.raises(ValueError, match="there is no"):
        apply({"list": [0]}, [Operation(op=op, path=path, value=1)])


def test_the_document_stays() -> None:
    document = {"a": {"b": 1}}
    apply(document, [Operation(op="replace", path="/a/b", value=2)])
    assert document == {"a": {"b": 1}}
