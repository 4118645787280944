"""A connection that is up, as a worker would have written it."""

from __future__ import annotations

from contracts.ids import DEFAULT_OWNER_ID
from contracts.ports import Lease
from contracts.session import Device, TransitionRecord
from contracts.states import SessionState
from tests.api.conftest import Api


async def hosted(api: Api) -> Lease:
    """A connected session `c-1` and the lease of its holder."""
    await api.http.post("/connections", json={"connectionId": "c-1"})
    device = Device(jid="5511999990001:1@s.whatsapp.net", phone="5511999990001")
    await api.sessions.record(
        TransitionRecord(
            connection_id="c-1",
            owner_id=DEFAULT_OWNER_ID,
            sequence=1,
            event="test",
            from_state=SessionState.STARTING,
            to_state=SessionState.CONNECTED,
            at=1_700_000_000.0,
            device=device,
        )
    )
    await api.leases.register(host_id="h1", process_name="w", capacity=5, build="t", ttl=60)
    lease = await api.leases.claim("c-1", DEFAULT_OWNER_ID, "h1")
    assert lease is not None
    return lease
