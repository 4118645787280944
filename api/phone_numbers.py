"""Phone numbers as people write them, to the digits WhatsApp addresses."""

from __future__ import annotations

import phonenumbers

from api.errors import InvalidRequest


def canonical_phone(written: str, *, field: str) -> str:
    """Digits with the country code, no plus. Raises InvalidRequest INVALID_PHONE_NUMBER naming `field`.

    Only plausibility of length is asked: numbering plans change faster than any library, and WhatsApp knows best.
    """
    digits = "".join(character for character in written if character in "0123456789")
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise InvalidRequest(field, "not an international phone number", code="INVALID_PHONE_NUMBER")
    return digits
