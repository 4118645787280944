"""The `perene` command: help, exit codes, and what it says where nothing runs."""

import json
import socket
from pathlib import Path

import pytest

from entrypoints import stack_folder
from entrypoints.cli import main
from entrypoints.stack_folder import StackFolder
from entrypoints.stack_state import Addresses, ProcessStatus, RunOptions, StackState

COMMANDS = ["up", "down", "restart", "status", "logs", "doctor", "demo", "tour", "api", "worker", "migrate"]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"perene {command}" in capsys.readouterr().out


def test_the_help_lists_every_command_and_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {command} " in text for command in COMMANDS)
    assert "PERENE_DATA_DIR" in text


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("perene ")


@pytest.mark.parametrize("arguments", [[], ["rise"], ["up", "--workers", "0"], ["up", "--workers", "many"]])
def test_a_wrong_command_line_is_refused_with_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_bad_setting_is_a_sentence_and_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERENE_API_PORT", "http")
    assert main(["up"]) == 2
    assert capsys.readouterr().err == "perene: PERENE_API_PORT must be a whole number, not 'http'\n"


def test_status_where_nothing_runs_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 3
    assert "not running" in capsys.readouterr().out


def test_status_json_where_nothing_runs_still_is_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "ready": False,
        "addresses": {
            "api": "http://127.0.0.1:3000",
            "temporal": "127.0.0.1:7233",
            "temporalUi": "http://127.0.0.1:8233",
            "simulator": None,
        },
        "processes": [],
    }


def test_down_where_nothing_runs_says_so_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down"]) == 0
    assert "not running" in capsys.readouterr().out


def test_restart_where_nothing_runs_is_exit_code_3() -> None:
    assert main(["restart"]) == 3


def test_up_with_a_taken_port_names_the_port_and_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data_dir: Path
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        monkeypatch.setenv("PERENE_API_PORT", str(port))
        assert main(["up"]) == 1
    said = capsys.readouterr().out
    assert f"port {port} (PERENE_API_PORT) is taken" in said
    assert stack_folder.holder(data_dir) is None


def test_a_second_up_says_so_and_changes_nothing(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = StackFolder(data_dir, simulated=False)
    folder.create()
    addresses = Addresses("http://127.0.0.1:3000", "127.0.0.1:7233", "http://127.0.0.1:8233", None)
    process = ProcessStatus("api", "api", 1, "ready", 0)
    state = StackState(1, "running", RunOptions(False, 1, 3000, 7233, 8233, 4000), addresses, [process])
    with stack_folder.held(data_dir):
        state.write(folder.state_file)
        before = folder.state_file.read_bytes()
        assert main(["up"]) == 0
        assert main(["up", "--detach"]) == 0
        assert folder.state_file.read_bytes() == before
        assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert said.count("already running") == 2
    assert "http://127.0.0.1:3000" in said


def test_logs_of_an_unknown_part_name_the_known_ones(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data_dir / "logs").mkdir(parents=True)
    (data_dir / "logs" / "api.log").write_text("one\ntwo\n")
    (data_dir / "logs" / "worker-1.log").write_text("three\n")
    assert main(["logs", "apy"]) == 2
    assert "api, worker-1" in capsys.readouterr().err
    assert main(["logs", "api", "-n", "1"]) == 0
    assert capsys.readouterr().out == "two\n"
    assert main(["logs"]) == 0
    assert capsys.readouterr().out == "api      | one\napi      | two\nworker-1 | three\n"


def test_logs_where_nothing_ever_ran_is_exit_code_3() -> None:
    assert main(["logs"]) == 3
