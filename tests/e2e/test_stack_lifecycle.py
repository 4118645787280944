"""`perene up`, `status`, `restart`, `down`: what an operator sees of a whole stack."""

import signal
import stat

import httpx
import psutil
import pytest


def test_up_returns_when_every_part_answers(stack) -> None:
    done = stack.perene("up", "--simulator", "--workers", "2", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    status = stack.status()
    assert status["ready"] is True
    assert set(status) == {"ready", "addresses", "processes"}
    assert set(status["addresses"]) == {"api", "temporal", "temporalUi", "simulator"}
    assert all(set(process) == {"name", "kind", "pid", "state", "restarts"} for process in status["processes"])
    kinds = sorted(process["kind"] for process in status["processes"])
    assert kinds == ["api", "postgres", "simulator", "temporal", "worker", "worker"]
    assert all(psutil.pid_exists(process["pid"]) for process in status["processes"])
    for address in (status["addresses"][name] for name in ("api", "temporalUi", "simulator")):
        assert address in done.stdout
    assert stack.api_answers()
    web_ui = httpx.get(status["addresses"]["temporalUi"], trust_env=False)
    assert "<html" in web_ui.text
    assert stack.perene("status").returncode == 0


def test_a_second_up_says_so_and_changes_nothing(stack) -> None:
    before = stack.up()
    for arguments in (["up", "--simulator"], ["up", "--simulator", "--detach"]):
        again = stack.perene(*arguments)
        assert again.returncode == 0
        assert "already running" in again.stdout
        assert before["addresses"]["api"] in again.stdout
    assert stack.status() == before


def test_down_leaves_no_process_and_keeps_the_data(stack) -> None:
    stack.up()
    assert stack.perene("down").returncode == 0
    assert stack.processes() == []
    assert stack.perene("status").returncode == 3
    world = stack.data_dir / "simulator"
    assert (world / "postgres" / "PG_VERSION").exists()
    assert (world / "temporal" / "temporal.db").exists()
    assert stack.up()["ready"]


def test_restart_comes_back_at_the_same_addresses_with_as_many_workers(stack) -> None:
    before = stack.up("--workers", "2")
    done = stack.perene("restart")
    assert done.returncode == 0, done.stdout + done.stderr
    after = stack.status()
    assert after["addresses"] == before["addresses"]
    assert [process["name"] for process in after["processes"]] == [process["name"] for process in before["processes"]]
    assert {p["pid"] for p in after["processes"]}.isdisjoint({p["pid"] for p in before["processes"]})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_in_the_foreground_stops_cleanly_on_a_signal(stack, number: signal.Signals) -> None:
    with stack.foreground("up", "--simulator") as running:
        stack.until_ready()
        running.send_signal(number)
        said, _ = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert said.rstrip().endswith("stopped")
    assert "killed" not in said
    assert stack.processes() == []


def test_a_signal_during_the_start_stops_it_too(stack) -> None:
    with stack.foreground("up", "--simulator") as running:
        stack.until(lambda: stack.status()["processes"] != [], "the start has begun")
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
    assert stack.processes() == []


def test_without_the_simulator_there_is_no_address_of_it(stack) -> None:
    done = stack.perene("up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    status = stack.status()
    assert status["ready"]
    assert status["addresses"]["simulator"] is None
    assert "simulator" not in {process["kind"] for process in status["processes"]}


def test_what_is_secret_is_readable_by_its_user_alone(stack) -> None:
    stack.up()
    secrets = stack.data_dir / "simulator" / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    passwords = secrets / "postgres.json"
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
    listening = {
        connection.laddr.ip
        for process in stack.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1"}
