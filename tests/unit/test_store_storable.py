"""Text and JSON as PostgreSQL can keep them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from store import storable

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(ANY_TEXT)
def test_any_text_becomes_valid_utf8_without_nul(value: str) -> None:
    kept = storable.text(value)
    assert "\x00" not in kept
    kept.encode()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_ordinary_text_is_kept_as_it_is(value: str) -> None:
    assert storable.text(value) == value


def test_halves_of_one_character_meet_again() -> None:
    assert storable.text("\ud83d\ude00") == "😀"
    assert storable.text("\ud83d!") == "\ufffd!"


def test_text_is_cut_where_a_limit_is_given() -> None:
    assert storable.text("abcdef", 3) == "abc"
    assert storable.text(None, 3) is None


@given(ANY_JSON)
def test_any_json_value_becomes_strict_json(value: object) -> None:
    written = json.dumps(storable.json_value(value), allow_nan=False)
    assert "\\u0000" not in written
    assert "\\ud800" not in written or json.loads(written) is not None


@given(ANY_JSON)
def test_making_storable_twice_is_making_it_once(value: object) -> None:
    once = storable.json_value(value)
    assert storable.json_value(once) == once
