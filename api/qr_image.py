"""QR codes as pictures: PNG, SVG and the data URI that frontends put into an <img>."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

import qrcode
from qrcode.image.pil import PilImage
from qrcode.image.svg import SvgPathImage

_MODULE_PIXELS = 6
_QUIET_ZONE_MODULES = 4
"""The standard's (ISO/IEC 18004) least margin; phones need it on dark pages."""
_MASK = 0
"""Every mask can be scanned; searching for the best of the eight costs four times the rest."""


@lru_cache(maxsize=256)
def png(payload: str) -> bytes:
    """A black and white PNG of `payload`."""
    target = io.BytesIO()
    _code(payload).make_image(image_factory=PilImage).save(target, "PNG")
    return target.getvalue()


@lru_cache(maxsize=256)
def data_uri(payload: str) -> str:
    """The PNG as `data:image/png;base64,…`."""
    return "data:image/png;base64," + base64.b64encode(png(payload)).decode()


def svg(payload: str) -> bytes:
    """An SVG document of `payload`, on a white ground."""
    target = io.BytesIO()
    _code(payload).make_image(image_factory=_SvgOnWhite).save(target)
    return target.getvalue()


class _SvgOnWhite(SvgPathImage):
    background = "white"


def _code(payload: str) -> qrcode.QRCode[Any]:
    code: qrcode.QRCode[Any] = qrcode.QRCode(
        error_correction=qrcode.ERROR_CORRECT_L,
        box_size=_MODULE_PIXELS,
        border=_QUIET_ZONE_MODULES,
        mask_pattern=_MASK,
    )
    code.add_data(payload)
    code.make(fit=True)
    return code
