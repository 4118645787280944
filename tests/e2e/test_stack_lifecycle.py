"""`perene up`, `status`, `restart`, `down`: what an operator sees of a whole stack."""

import signal
import stat

import httpx
import psutil
import pytest

from tests.stack import Stack

pytestmark = pytest.mark.timeout(300)


def test_every_part_of_a_ready_stack_answers(shared_stack: Stack) -> None:
    status = shared_stack.until_ready()
    assert set(status) == {"ready", "addresses", "processes"}
    assert set(status["addresses"]) == {"api", "temporal", "temporalUi", "simulator"}
    assert all(set(process) == {"name", "kind", "pid", "state", "restarts"} for process in status["processes"])
    kinds = [process["kind"] for process in status["processes"]]
    assert sorted(kinds) == ["api", "postgres", "simulator", "temporal", "worker"]
    assert all(psutil.pid_exists(process["pid"]) for process in status["processes"])
    assert all(address in shared_stack.said() for address in status["addresses"].values())
    assert shared_stack.api_answers()
    assert "<html" in httpx.get(status["addresses"]["temporalUi"], trust_env=False).text
    assert shared_stack.perene("status").returncode == 0


def test_a_second_up_says_so_and_changes_nothing(shared_stack: Stack) -> None:
    before = shared_stack.until_ready()
    for arguments in (["up", "--simulator"], ["up", "--simulator", "--detach"]):
        again = shared_stack.perene(*arguments)
        assert again.returncode == 0
        assert "already running" in again.stdout
        assert before["addresses"]["api"] in again.stdout
    assert shared_stack.status() == before


def test_what_is_secret_is_readable_by_its_user_alone_and_nothing_listens_beyond_loopback(shared_stack: Stack) -> None:
    shared_stack.until_ready()
    secrets = shared_stack.data_dir / "simulator" / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((secrets / "postgres.json").stat().st_mode) == 0o600
    listening = {
        connection.laddr.ip
        for process in shared_stack.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_doctor_finds_a_running_stack_well(shared_stack: Stack) -> None:
    shared_stack.until_ready()
    done = shared_stack.perene("doctor")
    assert done.returncode == 0, done.stdout
    assert "runs in" in done.stdout
    assert "whatsapp lib   loads" in done.stdout


def test_restart_comes_back_alike_and_down_leaves_no_process_but_the_data(stack: Stack) -> None:
    before = stack.up("--workers", "2")
    done = stack.perene("restart")
    assert done.returncode == 0, done.stdout + done.stderr
    after = stack.status()
    assert after["addresses"] == before["addresses"]
    names = [process["name"] for process in after["processes"]]
    assert names == [process["name"] for process in before["processes"]]
    assert {"worker-1", "worker-2"} <= set(names)
    assert {p["pid"] for p in after["processes"]}.isdisjoint({p["pid"] for p in before["processes"]})

    assert stack.perene("down").returncode == 0
    assert stack.processes() == []
    assert stack.perene("status").returncode == 3
    world = stack.data_dir / "simulator"
    assert (world / "postgres" / "PG_VERSION").exists()
    assert (world / "temporal" / "temporal.db").exists()


def test_up_in_the_foreground_stops_cleanly_on_ctrl_c_also_during_the_start(stack: Stack) -> None:
    with stack.foreground("up", "--simulator") as starting:
        stack.until(lambda: stack.status()["processes"] != [], "the start has begun")
        starting.send_signal(signal.SIGINT)
        starting.communicate(timeout=60)
    assert stack.processes() == []
    with stack.foreground("up", "--simulator") as running:
        stack.until_ready()
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert said.rstrip().endswith("stopped")
    assert "killed" not in said
    assert stack.processes() == []


def test_without_the_simulator_and_without_a_network_the_stack_is_ready_all_the_same(stack: Stack) -> None:
    done = stack.perene("up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    status = stack.status()
    assert status["ready"]
    assert status["addresses"]["simulator"] is None
    assert "simulator" not in {process["kind"] for process in status["processes"]}
