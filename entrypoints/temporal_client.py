"""Connecting a process to Temporal, however long that takes."""

from __future__ import annotations

import asyncio

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from entrypoints.settings import TemporalSettings
from workflows.visibility import KEYS

log = structlog.get_logger(__name__)


def make_runtime() -> Runtime:
    """A runtime whose core logs through this process's logging; by itself it would write to standard output."""
    import logging

    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(
                filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
                forwarding=LogForwardingConfig(logger=logging.getLogger("temporal.core")),
            )
        )
    )


async def connect(settings: TemporalSettings, runtime: Runtime | None = None) -> Client:
    """A connected client; tries without limit, since a worker without its orchestrator has nothing else to do."""
    delay = 0.2
    while True:
        try:
            return await Client.connect(settings.address, namespace=settings.namespace, runtime=runtime)
        except RuntimeError as error:
            log.warning("temporal_unreachable", address=settings.address, error=str(error))
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)


async def ensure_search_attributes(client: Client) -> None:
    """Register what sessions are found by. A session cannot start on a server that does not know them."""
    names = {key.name for key in KEYS}
    delay = 0.2
    while True:
        try:
            known = await client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=client.namespace)
            )
            missing = names - set(known.custom_attributes)
            if not missing:
                return
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace,
                    search_attributes=dict.fromkeys(missing, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD),
                )
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                log.warning("search_attributes_not_registered", error=str(error))
        await asyncio.sleep(delay)
        delay = min(delay * 2, 5.0)
