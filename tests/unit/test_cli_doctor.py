"""`perene doctor`: each finding has a verdict, and what is not well comes with advice."""

import json
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from entrypoints import doctor
from entrypoints.cli import main
from entrypoints.doctor import Finding

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Free ports, a folder of its own, no network, and nothing that takes seconds."""
    monkeypatch.setenv("PERENE_DATA_DIR", str(tmp_path / "data"))
    for variable in ("PERENE_API_PORT", "PERENE_TEMPORAL_PORT", "PERENE_TEMPORAL_UI_PORT", "PERENE_SIMULATOR_PORT"):
        monkeypatch.setenv(variable, "0")
    monkeypatch.setattr(doctor, "_program", lambda check, _command: Finding(check, "ok", "there"))
    monkeypatch.setattr(doctor, "WHATSAPP_URL", "http://127.0.0.1:1/")


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {check["check"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_a_good_machine_passes_and_a_missing_network_is_only_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = findings(capsys)
    assert found["network"]["verdict"] == "warn"
    assert "--simulator" in found["network"]["advice"]
    assert found["clock"]["verdict"] == "ok"
    assert all(check["advice"] for check in found.values() if check["verdict"] != "ok")


def test_a_taken_port_fails_with_its_holder_and_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = str(server.getsockname()[1])
        monkeypatch.setenv("PERENE_TEMPORAL_PORT", port)
        assert main(["doctor"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if f"port {port}" in line)
    assert line.startswith("fail")
    assert "PERENE_TEMPORAL_PORT" in line
    assert "pid" in line


@pytest.mark.parametrize(("free", "verdict"), [(100_000_000, "fail"), (1_000_000_000, "warn"), (9_000_000_000, "ok")])
def test_a_full_disk_is_told_before_it_stops_the_database(
    free: int, verdict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, free))
    assert main(["doctor", "--json"]) == (1 if verdict == "fail" else 0)
    assert findings(capsys)["disk"]["verdict"] == verdict


def test_a_folder_that_cannot_be_written_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    monkeypatch.setenv("PERENE_DATA_DIR", str(in_the_way))
    assert main(["doctor", "--json"]) == 1
    assert findings(capsys)["folder"]["verdict"] == "fail"
    for command in (["up"], ["up", "--detach"]):
        assert main(command) == 2
        assert "PERENE_DATA_DIR" in capsys.readouterr().err
