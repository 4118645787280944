"""The failure taxonomy: one row a failure, with words for people and a category for machines."""

from __future__ import annotations

import re

import pytest

from contracts import errors
from contracts.errors import FAILURES, Category, Failure, PereneError

ROWS = [pytest.param(failure, id=code) for code, failure in FAILURES.items()]


@pytest.mark.parametrize("failure", ROWS)
def test_a_failure_has_a_code_a_status_and_two_texts(failure: Failure) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", failure.code)
    assert 400 <= failure.http < 600
    assert failure.pt.endswith(".")
    assert failure.en.endswith(".")
    assert failure.pt != failure.en


@pytest.mark.parametrize("failure", ROWS)
def test_a_failure_is_found_by_its_own_code(failure: Failure) -> None:
    assert FAILURES[failure.code] is failure


@pytest.mark.parametrize("failure", ROWS)
def test_only_what_may_pass_by_itself_is_retryable(failure: Failure) -> None:
    assert failure.retryable == (failure.category is Category.TRANSIENT)


@pytest.mark.parametrize("failure", ROWS)
def test_who_has_to_act_agrees_with_the_status(failure: Failure) -> None:
    if failure.http >= 500:
        assert failure.category in (Category.TRANSIENT, Category.BUG)
    if failure.category is Category.BUG:
        assert failure.http == 500


def exception_classes() -> list[type[PereneError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, PereneError) and value is not PereneError
    ]


@pytest.mark.parametrize("error", exception_classes())
def test_each_exception_names_a_row_and_says_what_happened(error: type[PereneError]) -> None:
    raised = error()
    assert raised.failure.code == error.code
    assert error.code != "INTERNAL_ERROR"
    assert str(raised) == (error.__doc__ or "").strip().splitlines()[0]


def test_an_error_of_an_unknown_code_cannot_be_made() -> None:
    with pytest.raises(KeyError, match="NO_SUCH_CODE"):
        PereneError("what", code="NO_SUCH_CODE")


def test_an_error_carries_its_code_its_words_and_its_data() -> None:
    error = PereneError("not now", code="RATE_LIMITED", data={"retryAfter": 3})
    assert (str(error), error.code, error.data) == ("not now", "RATE_LIMITED", {"retryAfter": 3})
    assert error.failure.http == 429
