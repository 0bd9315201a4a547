"""Names: what is allowed, and the default that always is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.names import ID_PREFIXES, Label, default_model_name, valid_model_name


@pytest.mark.parametrize(
    "name", ["a", "0", "penguins", "species-penguins.csv_2", "a" * 63, "network", "mdl-1"]
)
def test_a_model_name_is_allowed(name: str) -> None:
    assert valid_model_name(name) == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "1 to 63 characters"),
        ("a" * 64, "1 to 63 characters"),
        ("Penguins", "a-z"),
        ("-a", "begins with a letter or digit"),
        ("a b", "a-z"),
        ("a:1", "a-z"),
        ("a@b", "a-z"),
        ("a/b", "a-z"),
        ("a\n", "a-z"),
        ("mdl_a", "must not begin like an id"),
        ("ds_", "must not begin like an id"),
        ("import", "part of an address"),
    ],
)
def test_a_model_name_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        valid_model_name(name)


@pytest.mark.parametrize(
    ("target", "dataset", "name"),
    [
        ("species", "penguins", "species-penguins"),
        ("Species", "Palmer Penguins (2020).csv", "species-palmer-penguins-2020-.csv"),
        (("height", "weight"), "people", "height-weight-people"),
        (None, "penguins", "penguins"),
        (None, "import", "import-model"),
        ("ds_x", "y", "ds-x-y"),
        (None, "...net_work", "net-work"),
        ("größe", "Äpfel", "große-apfel".replace("ß", "-")),
        ("種", "企鵝", "model"),
        ("t" * 100, "x", "t" * 63),
    ],
)
def test_default_model_name(target: str | tuple[str, ...] | None, dataset: str, name: str) -> None:
    assert default_model_name(target, dataset) == name


@given(
    st.none() | st.text() | st.lists(st.text()), st.text() | st.sampled_from(ID_PREFIXES).map(lambda p: p * 3)
)
def test_the_default_name_is_always_allowed(target: str | list[str] | None, dataset: str) -> None:
    valid_model_name(default_model_name(target, dataset))


@pytest.mark.parametrize("label", ["", "a" * 201, "a\nb", "\0", "\x7f", "\ud800"])
def test_a_label_is_refused(label: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Label).validate_python(label)


@pytest.mark.parametrize("label", ["a", "a" * 200, "Größe: 企鵝 🐧 <b>"])
def test_a_label_is_allowed(label: str) -> None:
    assert TypeAdapter(Label).validate_python(label) == label
