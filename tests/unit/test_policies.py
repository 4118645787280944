"""Timeouts and retries of every activity. The retries are never removed: this test holds the rule."""

from __future__ import annotations

import ast
import inspect
from datetime import timedelta
from typing import Any

import pytest
from temporalio.workflow import ActivityCancellationType

from activities.commands import HolderCommands
from activities.hosting import Hosting
from activities.lease_keeper import LEASE_SECONDS
from activities.pairing import PairingActivities
from activities.persistence import Persistence
from contracts.ids import DATABASE_QUEUE, HOSTING_QUEUE, PAIRING_QUEUE, host_queue
from workflows import session
from workflows.policies import LIMITED, POLICIES, ActivityPolicy

UNLIMITED = frozenset({"host_session", "pair_session", "record_transition", "forget_keys", "remove_session"})
LONG = frozenset({"host_session", "pair_session"})
QUEUES = {
    Hosting: HOSTING_QUEUE,
    PairingActivities: PAIRING_QUEUE,
    Persistence: DATABASE_QUEUE,
    HolderCommands: None,
}


def activity_names(declared: type[object]) -> set[str]:
    return {
        definition.name
        for _, method in inspect.getmembers(declared, inspect.isfunction)
        if (definition := getattr(method, "__temporal_activity_definition", None)) is not None
    }


def called_by_the_workflow() -> set[str]:
    """Names of the methods given to `execute_activity_method` and `start_activity_method`."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(session))) if isinstance(node, ast.Call)]
    return {
        call.args[0].attr
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("execute_activity_method", "start_activity_method")
        and isinstance(call.args[0], ast.Attribute)
    }


def test_every_activity_has_a_row_and_every_row_an_activity() -> None:
    declared = set().union(*(activity_names(kind) for kind in QUEUES))
    assert declared == set(POLICIES)
    assert called_by_the_workflow() == set(POLICIES)


def test_only_commands_to_a_holder_may_give_up() -> None:
    assert {"release_session", "logout_device", "request_pairing_code"} == LIMITED
    assert {name for name, policy in POLICIES.items() if policy.retry.maximum_attempts} == LIMITED
    assert set(POLICIES) - LIMITED == UNLIMITED


@pytest.mark.parametrize("name", sorted(UNLIMITED))
def test_what_keeps_a_session_alive_or_saves_it_is_tried_for_ever(name: str) -> None:
    policy = POLICIES[name]
    assert policy.retry.maximum_attempts == 0
    assert policy.schedule_to_close is None
    assert policy.schedule_to_start is None
    assert not policy.retry.non_retryable_error_types
    assert policy.retry.maximum_interval is not None
    assert policy.retry.maximum_interval <= timedelta(seconds=10)
    assert policy.retry.backoff_coefficient > 1


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_activity_runs_on_the_queue_of_its_kind(name: str) -> None:
    (queue,) = [queue for kind, queue in QUEUES.items() if name in activity_names(kind)]
    assert POLICIES[name].task_queue == queue


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_long_activities_beat_and_short_ones_end(name: str) -> None:
    policy = POLICIES[name]
    if name in LONG:
        assert policy.heartbeat is not None
        assert policy.heartbeat <= timedelta(seconds=LEASE_SECONDS)
        assert policy.heartbeat >= timedelta(seconds=5)
    else:
        assert policy.start_to_close <= timedelta(seconds=15)


@pytest.mark.parametrize("name", sorted(LIMITED))
def test_a_command_to_a_dead_holder_is_noticed_in_seconds(name: str) -> None:
    assert POLICIES[name].schedule_to_start == timedelta(seconds=3)


def options(policy: ActivityPolicy) -> dict[str, Any]:
    return policy.options(host_queue("h") if policy.task_queue is None else None)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_cancelled_activity_is_waited_for_until_it_has_let_go(name: str) -> None:
    assert options(POLICIES[name])["cancellation_type"] is ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


def test_a_command_to_a_holder_must_name_its_queue() -> None:
    with pytest.raises(ValueError, match="must be named"):
        POLICIES["release_session"].options()
    assert POLICIES["release_session"].options(host_queue("h"))["task_queue"] == "host-h"
