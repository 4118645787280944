"""The Temporal development server with its Web UI, on a file."""

from __future__ import annotations

import signal

from entrypoints.http_probe import answers
from entrypoints.part import Launch, PartKind, StopStep, base_environment, installed_binary
from entrypoints.stack_folder import StackFolder

NAMESPACE = "default"
SEARCH_ATTRIBUTES = ("PereneOwner", "PerenePhone", "PereneState", "PereneHost", "PereneConnection")
"""All of type Keyword; registering one that exists changes nothing."""

# Measured: 22 to 42 workflows a second, updates from 97 to 35 ms (docs/adr and benchmarks).
_TUNING = (
    *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
    *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000"),
    *("--dynamic-config-value", "history.timerProcessorMaxPollRPS=1000"),
)


class TemporalPart:
    """The orchestrator, under the supervisor."""

    name = "temporal"
    kind: PartKind = "temporal"
    stop_steps = (StopStep(signal.SIGTERM, 8),)

    def __init__(self, folder: StackFolder, port: int, ui_port: int) -> None:
        self._folder = folder
        self._port = port
        self._ui_port = ui_port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def ui_address(self) -> str:
        return f"http://127.0.0.1:{self._ui_port}"

    async def prepare(self) -> Launch:
        return Launch(
            command=(
                installed_binary("temporal"),
                *("server", "start-dev", "--ip", "127.0.0.1", "--log-level", "warn", "--ui-disable-news-fetch"),
                *("--port", str(self._port), "--ui-port", str(self._ui_port), "--namespace", NAMESPACE),
                *("--db-filename", str(self._folder.temporal / "temporal.db")),
                *(part for name in SEARCH_ATTRIBUTES for part in ("--search-attribute", f"{name}=Keyword")),
                *_TUNING,
            ),
            environment=base_environment(self._folder.data_dir),
        )

    async def is_ready(self) -> bool:
        """The Web UI reaches the server and the namespace exists."""
        return await answers(f"{self.ui_address}/api/v1/namespaces/{NAMESPACE}")
