"""whatsmeow's connection events as the contract's: what is lost for a while, and what is over."""

from __future__ import annotations

import time

from contracts.device import Banned, ClientOutdated, Disconnected, EndEvent, LoggedOut, LoginRefused, Replaced
from whatsapp.event_codes import EventCode
from whatsapp.log_lines import redact
from whatsapp.protobufs import events


def end_event(code: int, data: bytes) -> EndEvent | None:
    """The end that event `code` with protobuf `data` stands for, or None if it is no end.

    After each of these whatsmeow stays disconnected (`handleStreamError`, `handleConnectFailure` in
    connectionevents.go); on `LoggedOut` it has deleted the device's rows.
    """
    match code:
        case EventCode.LOGGED_OUT:
            logged_out = events.LoggedOut.FromString(data)
            reason = events.ConnectFailureReason.Name(logged_out.Reason)
            return LoggedOut(f"{reason} at login" if logged_out.OnConnect else f"{reason} while connected")
        case EventCode.STREAM_REPLACED:
            return Replaced()
        case EventCode.TEMPORARY_BAN:
            ban = events.TemporaryBan.FromString(data)
            until = time.time() + ban.Expire if ban.Expire > 0 else None
            return Banned(until, events.TemporaryBan.TempBanReason.Name(ban.Code))
        case EventCode.CLIENT_OUTDATED:
            return ClientOutdated()
        case EventCode.CONNECT_FAILURE:
            failure = events.ConnectFailure.FromString(data)
            reason = events.ConnectFailureReason.Name(failure.Reason)
            return LoginRefused(redact(f"{reason} {failure.Message}".strip()))
        case _:
            return None


def loop_failure(error: str) -> EndEvent | Disconnected:
    """What it means that a running event loop ended with `error`.

    goneonize ends the loop of a client when it cannot encode an event, which happens for reason codes it does not
    know: its protobuf fields for them are required and stay empty. The error names the field, and so the event.
    """
    detail = redact(error or "the library's event loop ended")
    if "TemporaryBan" in error:
        return Banned(None, detail)
    if "LoggedOut" in error:
        return LoggedOut(detail)
    if "ConnectFailure" in error:
        return LoginRefused(detail)
    return Disconnected(detail)
