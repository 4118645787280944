"""Telling the workflow what a holder saw."""

from __future__ import annotations

import asyncio

import structlog
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from contracts.session import HostFact

log = structlog.get_logger(__name__)

_RETRY_FIRST_SECONDS = 0.2
_RETRY_CAP_SECONDS = 5.0


class FactTeller:
    """Signals facts in order from a task of its own, so that a socket never waits for the orchestrator.

    While Temporal is away the newest fact of each kind is kept, and is told when it is back: what counts is where the
    session is now, not each step that led there.
    """

    def __init__(self, workflow: WorkflowHandle[object, object]):
        self._workflow = workflow
        self._waiting: dict[str, HostFact] = {}
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._run(), name="fact-teller")

    def tell(self, fact: HostFact) -> None:
        """Queue a fact; an untold older one of its kind is replaced. Up and down facts replace each other."""
        kind = "link" if fact.kind in ("connected", "disconnected") else fact.kind
        self._waiting.pop(kind, None)
        self._waiting[kind] = fact
        self._idle.clear()
        self._news.set()

    async def _run(self) -> None:
        delay = _RETRY_FIRST_SECONDS
        while True:
            await self._news.wait()
            kind = next(iter(self._waiting), None)
            if kind is None:
                self._news.clear()
                self._idle.set()
                continue
            fact = self._waiting.pop(kind)
            try:
                await self._workflow.signal("host_fact", fact)
                delay = _RETRY_FIRST_SECONDS
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    log.warning("workflow_gone", workflow=self._workflow.id, fact=fact.kind)
                    continue
                self._waiting.setdefault(kind, fact)
                log.warning("fact_delayed", workflow=self._workflow.id, fact=fact.kind, error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, _RETRY_CAP_SECONDS)

    async def close(self, within: float = 1.0) -> None:
        """Tell what is left, for at most `within` seconds, then stop. The activity's own outcome says the rest."""
        try:
            await asyncio.wait_for(self._idle.wait(), within)
        except TimeoutError:
            log.warning("facts_untold", workflow=self._workflow.id, facts=list(self._waiting))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
