"""The gateway against a real Temporal server and the real workflow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Worker

from api.gateway import Gateway, lazy_client
from contracts.errors import ConnectionNotFound, OrchestratorUnavailable, PereneError
from contracts.hosting import ForgetKeys, RemoveSession
from contracts.ids import DATABASE_QUEUE, DEFAULT_OWNER_ID, WORKFLOW_QUEUE, session_workflow_id
from contracts.session import PairingCodeRequest, RecordResult, SessionInput, TransitionRecord
from contracts.states import SessionState
from tests.api.temporal_server import TemporalServer
from workflows.session import SessionWorkflow


@pytest.fixture(scope="module")
def temporal() -> Generator[TemporalServer]:
    with TemporalServer() as server:
        yield server


@activity.defn
async def record_transition(record: TransitionRecord) -> RecordResult:
    return RecordResult()


@activity.defn
async def forget_keys(request: ForgetKeys) -> None:
    return


@activity.defn
async def remove_session(request: RemoveSession) -> None:
    return


@asynccontextmanager
async def worker(server: TemporalServer) -> AsyncGenerator[Client]:
    """Runs the workflows and writes nothing down; there is no host and no pairing."""
    client = await Client.connect(server.address)
    writes = [record_transition, forget_keys, remove_session]
    async with (
        Worker(client, task_queue=WORKFLOW_QUEUE, workflows=[SessionWorkflow]),
        Worker(client, task_queue=DATABASE_QUEUE, activities=writes),
    ):
        yield client


def resting(**changes: object) -> SessionInput:
    session = SessionInput(f"c-{uuid4()}", DEFAULT_OWNER_ID, state=SessionState.QR_EXPIRED)
    for name, value in changes.items():
        setattr(session, name, value)
    return session


async def never() -> SessionInput:
    raise AssertionError("the workflow was there")


async def test_starting_twice_starts_once(temporal: TemporalServer) -> None:
    gateway = Gateway(await lazy_client(temporal.address, "default"))
    session = resting()
    await gateway.start(session)
    await gateway.start(session)
    client = await Client.connect(temporal.address)
    described = await client.get_workflow_handle(session_workflow_id(session.connection_id)).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    assert await gateway.healthy()


async def test_commands_reach_the_workflow_and_answer_its_state(temporal: TemporalServer) -> None:
    gateway = Gateway(await lazy_client(temporal.address, "default"))
    session = resting()
    async with worker(temporal):
        await gateway.start(session)
        unmoved = await gateway.disconnect(session.connection_id, never)
        assert (unmoved.state, unmoved.changed) == (SessionState.QR_EXPIRED, False)
        started = await gateway.refresh_qr(session.connection_id, never)
        assert (started.state, started.changed) == (SessionState.STARTING, True)


async def test_refusals_carry_the_workflows_code(temporal: TemporalServer) -> None:
    gateway = Gateway(await lazy_client(temporal.address, "default"))
    session = resting()
    async with worker(temporal):
        await gateway.start(session)
        for command in (gateway.reconnect, gateway.logout):
            with pytest.raises(PereneError) as refused:
                await command(session.connection_id, never)
            assert refused.value.code == "SESSION_NOT_PAIRED"
        with pytest.raises(PereneError) as refused:
            await gateway.pairing_code(session.connection_id, PairingCodeRequest("5511999990001"), never)
        assert refused.value.code == "SESSION_NOT_AWAITING_SCAN"


async def test_a_missing_workflow_is_brought_back_from_its_row(temporal: TemporalServer) -> None:
    gateway = Gateway(await lazy_client(temporal.address, "default"))
    session = resting()

    async def revive() -> SessionInput:
        return session

    async with worker(temporal):
        started = await gateway.refresh_qr(session.connection_id, revive)
        assert started.state is SessionState.STARTING


async def test_deletion_ends_the_workflow_and_what_follows_finds_no_row(temporal: TemporalServer) -> None:
    gateway = Gateway(await lazy_client(temporal.address, "default"))
    session = resting()

    async def gone() -> SessionInput:
        raise ConnectionNotFound

    async with worker(temporal) as client:
        await gateway.start(session)
        deleted = await gateway.delete(session.connection_id, never)
        assert deleted.state is SessionState.DELETED
        await client.get_workflow_handle(session_workflow_id(session.connection_id)).result()
        with pytest.raises(ConnectionNotFound):
            await gateway.refresh_qr(session.connection_id, gone)


async def test_without_a_worker_a_command_times_out(temporal: TemporalServer) -> None:
    gateway = Gateway(await lazy_client(temporal.address, "default"), command_seconds=2.0)
    session = resting()
    await gateway.start(session)
    with pytest.raises(PereneError) as timed_out:
        await gateway.disconnect(session.connection_id, never)
    assert timed_out.value.code == "COMMAND_TIMED_OUT"


async def test_an_absent_server_is_told_within_three_seconds_and_found_when_it_is_back() -> None:
    with TemporalServer() as server:
        gateway = Gateway(await lazy_client(server.address, "default"))
        session = resting()
        await gateway.start(session)
        server.kill()
        await unavailable_within_three_seconds(gateway, session)
        server.start()
        await eventually_started(gateway, resting())
        server.freeze()
        await unavailable_within_three_seconds(gateway, session)
        server.thaw()
        await eventually_started(gateway, resting())


async def test_a_server_that_was_never_there_is_told_too() -> None:
    gateway = Gateway(await lazy_client("127.0.0.1:1", "default"))
    await unavailable_within_three_seconds(gateway, resting())


async def unavailable_within_three_seconds(gateway: Gateway, session: SessionInput) -> None:
    for call in (gateway.start(session), gateway.disconnect(session.connection_id, never)):
        started = time.monotonic()
        with pytest.raises(OrchestratorUnavailable):
            await call
        assert time.monotonic() - started < 3.2
    assert not await gateway.healthy()


async def eventually_started(gateway: Gateway, session: SessionInput) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await gateway.start(session)
            except OrchestratorUnavailable:
                continue
            return
