"""Record the history of every path anew: `python -m tests.replay.record [path ...]`.

Only when a change of the workflow is meant to leave old runs behind, or a new path was added. A recorded history stands
for the runs that are out there: replacing it hides that they would break.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from tests.replay.paths import HISTORIES, PATHS
from tests.workflows.stage import theatre

OF_THE_MACHINE = frozenset({"identity", "requestId", "workerVersion", "sdkMetadata", "meteringMetadata", "stackTrace"})
"""Fields that say where and by what it was recorded; no decision depends on them."""


def stripped(value: Any) -> Any:
    """The history without what is of this machine."""
    if isinstance(value, dict):
        return {key: stripped(item) for key, item in value.items() if key not in OF_THE_MACHINE}
    if isinstance(value, list):
        return [stripped(item) for item in value]
    return value


async def record(names: list[str]) -> None:
    """Play each path on a real server and keep every run of it."""
    async with theatre() as scene:
        for name in names:
            stage = await PATHS[name](scene)
            for old in HISTORIES.glob(f"{name}.*.json"):
                old.unlink()
            for number, history in enumerate(await stage.histories(), start=1):
                file = HISTORIES / f"{name}.{number}.json"
                text = json.dumps(stripped(json.loads(history.to_json())), separators=(",", ":"), sort_keys=True)
                file.write_text(text + "\n")
                sys.stdout.write(f"{file.name}: {len(history.events)} events\n")
            await scene.clear()


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:] or list(PATHS)))
