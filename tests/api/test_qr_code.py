"""The QR code of a connection in its three forms."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime

import httpx
import pytest
import zxingcpp
from PIL import Image

from api import qr_image
from contracts.device import QrShown
from contracts.ids import DEFAULT_OWNER_ID
from tests.api.conftest import Api

PAYLOAD = "https://wa.me/settings/linked_devices#2@" + ",".join(["Qw3rTy/+Abc0" * 4 + "="] * 4) + ",1"


async def show(api: Api, *, lifetime: float = 60.0, payload: str = PAYLOAD) -> float:
    """A connection `c-1` whose host shows a code; when it expires, unix seconds."""
    await api.http.post("/connections", json={"connectionId": "c-1"})
    await api.leases.register(host_id="h1", process_name="w", capacity=5, build="t", ttl=60)
    lease = await api.leases.claim("c-1", DEFAULT_OWNER_ID, "h1")
    assert lease is not None
    at = time.time()
    await api.sessions.publish_qr(lease, QrShown(payload, lifetime, at, b"k" * 32))
    return at + lifetime


def read(png: bytes) -> str:
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    return code.text


async def test_json_form_holds_payload_picture_and_expiry(api: Api) -> None:
    expires_at = await show(api)
    answer = await api.http.get("/connections/c-1/qr")
    assert answer.headers["cache-control"] == "no-store"
    data = answer.json()["data"]
    assert data["qrCode"] == PAYLOAD
    assert data["qrCodeImage"].startswith("data:image/png;base64,")
    assert datetime.fromisoformat(data["expiresAt"]) == datetime.fromtimestamp(expires_at, UTC)
    assert (data["connectionState"], data["isConnected"]) == ("connecting", False)
    assert (await api.http.get("/connections/c-1")).json()["data"]["qrCode"] == PAYLOAD


async def test_png_form_can_be_scanned(api: Api) -> None:
    await show(api)
    answer = await api.http.get("/connections/c-1/qr", headers={"accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    assert read(answer.content) == PAYLOAD


async def test_svg_form_is_a_drawing(api: Api) -> None:
    await show(api)
    answer = await api.http.get("/connections/c-1/qr", headers={"accept": "image/svg+xml"})
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert b"<svg" in answer.content
    assert b"linked_devices" not in answer.content


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "image/png"),
        ("image/webp,*/*", "application/json"),
        ("image/png;q=0.1, application/json;q=0.9", "application/json"),
        ("image/svg+xml, image/png;q=0.9", "image/svg+xml"),
        ("text/html", "application/json"),
        ("image/png;q=0", "application/json"),
        ("image/*", "image/png"),
    ],
)
async def test_form_follows_accept(api: Api, accept: str, form: str) -> None:
    await show(api)
    answer = await api.http.get("/connections/c-1/qr", headers={"accept": accept})
    assert answer.headers["content-type"].split(";")[0] == form


async def test_without_a_code_json_is_null_and_pictures_are_not_found(api: Api) -> None:
    await api.http.post("/connections", json={"connectionId": "c-1"})
    assert await without_code(api) == {"qrCode": None, "qrCodeImage": None, "expiresAt": None}


async def test_an_expired_code_is_not_given_out(api: Api) -> None:
    await show(api, lifetime=0.0)
    assert await without_code(api) == {"qrCode": None, "qrCodeImage": None, "expiresAt": None}
    assert (await api.http.get("/connections")).json()["data"][0]["qrCode"] is None


async def without_code(api: Api) -> dict[str, object]:
    for accept in ("image/png", "image/svg+xml"):
        answer: httpx.Response = await api.http.get("/connections/c-1/qr", headers={"accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "QR_NOT_AVAILABLE")
    data = (await api.http.get("/connections/c-1/qr")).json()["data"]
    return {name: data[name] for name in ("qrCode", "qrCodeImage", "expiresAt")}


@pytest.mark.parametrize("length", [1, 50, 220, 300, 1000])
def test_pictures_of_any_length_can_be_scanned(length: int) -> None:
    payload = ("2@AbC/+=," * 200)[:length]
    assert read(qr_image.png(payload)) == payload
