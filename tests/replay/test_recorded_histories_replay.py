"""Sessions outlive deploys: the code as it is now makes the decisions that were recorded, on every path."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from contracts.ids import session_workflow_id
from tests.replay.paths import HISTORIES, PATHS
from workflows.session import SessionWorkflow

FILES = sorted(HISTORIES.glob("*.json"))


def read(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(session_workflow_id("recorded"), file.read_text())


@pytest.fixture(scope="module")
def replayer() -> Replayer:
    return Replayer(workflows=[SessionWorkflow])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_recorded_run_replays(file: Path, replayer: Replayer) -> None:
    await replayer.replay_workflow(read(file))


def test_every_path_has_a_history_and_every_history_a_path() -> None:
    assert {file.name.split(".")[0] for file in FILES} == set(PATHS), "run: python -m tests.replay.record <path>"


def test_a_path_that_is_continued_has_all_its_runs() -> None:
    assert len(list(HISTORIES.glob("continued_as_new.*.json"))) > 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_history_is_small_and_says_nothing_of_the_machine_it_was_recorded_on(file: Path) -> None:
    text = file.read_text()
    assert len(text) < 100_000
    assert not re.search(r'"identity"|/home/|/root/|/work/|/usr/|site-packages|\.py"', text)


async def test_other_decisions_than_the_recorded_ones_are_noticed(replayer: Replayer) -> None:
    events = json.loads((HISTORIES / "pairing_to_connected.1.json").read_text())
    for event in events["events"]:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled and scheduled["activityType"]["name"] == "record_transition":
            scheduled["activityType"]["name"] = "another_activity"
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(WorkflowHistory.from_json(session_workflow_id("recorded"), events))
