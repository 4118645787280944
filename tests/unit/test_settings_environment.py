"""Settings: defaults, what is refused, and that the refusal names the variable."""

import json
from pathlib import Path

import pytest

from entrypoints.settings import (
    DEFAULT_OWNER_ID,
    ROLES,
    SettingsError,
    api_settings,
    is_loopback,
    migrate_settings,
    stack_settings,
    worker_settings,
)

DATABASE = {
    "PERENE_DATABASE_URL": "postgres://perene_api:x@/perene?host=/tmp/s",
    "PERENE_RELAY_DATABASE_URL": "postgres://perene_relay:x@/perene?host=/tmp/s",
}
WORKER = {**DATABASE, "PERENE_DEVICE_DATABASE_URL": "postgres://perene_device:x@/perene?host=/tmp/s"}


def test_an_empty_environment_gives_the_documented_stack() -> None:
    settings = stack_settings({})
    assert settings.data_dir == Path.cwd() / ".perene"
    assert (settings.api_host, settings.api_port) == ("127.0.0.1", 3000)
    assert (settings.temporal_port, settings.temporal_ui_port, settings.simulator_port) == (7233, 8233, 4000)
    assert settings.workers == 1


def test_an_empty_value_counts_as_absent() -> None:
    assert stack_settings({"PERENE_API_PORT": " ", "PERENE_WORKERS": ""}).api_port == 3000


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PERENE_API_PORT", "http"),
        ("PERENE_API_PORT", "70000"),
        ("PERENE_TEMPORAL_PORT", "-1"),
        ("PERENE_TEMPORAL_UI_PORT", "1.5"),
        ("PERENE_SIMULATOR_PORT", "65536"),
        ("PERENE_WORKERS", "0"),
        ("PERENE_API_HOST", "nowhere.example"),
        ("PERENE_START_TIMEOUT_SECONDS", "nan"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        stack_settings({variable: value})


def test_a_worker_knows_its_capacity_and_its_simulator() -> None:
    settings = worker_settings(
        {
            **WORKER,
            "PERENE_SESSIONS_PER_WORKER": "40",
            "PERENE_SIMULATOR": "http://127.0.0.1:4001",
            "PERENE_NOISE_ROOT": "ab" * 32,
            "PERENE_READY_FILE": "/tmp/ready",
        }
    )
    assert settings.sessions_per_worker == 40
    assert settings.simulator is not None
    assert settings.simulator.noise_root == b"\xab" * 32
    assert settings.ready_file == Path("/tmp/ready")


def test_a_worker_on_the_real_network_has_no_simulator() -> None:
    settings = worker_settings(WORKER)
    assert settings.simulator is None
    assert settings.sessions_per_worker == 250
    assert settings.pairing_window_seconds == 600


def test_a_simulator_elsewhere_than_on_loopback_is_refused() -> None:
    with pytest.raises(SettingsError, match="loopback"):
        worker_settings(
            {**WORKER, "PERENE_SIMULATOR": "http://10.0.0.1:4001", "PERENE_NOISE_ROOT": "00" * 32},
        )


@pytest.mark.parametrize("root", ["", "ab", "zz" * 32])
def test_a_simulator_needs_a_whole_noise_root(root: str) -> None:
    with pytest.raises(SettingsError, match="PERENE_NOISE_ROOT"):
        worker_settings({**WORKER, "PERENE_SIMULATOR": "http://127.0.0.1:4001", "PERENE_NOISE_ROOT": root})


def test_a_noise_root_without_a_simulator_is_refused() -> None:
    with pytest.raises(SettingsError, match="PERENE_NOISE_ROOT"):
        worker_settings({**WORKER, "PERENE_NOISE_ROOT": "00" * 32})


def test_a_missing_database_is_named_and_a_password_is_never_shown() -> None:
    with pytest.raises(SettingsError, match="PERENE_DATABASE_URL is not set"):
        api_settings({})
    with pytest.raises(SettingsError) as refused:
        api_settings({"PERENE_DATABASE_URL": "mysql://me:hush@host/db"})
    assert "hush" not in str(refused.value)


def test_local_authentication_is_refused_on_a_public_address() -> None:
    with pytest.raises(SettingsError, match="PERENE_AUTH_MODE"):
        api_settings({**DATABASE, "PERENE_API_HOST": "0.0.0.0"})
    served = api_settings(
        {**DATABASE, "PERENE_API_HOST": "0.0.0.0", "PERENE_AUTH_MODE": "jwt", "PERENE_JWT_SECRET": "s" * 32}
    )
    assert served.auth_mode == "jwt"


def test_jwt_authentication_needs_exactly_one_source_of_keys() -> None:
    both = {"PERENE_JWT_SECRET": "s", "PERENE_JWKS_URL": "https://keys.example"}
    for keys in ({}, both):
        with pytest.raises(SettingsError, match="PERENE_JWT_SECRET"):
            api_settings({**DATABASE, "PERENE_AUTH_MODE": "jwt", **keys})


def test_the_default_owner_is_a_fixed_uuid_and_another_must_be_one() -> None:
    assert api_settings(DATABASE).default_owner_id == DEFAULT_OWNER_ID
    with pytest.raises(SettingsError, match="PERENE_DEFAULT_OWNER_ID"):
        api_settings({**DATABASE, "PERENE_DEFAULT_OWNER_ID": "me"})


@pytest.mark.parametrize("address", ["7233", "host:", ":7233", "host:http"])
def test_a_malformed_orchestrator_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="PERENE_TEMPORAL_ADDRESS"):
        api_settings({**DATABASE, "PERENE_TEMPORAL_ADDRESS": address})


def test_migrations_need_a_password_for_every_role(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    environment = {
        "PERENE_DATABASE_ADMIN_URL": "postgres://postgres:x@/perene",
        "PERENE_ROLE_PASSWORDS_FILE": str(file),
    }
    with pytest.raises(SettingsError, match="cannot be read"):
        migrate_settings(environment)
    file.write_text(json.dumps(dict.fromkeys(ROLES[1:], "p")))
    with pytest.raises(SettingsError, match=ROLES[0]):
        migrate_settings(environment)
    file.write_text(json.dumps(dict.fromkeys(ROLES, "p")))
    assert set(migrate_settings(environment).role_passwords) == set(ROLES)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.9.9.9", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_loopback_is_recognised(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
