"""No way to WhatsApp: said clearly, tried again and again, and nothing falls over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from tests.conditions import eventually
from tests.crm import open_crm
from tests.orchestrator_view import view
from tests.stack import Stack


def closed_port() -> int:
    """A port on loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


async def test_without_a_network_a_connection_says_so_and_keeps_trying(new_stack: Callable[..., Stack]) -> None:
    nowhere = f"http://127.0.0.1:{closed_port()}"
    stack = new_stack(HTTPS_PROXY=nowhere, https_proxy=nowhere, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    done = await asyncio.to_thread(stack.perene, "up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    addresses = stack.state().addresses
    async with open_crm(addresses.api) as crm:
        connection = await crm.create()

        async def is_told() -> bool:
            return (await crm.connection(connection))["reason"] == "WHATSAPP_UNREACHABLE"

        await eventually(is_told, "the reason is told")
        shown = await crm.connection(connection, language="en")
        assert (shown["state"], shown["connectionState"], shown["qrCode"]) == ("starting", "connecting", None)
        told = await crm.hears(
            "connectionUpdate", connection, lambda event: event["update"]["reason"] == "WHATSAPP_UNREACHABLE"
        )
        assert told["update"]["connection"] == "connecting"

        async def has_tried_thrice() -> bool:
            return (await view(addresses.temporal, connection)).retry_attempt >= 3

        await eventually(has_tried_thrice, "it is tried again and again")
        # Said once, however often it is tried.
        assert (await crm.events_of(connection)).count("unreachable") == 1
        health = (await crm.ask("GET", "/health")).json()
        assert health["status"] == "healthy"
        await crm.delete(connection)
    assert all(process["restarts"] == 0 for process in stack.status()["processes"])
