"""One table of timeouts and retry policies, so that they are reviewed in one place.

Nothing that keeps a session alive or saves its state has a limit on attempts: the rule of this project is that
retries are never removed (`tests/unit/test_policies.py` holds it).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

from contracts.ids import DATABASE_QUEUE, HOSTING_QUEUE, PAIRING_QUEUE


@dataclass(frozen=True, slots=True)
class ActivityPolicy:
    """How one activity is run. `task_queue` None means the queue of the process that holds the session."""

    task_queue: str | None
    retry: RetryPolicy
    start_to_close: timedelta
    heartbeat: timedelta | None = None
    schedule_to_start: timedelta | None = None
    schedule_to_close: timedelta | None = None

    def options(self, task_queue: str | None = None) -> dict[str, Any]:
        """Keyword arguments for `workflow.start_activity_method`."""
        queue = task_queue or self.task_queue
        if queue is None:
            raise ValueError("this activity runs on its holder's queue, which must be named")
        return {
            "task_queue": queue,
            "retry_policy": self.retry,
            "start_to_close_timeout": self.start_to_close,
            "heartbeat_timeout": self.heartbeat,
            "schedule_to_start_timeout": self.schedule_to_start,
            "schedule_to_close_timeout": self.schedule_to_close,
            # A holder must have let go before anything else is decided about its socket.
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        }


_SECOND: Final = timedelta(seconds=1)
_FOR_EVER: Final = timedelta(days=3650)

# A dead worker is noticed when its heartbeat is missed; 8 s with a heartbeat every 3 s survives two lost ones.
HOLD_HEARTBEAT: Final = 8 * _SECOND

_KEEP_TRYING: Final = RetryPolicy(
    initial_interval=0.2 * _SECOND, backoff_coefficient=1.6, maximum_interval=10 * _SECOND
)

POLICIES: Final[dict[str, ActivityPolicy]] = {
    "host_session": ActivityPolicy(HOSTING_QUEUE, _KEEP_TRYING, _FOR_EVER, heartbeat=HOLD_HEARTBEAT),
    "pair_session": ActivityPolicy(PAIRING_QUEUE, _KEEP_TRYING, timedelta(minutes=10), heartbeat=HOLD_HEARTBEAT),
    # Idempotent, so a write that a frozen worker took along is soon made by another.
    "record_transition": ActivityPolicy(DATABASE_QUEUE, _KEEP_TRYING, 4 * _SECOND),
    "forget_keys": ActivityPolicy(DATABASE_QUEUE, _KEEP_TRYING, 4 * _SECOND),
    "remove_session": ActivityPolicy(DATABASE_QUEUE, _KEEP_TRYING, 4 * _SECOND),
    # Commands to a holder: if it does not answer, the workflow takes the session away from it instead.
    "release_session": ActivityPolicy(
        None, RetryPolicy(maximum_attempts=1), 10 * _SECOND, schedule_to_start=3 * _SECOND
    ),
    "logout_device": ActivityPolicy(None, RetryPolicy(maximum_attempts=1), 15 * _SECOND, schedule_to_start=3 * _SECOND),
    "request_pairing_code": ActivityPolicy(
        None, RetryPolicy(maximum_attempts=1), 12 * _SECOND, schedule_to_start=3 * _SECOND
    ),
}

LIMITED: Final = frozenset({"release_session", "logout_device", "request_pairing_code"})
"""The only activities that may give up, each with the workflow's own way on when it does."""
