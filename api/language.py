"""Which of our two languages a client wants, by Accept-Language (RFC 9110, 12.5.4)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

Language = Literal["pt", "en"]
DEFAULT: Language = "pt"


@lru_cache(maxsize=256)
def preferred_language(accept_language: str) -> Language:
    """The language of ours with the highest weight; Portuguese where the header is empty, strange or names neither."""
    best: Language = DEFAULT
    best_weight = 0.0
    for item in accept_language[:1000].split(","):
        tag, _, parameters = item.partition(";")
        language = tag.strip().lower().split("-", 1)[0]
        weight = weight_of(parameters)
        if language in ("*", DEFAULT) and weight > best_weight:
            best, best_weight = DEFAULT, weight
        elif language == "en" and weight > best_weight:
            best, best_weight = "en", weight
    return best


def weight_of(parameters: str) -> float:
    """The `q` of a header item's parameters, from 0 to 1; 1 where there is none, 0 where it is no number."""
    for parameter in parameters.split(";"):
        name, separator, value = parameter.partition("=")
        if separator and name.strip().lower() == "q":
            try:
                weight = float(value.strip())
            except ValueError:
                return 0.0
            return weight if 0.0 <= weight <= 1.0 else 0.0
    return 1.0
