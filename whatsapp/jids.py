"""JIDs as neonize's protobuf messages, to and from text."""

from __future__ import annotations

from contracts.ids import Jid
from whatsapp.protobufs import events

USER_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"
STATUS_CHAT = "status@broadcast"


def to_protobuf(jid: Jid) -> events.JID:
    """The library's form of `jid`; all fields are required there."""
    return events.JID(
        User=jid.user, RawAgent=0, Device=jid.device, Integrator=0, Server=jid.server, IsEmpty=not jid.server
    )


def empty() -> events.JID:
    """The library's form of "no JID"."""
    return events.JID(User="", RawAgent=0, Device=0, Integrator=0, Server="", IsEmpty=True)


def chat_address(text: str) -> Jid:
    """A chat's address from a JID or bare digits. Raises ValueError for anything else."""
    return Jid(text, USER_SERVER) if text.isascii() and text.isdigit() else Jid.parse(text)


def bare(jid: events.JID) -> str:
    """`user@server`, or "" for an empty JID."""
    return f"{jid.User}@{jid.Server}" if jid.Server and jid.User else jid.Server


def full(jid: events.JID) -> str:
    """`user[:device]@server`, or "" for an empty JID."""
    return str(Jid(jid.User, jid.Server, jid.Device)) if jid.Server else ""


def phone_of(*candidates: events.JID) -> str | None:
    """The digits of the first candidate that is a phone number's JID."""
    for jid in candidates:
        if jid.Server == USER_SERVER and jid.User.isdigit():
            return jid.User
    return None
