"""Whatever is killed comes back by itself, alone, and is spoken of."""

import os
import signal

import psutil
import pytest

from tests.stack import Stack

pytestmark = pytest.mark.timeout(300)


def restarts(stack: Stack) -> dict[str, int]:
    return {process["name"]: process["restarts"] for process in stack.status()["processes"]}


def test_each_part_that_is_killed_comes_back_while_the_others_keep_running(shared_stack: Stack) -> None:
    shared_stack.until_ready()
    for name in restarts(shared_stack):
        counts = restarts(shared_stack)
        before = {process["name"]: process["pid"] for process in shared_stack.status()["processes"]}
        os.kill(before[name], signal.SIGKILL)
        shared_stack.until(
            lambda name=name, counts=counts: restarts(shared_stack)[name] > counts[name], f"{name} is started again"
        )
        after = {process["name"]: process["pid"] for process in shared_stack.until_ready()["processes"]}
        assert {other for other in before if after[other] != before[other]} == {name}
        assert f"{name} was ended by SIGKILL" in shared_stack.said()
    assert shared_stack.api_answers()


def test_all_parts_killed_at_once_come_back(shared_stack: Stack) -> None:
    counts = restarts(shared_stack)
    for process in shared_stack.until_ready()["processes"]:
        os.kill(process["pid"], signal.SIGKILL)
    shared_stack.until(
        lambda: all(count > counts[name] for name, count in restarts(shared_stack).items()), "all are started again"
    )
    shared_stack.until_ready()
    assert shared_stack.api_answers()


def test_two_stacks_run_side_by_side_and_a_taken_port_is_named(shared_stack: Stack, new_stack) -> None:
    first = shared_stack.until_ready()
    for variable, address in (("PERENE_API_PORT", "api"), ("PERENE_TEMPORAL_PORT", "temporal")):
        port = first["addresses"][address].rpartition(":")[2]
        refused = new_stack("refused", **{variable: port}).perene("up", "--simulator", "--detach")
        assert refused.returncode == 1
        assert f"port {port} ({variable}) is taken by" in refused.stdout
    two = new_stack("two")
    assert two.up()["ready"]
    two.perene("down")
    assert shared_stack.status() == first


def test_a_killed_supervisor_leaves_no_process_and_the_next_up_works(stack: Stack) -> None:
    stack.up()
    os.kill(stack.supervisor_pid(), signal.SIGKILL)
    stack.until(lambda: stack.processes() == [], "every process of the stack has ended")
    assert stack.perene("status").returncode == 3

    stack.up()
    for process in [psutil.Process(stack.supervisor_pid()), *stack.processes()]:
        # One of them may have ended already by the death of another.
        if process.is_running():
            process.kill()
    stack.until(lambda: stack.perene("status").returncode == 3, "the supervisor is gone")
    assert stack.up()["ready"]


def test_what_hinders_the_next_start_is_cleared_or_told(stack: Stack) -> None:
    stack.up()
    stack.perene("down")
    world = stack.data_dir / "simulator"
    # As after a power cut in a container, where the numbers begin again: the file names a living stranger.
    pid_file = world / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n{pid_file.parent}\n1700000000\n5432\n/tmp\n\n  5432001  32768\nready   \n")
    assert stack.up()["ready"]
    stack.perene("down")

    (world / "temporal" / "temporal.db").unlink()
    (world / "temporal" / "temporal.db").mkdir()
    done = stack.perene("up", "--simulator", "--detach")
    assert done.returncode == 1
    assert "perene did not start: temporal ended with exit code" in done.stdout
    assert "the end of" in done.stdout
    assert stack.processes() == []
