"""The health check over HTTP."""

from __future__ import annotations

import time

from tests.api.conftest import Api, running_api
from tests.postgres import ThrowAwayServer


async def test_all_parts_in_order_is_healthy(api: Api) -> None:
    await api.leases.register(host_id="h1", process_name="w", capacity=5, build="t", ttl=60)
    answer = await api.http.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert body["success"] is True
    assert body["status"] == "healthy"
    assert {"timestamp", "uptime", "connections", "version", "checks"} <= body.keys()
    assert body["checks"].keys() == {"database", "orchestrator", "workers", "backups"}
    assert (body["connections"], body["version"]) == (0, "1.2.3")


async def test_without_workers_or_temporal_it_is_degraded_and_serves(api: Api) -> None:
    api.orchestrator.is_healthy = False
    answer = await api.http.get("/health")
    body = answer.json()
    assert (answer.status_code, body["success"], body["status"]) == (200, True, "degraded")
    assert body["checks"]["orchestrator"]["status"] == "unhealthy"
    assert body["checks"]["workers"]["status"] == "unhealthy"
    assert body["checks"]["database"]["status"] == "healthy"


async def test_needs_no_valid_caller(api: Api) -> None:
    answer = await api.http.get("/health", headers={"x-user-id": "nobody"})
    assert (answer.status_code, answer.json()["connections"]) == (200, 0)


async def test_frozen_database_is_unhealthy_and_nothing_hangs(own_postgres: ThrowAwayServer) -> None:
    async with running_api(own_postgres, "perene") as api:
        assert (await api.http.get("/connections")).status_code == 200
        own_postgres.freeze()
        try:
            for method, path in (("GET", "/connections"), ("POST", "/connections"), ("GET", "/connections/c-1/qr")):
                started = time.monotonic()
                answer = await api.http.request(method, path)
                assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
                assert time.monotonic() - started < 5.5
            started = time.monotonic()
            answer = await api.http.get("/health")
            assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
            assert time.monotonic() - started < 3
        finally:
            own_postgres.thaw()
        assert (await api.http.get("/connections")).status_code == 200


async def test_killed_database_is_told_and_serves_again_when_it_is_back(own_postgres: ThrowAwayServer) -> None:
    async with running_api(own_postgres, "perene") as api:
        created = (await api.http.post("/connections")).json()["data"]
        own_postgres.kill()
        answer = await api.http.get("/connections")
        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert (await api.http.get("/health")).status_code == 503
        own_postgres.start()
        assert (await api.http.get("/connections")).json()["data"] == [created]
