"""One worker process: it decides (workflows), holds sockets, pairs devices and writes to the database.

`python -m entrypoints.worker`, configured by the environment (see entrypoints.settings). SIGTERM hands its sessions
over: pollers stop, sockets close, leases are released, and the next attempts run elsewhere at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import version
from typing import Any, TypeVar

import structlog
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.claims import Claims
from activities.commands import HolderCommands
from activities.holders import Holders
from activities.hosting import Hosting
from activities.lease_keeper import LeaseKeeper
from activities.pairing import PairingActivities
from activities.persistence import Persistence
from contracts.errors import DatabaseUnavailable
from contracts.ids import DATABASE_QUEUE, HOSTING_QUEUE, PAIRING_QUEUE, WORKFLOW_QUEUE, host_queue, new_host_id
from entrypoints.log_format import configure_logging
from entrypoints.loop_watch import keep_watching, watch_from_now
from entrypoints.reconcile import reconcile_for_ever
from entrypoints.settings import SettingsError, WorkerSettings, worker_settings
from entrypoints.temporal_client import connect, ensure_search_attributes, make_runtime
from store.leases import PostgresLeases
from store.messages import PostgresMessages
from store.pool import Database
from store.send_queue import PostgresSendQueue
from store.sessions import PostgresSessions
from whatsapp.hosting import NeonizeHost
from whatsapp.key_store import ensure_schema
from whatsapp.library import Simulator, ensure_process_environment, shield_stdout
from whatsapp.pairing import ForkserverPairer
from workflows.session import SessionWorkflow

log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")

HANDOVER_SECONDS = 8.0
HOLDING_POLLS, DECIDING_POLLS, WRITING_POLLS = 1, 2, 2
"""How much a process asks for at a time. One that is frozen has asked already: each of its polls swallows a task, which
is missed only a time-out later (8 s, 10 s and 4 s), so there are few. With more polls for decisions, or pollers that
grow with the work, a storm of commands is a third faster, and a frozen worker keeps the others from its sessions for
more than 40 s."""
DATABASE_CONNECTIONS = 10

_AS_LOADED = SandboxRestrictions.default.with_passthrough_modules("workflows", "activities", "contracts")
"""The sandbox would load the workflow's modules again, from disk, for every session: after files were replaced for an
upgrade, a worker that still runs would mix the new ones with the old. That they do no I/O is held by the import rules.
"""


class WorkerProcess:
    """The composition root: every adapter made once, every task ended in order."""

    def __init__(self, settings: WorkerSettings):
        self._settings = settings
        self.host_id = new_host_id(settings.process_name)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Begin the graceful end."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`."""
        settings = self._settings
        simulator = (
            Simulator(proxy=settings.simulator.proxy, noise_root=settings.simulator.noise_root)
            if settings.simulator
            else None
        )
        database = await Database.open(settings.database_url, size=DATABASE_CONNECTIONS, name=settings.process_name)
        leases, sessions = PostgresLeases(database), PostgresSessions(database)
        messages, sends = PostgresMessages(database), PostgresSendQueue(database)
        pairer = ForkserverPairer(settings.device_database_url, simulator=simulator)
        # Three processes start meanwhile or are waited for; together they take no longer than the slowest.
        key_store = asyncio.create_task(self._prepare_key_store())
        pairing_server = asyncio.create_task(pairer.start())
        connecting = asyncio.create_task(connect(settings.temporal, make_runtime()))
        whatsapp = NeonizeHost(settings.device_database_url, settings.sessions_per_worker, simulator=simulator)

        keeper = LeaseKeeper(
            leases,
            host_id=self.host_id,
            process_name=settings.process_name,
            capacity=settings.sessions_per_worker,
            build=version("perene"),
            held=lambda: holders.held(),
            surrender=lambda reason: holders.surrender(reason),
        )
        claims = Claims(leases, keeper)
        holders = Holders(claims.give_back)
        hosting = Hosting(
            keeper=keeper,
            claims=claims,
            holders=holders,
            sessions=sessions,
            messages=messages,
            sends=sends,
            whatsapp=whatsapp,
        )
        pairing = PairingActivities(keeper=keeper, claims=claims, holders=holders, sessions=sessions, pairer=pairer)

        client = await self._unless_stopped(self._ready(connecting, key_store, pairing_server, keeper))
        if client is None:
            return
        holding_workers, other_workers = self._workers(client, hosting, pairing, HolderCommands(holders), sessions)
        running = [asyncio.create_task(worker.run()) for worker in (*holding_workers, *other_workers)]
        background = [
            asyncio.create_task(reconcile_for_ever(client, sessions), name="reconcile"),
            asyncio.create_task(_wake_senders(sends, holders), name="sends"),
        ]
        log.info("worker_ready", host=self.host_id, capacity=settings.sessions_per_worker)
        self._say_ready()
        stop = asyncio.create_task(self._stop.wait())
        # None of these ends by itself; one that does takes the process along, and its sessions move on.
        serving = (*running, *background, *keeper.tasks)
        await asyncio.wait({stop, *serving}, return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in serving if task.done() and task.exception() is not None]
        log.info("worker_stopping", host=self.host_id, held=holders.held(), failed=len(failed))

        # Sockets first, while workflows, writes and commands still run, so that each hand-over is decided and saved.
        await _shut_down(holding_workers, HANDOVER_SECONDS)
        await holders.close()
        await keeper.retire()
        await _shut_down(other_workers, 2.0)
        stop.cancel()
        ending = [*background, *running]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await whatsapp.close()
        await pairer.close()
        await database.close()
        for task in failed:
            task.result()

    async def _ready(
        self,
        connecting: asyncio.Task[Client],
        key_store: asyncio.Task[None],
        pairing_server: asyncio.Task[None],
        keeper: LeaseKeeper,
    ) -> Client:
        """Wait for all that a session needs; nothing is taken on before."""
        client = await connecting
        await asyncio.gather(key_store, pairing_server, keeper.start(), ensure_search_attributes(client))
        return client

    async def _unless_stopped(self, work: Coroutine[Any, Any, _Result]) -> _Result | None:
        """The result of `work`, or None if the stop comes first."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    async def _prepare_key_store(self) -> None:
        delay = 0.2
        while not self._stop.is_set():
            try:
                await ensure_schema(self._settings.device_database_url)
                return
            except DatabaseUnavailable as error:
                log.warning("key_store_not_ready", error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    def _workers(
        self,
        client: Client,
        hosting: Hosting,
        pairing: PairingActivities,
        commands: HolderCommands,
        sessions: PostgresSessions,
    ) -> tuple[list[Worker], list[Worker]]:
        """Work that must not starve other work has a Worker of its own. First those that hold sockets."""
        # Sent at 0.8 of the heartbeat timeout or this, whichever is less: two may be lost before a host counts as dead.
        beat = timedelta(seconds=3)
        holding = [
            Worker(
                client,
                task_queue=HOSTING_QUEUE,
                activities=[hosting.host_session],
                max_concurrent_activities=self._settings.sessions_per_worker,
                max_heartbeat_throttle_interval=beat,
                default_heartbeat_throttle_interval=beat,
                graceful_shutdown_timeout=timedelta(seconds=HANDOVER_SECONDS),
                max_concurrent_activity_task_polls=HOLDING_POLLS,
            ),
            Worker(
                client,
                task_queue=PAIRING_QUEUE,
                activities=[pairing.pair_session],
                max_concurrent_activities=self._settings.pairings_per_worker,
                max_heartbeat_throttle_interval=beat,
                default_heartbeat_throttle_interval=beat,
                graceful_shutdown_timeout=timedelta(seconds=HANDOVER_SECONDS),
                max_concurrent_activity_task_polls=HOLDING_POLLS,
            ),
        ]
        persistence = Persistence(sessions)
        others = [
            Worker(
                client,
                task_queue=WORKFLOW_QUEUE,
                workflows=[SessionWorkflow],
                workflow_runner=SandboxedWorkflowRunner(restrictions=_AS_LOADED),
                max_concurrent_workflow_task_polls=DECIDING_POLLS,
                max_cached_workflows=2 * self._settings.sessions_per_worker + 100,
                # A worker that was killed stalls the workflows it had cached for so long.
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
            ),
            Worker(
                client,
                task_queue=DATABASE_QUEUE,
                activities=[persistence.record_transition, persistence.forget_keys, persistence.remove_session],
                max_concurrent_activities=4 * DATABASE_CONNECTIONS,
                max_concurrent_activity_task_polls=WRITING_POLLS,
            ),
            Worker(
                client,
                task_queue=host_queue(self.host_id),
                activities=[commands.release_session, commands.logout_device, commands.request_pairing_code],
                max_concurrent_activities=64,
            ),
        ]
        return holding, others

    def _say_ready(self) -> None:
        if self._settings.ready_file is not None:
            self._settings.ready_file.write_text(json.dumps({"ready": True, "host": self.host_id}))


async def _shut_down(workers: list[Worker], within: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(within + 1.0):
            await asyncio.gather(*(worker.shutdown() for worker in workers))


async def _wake_senders(sends: PostgresSendQueue, holders: Holders) -> None:
    """Pass on which session has something to send."""
    async for connection_id in sends.accepted():
        named = [holders.holdings.get(connection_id)] if connection_id else list(holders.holdings.values())
        for holding in named:
            if holding is not None:
                holding.outbound.wake()


async def _main(settings: WorkerSettings) -> None:
    process = WorkerProcess(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    watch = asyncio.create_task(keep_watching(), name="loop-watch")
    try:
        await process.run()
    finally:
        watch.cancel()


def main() -> None:
    """Run one worker; the process ends here."""
    ensure_process_environment()
    # Go prints to standard output by itself, QR payloads among it.
    shield_stdout()
    try:
        settings = worker_settings()
    except SettingsError as error:
        sys.exit(f"perene worker: {error}")
    configure_logging(settings.log_format, settings.process_name)
    watch_from_now()
    status = 1
    try:
        asyncio.run(_main(settings))
        status = 0
    except Exception:
        log.exception("worker_failed")
    # Everything is closed by now; the library's and the SDK's own exit handlers may abort the process (SIGSEGV).
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
