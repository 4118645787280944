"""Pairing against a real server, each attempt in a process that is thrown away."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import psutil
import pytest

from tests.e2e.adapter_fixtures import ROOT, AdapterLab, lab, slow

__all__ = ["lab"]


def test_pairing_leaves_one_socket_and_the_host_logs_in_once(lab: AdapterLab) -> None:
    lab.run("pairings_leave_one_socket", times=6)


@slow
@pytest.mark.timeout(300)
def test_fifty_pairings_leave_one_socket_each(lab: AdapterLab) -> None:
    lab.run("pairings_leave_one_socket", seconds=280, times=50)


def test_a_pairing_that_is_left_leaves_no_process_and_no_socket(lab: AdapterLab) -> None:
    lab.run("pairing_that_is_left_leaves_nothing")


def test_a_phone_pairs_by_code(lab: AdapterLab) -> None:
    lab.run("pairing_by_code")


def test_a_failed_pairing_says_why(lab: AdapterLab) -> None:
    lab.run("pairing_fails_in_its_own_words")


def test_pairing_goes_on_after_its_server_died(lab: AdapterLab) -> None:
    lab.run("pairing_survives_the_death_of_its_server")


def test_pairing_processes_die_with_a_killed_worker(lab: AdapterLab) -> None:
    worker = subprocess.Popen(
        lab.command("wait_for_a_kill", {}),
        cwd=ROOT,
        env=lab.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert worker.stdout is not None
        processes = [psutil.Process(pid) for pid in json.loads(worker.stdout.readline())]
        assert len(processes) == 2  # the server, and the child that shows a code
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        if worker.stdout is not None:
            worker.stdout.close()
    ends = time.monotonic() + 10
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in _alive(processes)):
        assert time.monotonic() < ends, "a pairing process outlived its worker"
        time.sleep(0.02)


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if psutil.pid_exists(process.pid)]
