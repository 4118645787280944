"""Connection events, receipts, errors and log lines of the library mean what the contract says."""

from __future__ import annotations

import base64
import time

import pytest

from contracts.device import (
    Banned,
    ClientOutdated,
    Connected,
    Disconnected,
    LoggedOut,
    LoginRefused,
    ReceiptArrived,
    Replaced,
)
from contracts.messages import DeliveryStatus
from contracts.ports import SendOutcomeUnknown, SendRefused
from whatsapp.endings import loop_failure
from whatsapp.event_codes import EventCode
from whatsapp.log_lines import redact
from whatsapp.outcome import send_failure
from whatsapp.pairing import adv_key_of, server_environment
from whatsapp.protobufs import events
from whatsapp.session_events import Introduced, Wedged, decode


def _jid(user: str, server: str = "s.whatsapp.net") -> events.JID:
    return events.JID(User=user, RawAgent=0, Device=0, Integrator=0, Server=server, IsEmpty=not user)


def _node() -> events.Node:
    return events.Node(Tag="failure")


def test_each_end_event_has_its_own_type() -> None:
    logged_out = events.LoggedOut(OnConnect=True, Reason=events.ConnectFailureReason.MAIN_DEVICE_GONE)
    assert decode(EventCode.LOGGED_OUT, logged_out.SerializeToString()) == LoggedOut("MAIN_DEVICE_GONE at login")
    assert decode(EventCode.STREAM_REPLACED, b"") == Replaced()
    assert decode(EventCode.CLIENT_OUTDATED, b"") == ClientOutdated()
    failure = events.ConnectFailure(Reason=events.ConnectFailureReason.BAD_USER_AGENT, Message="no", Raw=_node())
    assert decode(EventCode.CONNECT_FAILURE, failure.SerializeToString()) == LoginRefused("BAD_USER_AGENT no")


def test_a_ban_says_until_when() -> None:
    ban = events.TemporaryBan(Code=events.TemporaryBan.BLOCKED_BY_USERS, Expire=3600)
    found = decode(EventCode.TEMPORARY_BAN, ban.SerializeToString())
    assert isinstance(found, Banned)
    assert found.until is not None
    assert abs(found.until - time.time() - 3600) < 5
    forever = events.TemporaryBan(Code=events.TemporaryBan.BLOCKED_BY_USERS, Expire=0)
    assert decode(EventCode.TEMPORARY_BAN, forever.SerializeToString()) == Banned(None, "BLOCKED_BY_USERS")


def test_losses_are_not_ends() -> None:
    assert decode(EventCode.DISCONNECTED, events.Disconnected(status=True).SerializeToString()) == Disconnected(
        "the socket was lost"
    )
    error = events.StreamError(Code="500", Raw=_node())
    assert decode(EventCode.STREAM_ERROR, error.SerializeToString()) == Disconnected("stream error 500")


def test_a_second_unanswered_keep_alive_is_a_dead_socket() -> None:
    def timeout(count: int) -> bytes:
        return events.KeepAliveTimeout(ErrorCount=count, LastSuccess=0).SerializeToString()

    assert decode(EventCode.KEEP_ALIVE_TIMEOUT, timeout(1)) is None
    assert isinstance(decode(EventCode.KEEP_ALIVE_TIMEOUT, timeout(2)), Wedged)


def test_logins_and_introductions_are_told_apart() -> None:
    device = events.Device(Platform="android", BussinessName="", PushName="Loja", Initialized=True)
    assert decode(EventCode.DEVICE, device.SerializeToString()) == Introduced("Loja")
    assert decode(EventCode.CONNECTED, events.Connected(status=True).SerializeToString()) == Connected()
    assert decode(99, b"") is None


@pytest.mark.parametrize(
    ("kind", "status", "own"),
    [
        (events.Receipt.DELIVERED, DeliveryStatus.DELIVERED, False),
        (events.Receipt.INACTIVE, DeliveryStatus.DELIVERED, False),
        (events.Receipt.READ, DeliveryStatus.READ, False),
        (events.Receipt.PLAYED, DeliveryStatus.PLAYED, False),
        (events.Receipt.READ_SELF, DeliveryStatus.READ, True),
    ],
)
def test_receipts_move_messages_forward(kind: events.Receipt.ReceiptType, status: DeliveryStatus, own: bool) -> None:
    found = decode(EventCode.RECEIPT, _receipt(kind))
    assert isinstance(found, ReceiptArrived)
    assert (found.receipt.status, found.receipt.own) == (status, own)
    assert found.receipt.message_ids == ("A", "B")
    assert found.receipt.chat == "5511988880001@s.whatsapp.net"


@pytest.mark.parametrize("kind", [events.Receipt.RETRY, events.Receipt.SENDER, events.Receipt.PEER_MSG])
def test_receipts_between_devices_are_nothing(kind: events.Receipt.ReceiptType) -> None:
    assert decode(EventCode.RECEIPT, _receipt(kind)) is None


def _receipt(kind: events.Receipt.ReceiptType) -> bytes:
    return events.Receipt(
        MessageSource=events.MessageSource(
            Chat=_jid("5511988880001"),
            Sender=_jid("5511988880001"),
            IsFromMe=False,
            IsGroup=False,
            SenderAlt=_jid("", ""),
            RecipientAlt=_jid("", ""),
            BroadcastListOwner=_jid("", ""),
        ),
        MessageIDs=["A", "B"],
        Timestamp=1_760_000_000,
        Type=kind,
    ).SerializeToString()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("proto: required field defproto.TemporaryBan.Code not set", Banned),
        ("proto: required field defproto.LoggedOut.Reason not set", LoggedOut),
        ("proto: required field defproto.ConnectFailure.Reason not set", LoginRefused),
        ("proto: required field defproto.Receipt.Type not set", Disconnected),
        ("", Disconnected),
    ],
)
def test_an_event_that_the_library_cannot_encode_still_has_a_meaning(error: str, kind: type) -> None:
    assert isinstance(loop_failure(error), kind)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("failed to send message node: websocket not connected", SendRefused),
        ("server returned error 479", SendRefused),
        ("no LID found for 5511988880001@s.whatsapp.net from server", SendRefused),
        ("failed to get device list: info query timed out", SendRefused),
        ("timed out waiting for message send response", SendOutcomeUnknown),
        ("websocket disconnected before message send returned response", SendOutcomeUnknown),
        ("websocket not connected", SendOutcomeUnknown),
        ("failed to send message node: failed to write", SendOutcomeUnknown),
        ("something new", SendOutcomeUnknown),
    ],
)
def test_only_what_certainly_did_not_leave_is_refused(error: str, kind: type) -> None:
    assert isinstance(send_failure(error), kind)


def test_log_lines_lose_their_secrets() -> None:
    key = base64.b64encode(b"k" * 32).decode()
    payload = f"https://wa.me/settings/linked_devices#2@abc,{key},{key},{key},1"
    for secret in (
        payload,
        key,
        "postgres://perene_device:hidden@/perene?host=/tmp/x",
        "http://user:hidden@proxy:8080",
        "aa" * 32,
    ):
        line = redact(f"before {secret} after")
        assert line.startswith("before [removed]")
        assert line.endswith("after")
        assert "hidden" not in line
        assert key not in line
    assert redact("Successfully paired 5511999990001:12@s.whatsapp.net") == (
        "Successfully paired 5511999990001:12@s.whatsapp.net"
    )


def test_the_secret_of_a_code_is_found_in_its_payload() -> None:
    key = base64.b64encode(b"s" * 32).decode()
    other = base64.b64encode(b"o" * 32).decode()
    payload = f"https://wa.me/settings/linked_devices#2@ref,with,commas,{other},{other},{key},1"
    assert adv_key_of(payload) == b"s" * 32
    for wrong in ("", "x,y", "x,YWJj,1", "x,***,1"):
        with pytest.raises(ValueError, match=r"form|base64|Base64|Incorrect|Only|Invalid|Excess"):
            adv_key_of(wrong)


def test_a_pairing_process_has_no_way_to_whatsapp_but_the_one_it_is_given() -> None:
    environment = server_environment({"https_proxy": "http://real:1", "NO_PROXY": "*", "SSL_CERT_FILE": "/ca.pem"})
    assert environment["HTTPS_PROXY"] == "http://127.0.0.1:0"
    assert "https_proxy" not in environment
    assert "NO_PROXY" not in environment
    assert environment["SSL_CERT_FILE"] == "/ca.pem"
    assert environment["NEONIZE_BOT_TAG"] == "off"
