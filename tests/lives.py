"""Pieces of a session's life that many tests begin with or end in."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from tests.crm import Crm
from tests.phone_world import PhoneWorld, fresh_phone


@dataclass(frozen=True)
class Paired:
    """A connection whose phone has scanned its code."""

    id: str
    phone: str
    jid: str
    code: str


async def scanned(crm: Crm, phones: PhoneWorld, *, phone: str | None = None, **fields: object) -> Paired:
    """A new connection whose code was scanned this very moment."""
    phone = phone or fresh_phone()
    connection = await crm.create(**fields)
    code = await crm.code(connection)
    return Paired(connection, phone, await phones.scan(code, phone), code)


async def connected(crm: Crm, phones: PhoneWorld, **fields: Any) -> Paired:
    """A new connection that is connected, and whose frontend has been told so."""
    session = await scanned(crm, phones, **fields)
    await crm.hears_state(session.id, "connected")
    return session


async def talk(crm: Crm, phones: PhoneWorld, session: Paired) -> None:
    """A message of a customer arrives at the CRM, and one of the CRM at the customer."""
    customer = fresh_phone()
    inward, outward = f"Oi {uuid.uuid4().hex[:8]}", f"Olá {uuid.uuid4().hex[:8]}"
    await crm.join(session.id)
    mark = crm.now()
    await phones.send(customer, session.phone, inward)
    await crm.hears("newMessage", session.id, lambda message: message["conteudo"] == inward, after=mark)
    await crm.send_text(session.id, customer, outward)
    await phones.receives(customer, outward)
