"""Whether Perene can serve, and which of its parts cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import structlog
from litestar import Request, Response, get
from litestar.di import NamedDependency

from api.deadlines import database, within
from api.ports import Orchestrator, Probe
from api.services import Services, provide_caller
from contracts.errors import DatabaseUnavailable, OrchestratorUnavailable, PereneError
from contracts.states import SessionState

CHECK_SECONDS: Final = 1.5
CACHE_SECONDS: Final = 1.0

Status = Literal["healthy", "degraded", "unhealthy"]
CheckStatus = Literal["healthy", "degraded", "unhealthy", "unknown"]

_log = structlog.get_logger()


class Check(msgspec.Struct, rename="camel"):
    """One part. `detail` says what is wrong, in English; `latencyMs` is how long it took to answer."""

    status: CheckStatus
    detail: str | None = None
    latency_ms: float | None = None


class Checks(msgspec.Struct):
    database: Check
    orchestrator: Check
    workers: Check
    backups: Check


class Health(msgspec.Struct):
    """`uptime` in seconds; `connections` counts the caller's connected sessions."""

    success: bool
    status: Status
    timestamp: datetime
    uptime: float
    connections: int
    version: str
    checks: Checks


class HealthCheck:
    """Asks every part at once, each within `CHECK_SECONDS`; asked often, it asks them once a second."""

    def __init__(self, probe: Probe, orchestrator: Orchestrator) -> None:
        self._probe = probe
        self._orchestrator = orchestrator
        self._started = time.monotonic()
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._checks: Checks | None = None

    @property
    def uptime(self) -> float:
        """Seconds since the start of this process's application."""
        return time.monotonic() - self._started

    async def checks(self) -> Checks:
        """The state of the parts, at most a second old."""
        async with self._lock:
            if self._checks is None or time.monotonic() - self._checked_at > CACHE_SECONDS:
                self._checks = await self._ask_all()
                self._checked_at = time.monotonic()
            return self._checks

    async def _ask_all(self) -> Checks:
        records, orchestrator, workers = await asyncio.gather(
            _timed(self._database), _timed(self._temporal), _timed(self._workers)
        )
        if records.status == "unhealthy":
            workers = Check("unknown", "the database, which knows of the workers, is unavailable")
        return Checks(records, orchestrator, workers, backups=Check("unknown", "no backup has been configured"))

    async def _database(self) -> Check:
        await within(self._probe.ping(), CHECK_SECONDS, DatabaseUnavailable("no answer"))
        return Check("healthy")

    async def _temporal(self) -> Check:
        if await within(self._orchestrator.healthy(), CHECK_SECONDS, OrchestratorUnavailable("no answer")):
            return Check("healthy")
        return Check("unhealthy", "Temporal does not answer")

    async def _workers(self) -> Check:
        live = await within(self._probe.live_hosts(), CHECK_SECONDS, DatabaseUnavailable("no answer"))
        return Check("healthy", f"{live} live") if live else Check("unhealthy", "no worker holds a live lease")


async def _timed(check: Callable[[], Awaitable[Check]]) -> Check:
    started = time.monotonic()
    try:
        result = await check()
    except PereneError as error:
        return Check("unhealthy", error.failure.en)
    except Exception:  # noqa: BLE001 - a check that fails is an answer, and the others still count
        _log.exception("health_check_failed")
        return Check("unhealthy", "the check itself failed; see the log")
    result.latency_ms = round((time.monotonic() - started) * 1000, 1)
    return result


def overall(checks: Checks) -> Status:
    """Without the database nothing can be served; without the others, reads can."""
    if checks.database.status == "unhealthy":
        return "unhealthy"
    others = (checks.orchestrator, checks.workers)
    return "healthy" if all(check.status == "healthy" for check in others) else "degraded"


@get("/health", summary="Whether Perene can serve")
async def health(
    request: Request[Any, Any, Any], services: NamedDependency[Services], health_check: NamedDependency[HealthCheck]
) -> Response[Health]:
    """200 while it can serve, 503 otherwise. Needs no credentials; without valid ones `connections` is 0."""
    checks = await health_check.checks()
    status = overall(checks)
    body = Health(
        success=status != "unhealthy",
        status=status,
        timestamp=services.now(),
        uptime=round(health_check.uptime, 3),
        connections=0 if status == "unhealthy" else await _connected(request, services),
        version=services.version,
        checks=checks,
    )
    code = 503 if status == "unhealthy" else 200
    return Response(body, status_code=code, headers={"cache-control": "no-store"})


async def _connected(request: Request[Any, Any, Any], services: Services) -> int:
    """The caller's own, so that nobody learns of another's."""
    try:
        caller = await provide_caller(request)
        rows = await database(services.sessions.newest_first(caller.owner_id), seconds=CHECK_SECONDS)
    except PereneError:
        return 0
    return sum(row.state is SessionState.CONNECTED for row in rows)
