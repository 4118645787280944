"""Whatever is killed comes back by itself, alone, and is spoken of."""

import os
import signal

import psutil
import pytest

PARTS = ["postgres", "temporal", "simulator", "worker-1", "api"]


def test_each_part_that_is_killed_comes_back_while_the_others_keep_running(stack) -> None:
    stack.up()
    for name in PARTS:
        before = {process["name"]: process["pid"] for process in stack.status()["processes"]}
        os.kill(before[name], signal.SIGKILL)
        stack.until(lambda name=name: stack.process(name)["restarts"] == 1, f"{name} is started again")
        after = {process["name"]: process["pid"] for process in stack.until_ready()["processes"]}
        assert after[name] != before[name]
        assert {other: after[other] for other in PARTS if other != name} == {
            other: before[other] for other in PARTS if other != name
        }
        assert f"{name} was ended by SIGKILL" in stack.said()
    assert stack.api_answers()


def test_all_parts_killed_at_once_come_back(stack) -> None:
    for process in stack.up()["processes"]:
        os.kill(process["pid"], signal.SIGKILL)
    stack.until(lambda: all(p["restarts"] >= 1 for p in stack.status()["processes"]), "all are started again")
    stack.until_ready()
    assert stack.api_answers()


def test_a_killed_supervisor_leaves_no_process_and_the_next_up_works(stack) -> None:
    stack.up()
    os.kill(stack.supervisor_pid(), signal.SIGKILL)
    stack.until(lambda: stack.processes() == [], "every process of the stack has ended")
    assert stack.perene("status").returncode == 3
    assert stack.up()["ready"]


def test_everything_killed_at_once_is_recovered_by_the_next_up(stack) -> None:
    stack.up()
    for process in [psutil.Process(stack.supervisor_pid()), *stack.processes()]:
        process.kill()
    stack.until(lambda: stack.perene("status").returncode == 3, "the supervisor is gone")
    assert stack.up()["ready"]


def test_a_database_pid_file_with_somebody_elses_number_does_not_stop_the_start(stack) -> None:
    stack.up()
    stack.perene("down")
    # As after a power cut in a container, where the numbers begin again: the file names a living stranger.
    pid_file = stack.data_dir / "simulator" / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n{pid_file.parent}\n1700000000\n5432\n/tmp\n\n  5432001  32768\nready   \n")
    assert stack.up()["ready"]


def test_a_part_that_cannot_start_is_named_with_the_end_of_its_log(stack) -> None:
    stack.up()
    stack.perene("down")
    store = stack.data_dir / "simulator" / "temporal" / "temporal.db"
    store.unlink()
    store.mkdir()
    done = stack.perene("up", "--simulator", "--detach")
    assert done.returncode == 1
    assert "perene did not start: temporal ended with exit code" in done.stdout
    assert "the end of" in done.stdout
    assert stack.processes() == []


@pytest.mark.parametrize("variable", ["PERENE_API_PORT", "PERENE_TEMPORAL_PORT"])
def test_two_stacks_run_side_by_side_and_a_taken_port_is_named(new_stack, variable: str) -> None:
    one = new_stack("one")
    first = one.up()
    address = first["addresses"]["api" if variable == "PERENE_API_PORT" else "temporal"]
    port = address.rpartition(":")[2]
    refused = new_stack("refused", **{variable: port}).perene("up", "--simulator", "--detach")
    assert refused.returncode == 1
    assert f"port {port} ({variable}) is taken" in refused.stdout
    two = new_stack("two")
    two.up()
    two.perene("down")
    assert one.status() == first


def test_doctor_finds_a_running_stack_well(stack) -> None:
    stack.up()
    done = stack.perene("doctor")
    assert done.returncode == 0, done.stdout
    assert "runs in" in done.stdout
    assert "whatsapp lib   loads" in done.stdout
