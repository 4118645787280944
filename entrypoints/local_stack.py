"""The composition of the local stack: which parts, on which ports, in which order."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from entrypoints import ports, role_passwords
from entrypoints.part import Part, base_environment, python_module
from entrypoints.postgres_part import PostgresPart
from entrypoints.product_parts import ApiPart, WorkerPart
from entrypoints.role_passwords import SUPERUSER
from entrypoints.settings import StackSettings
from entrypoints.simulator_part import SimulatorPart
from entrypoints.stack_folder import StackFolder
from entrypoints.stack_state import Addresses, RunOptions
from entrypoints.supervised import how_it_ended
from entrypoints.supervisor import StackError, Stage, Supervisor, first_state
from entrypoints.temporal_part import TemporalPart

MIGRATIONS = "migrations"


@dataclass(frozen=True)
class LocalStack:
    """A stack that is ready to be run, and what it will be reached at."""

    supervisor: Supervisor
    addresses: Addresses
    postgres: PostgresPart


def build(settings: StackSettings, *, simulated: bool, say: Callable[[str], None]) -> LocalStack:
    """Claim the ports and put the parts together. Raises PortTakenError.

    Call it while holding the data folder: it makes the folders and the passwords.
    """
    folder = StackFolder(settings.data_dir, simulated)
    folder.create()
    loopback = "127.0.0.1"
    api_port = ports.claim(settings.api_host, settings.api_port, "PERENE_API_PORT")
    temporal_port = ports.claim(loopback, settings.temporal_port, "PERENE_TEMPORAL_PORT")
    ui_port = ports.claim(loopback, settings.temporal_ui_port, "PERENE_TEMPORAL_UI_PORT")
    simulator_port = settings.simulator_port
    if simulated:
        simulator_port = ports.claim(loopback, settings.simulator_port, "PERENE_SIMULATOR_PORT")

    passwords_file = folder.secrets / "postgres.json"
    postgres = PostgresPart(folder, role_passwords.load_or_create(passwords_file))
    temporal = TemporalPart(folder, temporal_port, ui_port)
    simulator = SimulatorPart(folder, simulator_port) if simulated else None
    api = ApiPart(folder, settings.api_host, api_port, postgres, temporal)
    workers = [WorkerPart(folder, n, postgres, temporal, simulator) for n in range(1, settings.workers + 1)]

    async def migrate() -> None:
        await _run_migrations(folder, postgres.url(SUPERUSER))

    foundation: list[Part] = [postgres, temporal, *([simulator] if simulator else [])]
    addresses = Addresses(
        api=api.address,
        temporal=temporal.address,
        temporal_ui=temporal.ui_address,
        simulator=simulator.address if simulator else None,
    )
    options = RunOptions(
        simulator=simulated,
        workers=settings.workers,
        api_port=api_port,
        temporal_port=temporal_port,
        temporal_ui_port=ui_port,
        simulator_port=simulator_port,
    )
    supervisor = Supervisor(
        folder,
        [Stage(foundation, then=(MIGRATIONS, migrate)), Stage([*workers, api])],
        state=first_state(os.getpid(), options, addresses),
        start_timeout_seconds=settings.start_timeout_seconds,
        say=say,
    )
    return LocalStack(supervisor, addresses, postgres)


async def _run_migrations(folder: StackFolder, admin_url: str) -> None:
    """Run `perene migrate` as a process of its own: it needs the database driver, the supervisor does not."""
    log = folder.log_file(MIGRATIONS)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *python_module("entrypoints.cli"),
            "migrate",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={
                **base_environment(folder.data_dir),
                "PERENE_DATABASE_ADMIN_URL": admin_url,
                "PERENE_ROLE_PASSWORDS_FILE": str(folder.secrets / "postgres.json"),
            },
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    if code != 0:
        tail = log.read_text(errors="replace").splitlines()[-15:]
        shown = "\n".join(f"    {line}" for line in tail)
        raise StackError(f"the migrations failed ({how_it_ended(code)})\n  the end of {log}:\n{shown}")


def folder_description(settings: StackSettings, *, simulated: bool) -> str:
    """One line that says what runs where."""
    world = "the simulated WhatsApp" if simulated else "WhatsApp"
    return f"Perene on {world}, in {settings.data_dir} (Python {sys.version.split()[0]})"
