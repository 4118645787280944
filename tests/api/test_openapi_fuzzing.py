"""The OpenAPI document is exact, and no request made from it (or against it) ends in a 500."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any, cast

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
    use_after_free,
)

from api.app import rest_app
from api.cross_origin import Origins
from api.openapi import document
from api.services import Services
from tests.api.conftest import running_api
from tests.postgres import ThrowAwayServer

DATABASE = "api_fuzzed"


@pytest.fixture(scope="module")
def served_url(postgres: ThrowAwayServer) -> Generator[str]:
    """The API in a thread of its own, as schemathesis blocks this one."""
    postgres.clone(DATABASE)
    ready, stop = threading.Event(), asyncio.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        found["loop"] = asyncio.get_running_loop()
        async with running_api(postgres, DATABASE, max_connections=10) as api:
            found["url"] = api.url
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield found["url"]
    found["loop"].call_soon_threadsafe(stop.set)
    thread.join(30)
    postgres.drop(DATABASE)


def document_without_server() -> dict[str, Any]:
    """The document is known while tests are collected, when nothing is served yet."""
    services = Services(*[cast(Any, None)] * 8, max_connections=1, window_seconds=1.0, version="1.2.3")
    return msgspec.json.decode(document(rest_app(services, Origins(loopback_only=True)).openapi_schema.to_schema()))


schema = schemathesis.openapi.from_dict(document_without_server()).include(path_regex="^/api/baileys-simple")


@schema.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_the_document_allows(case: schemathesis.Case, served_url: str) -> None:
    case.call_and_validate(
        base_url=served_url,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
            unsupported_method,
            use_after_free,
        ],
        timeout=20,
    )


def test_the_document_is_served_and_names_both_base_paths(served_url: str) -> None:
    served = httpx.get(f"{served_url}/api/openapi.json").json()
    assert served == document_without_server()
    assert {path.split("/")[2] for path in served["paths"]} == {"baileys-simple", "whatsapp"}
    schemas = served["components"]["schemas"].keys()
    assert {"AnswerOfConnection", "AnswerOfConnectionList", "PageOfHistoryEntry", "ErrorAnswer"} <= schemas
