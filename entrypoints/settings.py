"""Every setting of Perene, read from the environment: one frozen dataclass for each kind of process.

Durations are seconds, ports are TCP ports (0 asks for a free one), hosts are addresses. A value that cannot be used
raises SettingsError, whose text names the variable and says what would be accepted.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit
from uuid import UUID

AuthMode = Literal["local", "jwt"]
LogFormat = Literal["console", "json"]

DEFAULT_OWNER_ID = UUID("00000000-0000-4000-8000-000000000001")
ROLES = (
    "perene_owner",
    "perene_api",
    "perene_worker",
    "perene_device",
    "perene_relay",
    "perene_backup",
    "perene_ops",
)
"""The database's roles; each process connects as its own."""


class SettingsError(Exception):
    """A setting in the environment cannot be used."""


@dataclass(frozen=True)
class SimulatorTarget:
    """Where a worker finds the simulated WhatsApp instead of the real one."""

    proxy: str
    """URL of the CONNECT proxy, on loopback."""
    noise_root: bytes
    """The 32-byte public key that signs the simulator's Noise certificates."""


@dataclass(frozen=True)
class TemporalSettings:
    address: str
    namespace: str


@dataclass(frozen=True)
class StackSettings:
    """What `perene up` needs to run the whole stack on this machine."""

    data_dir: Path
    api_host: str
    api_port: int
    temporal_port: int
    temporal_ui_port: int
    simulator_port: int
    workers: int
    start_timeout_seconds: float


@dataclass(frozen=True)
class WorkerSettings:
    """What one worker process (`python -m entrypoints.worker`) needs."""

    process_name: str
    database_url: str
    device_database_url: str
    """URL, of the role perene_device, under which the WhatsApp library keeps its keys."""
    temporal: TemporalSettings
    sessions_per_worker: int
    pairings_per_worker: int
    """How many connections may show a code at once; each is a process of about 19 MB."""
    pairing_window_seconds: float
    simulator: SimulatorTarget | None
    ready_file: Path | None
    """Where to write `{"ready": true}` once the worker takes work; None where nobody waits for it."""
    log_format: LogFormat


@dataclass(frozen=True)
class ApiSettings:
    """What the API process (`python -m entrypoints.api`) needs."""

    process_name: str
    host: str
    port: int
    database_url: str
    relay_database_url: str
    """URL, of the role perene_relay, under which the outbox of all owners is read."""
    temporal: TemporalSettings
    auth_mode: AuthMode
    jwt_secret: str | None
    jwks_url: str | None
    default_owner_id: UUID
    max_connections: int
    """How many connected sessions one owner may have."""
    pairing_window_seconds: float
    log_format: LogFormat


@dataclass(frozen=True)
class MigrateSettings:
    """What `perene migrate` needs: a superuser's URL and the passwords that the roles are given."""

    admin_url: str
    role_passwords: dict[str, str]


class Environment:
    """Typed reading of a mapping of strings; an empty value counts as absent."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = os.environ if values is None else values

    def optional(self, name: str) -> str | None:
        value = self._values.get(name, "").strip()
        return value or None

    def text(self, name: str, default: str | None = None) -> str:
        value = self.optional(name) or default
        if value is None:
            raise SettingsError(f"{name} is not set")
        return value

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        raw = self.optional(name)
        if raw is None:
            return default
        try:
            value = int(raw)
        except ValueError:
            raise SettingsError(f"{name} must be a whole number, not {raw!r}") from None
        if not least <= value <= most:
            raise SettingsError(f"{name} must lie between {least} and {most}, not {value}")
        return value

    def port(self, name: str, default: int) -> int:
        return self.integer(name, default, least=0, most=65535)

    def seconds(self, name: str, default: float, *, least: float, most: float) -> float:
        raw = self.optional(name)
        if raw is None:
            return default
        try:
            value = float(raw)
        except ValueError:
            raise SettingsError(f"{name} must be a number of seconds, not {raw!r}") from None
        if not least <= value <= most:
            raise SettingsError(f"{name} must lie between {least:g} and {most:g} seconds, not {raw}")
        return value

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise SettingsError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        return value

    def uuid(self, name: str, default: UUID) -> UUID:
        raw = self.optional(name)
        if raw is None:
            return default
        try:
            return UUID(raw)
        except ValueError:
            raise SettingsError(f"{name} must be a UUID, not {raw!r}") from None

    def postgres_url(self, name: str) -> str:
        value = self.text(name)
        # The value is never shown: it holds a password.
        if urlsplit(value).scheme != "postgres":
            raise SettingsError(f"{name} must start with postgres:// (both asyncpg and the WhatsApp library read it)")
        return value


def stack_settings(values: Mapping[str, str] | None = None) -> StackSettings:
    """Read what `perene up` needs. Raises SettingsError."""
    env = Environment(values)
    return StackSettings(
        data_dir=data_dir(values),
        api_host=_host(env, "PERENE_API_HOST"),
        api_port=env.port("PERENE_API_PORT", 3000),
        temporal_port=env.port("PERENE_TEMPORAL_PORT", 7233),
        temporal_ui_port=env.port("PERENE_TEMPORAL_UI_PORT", 8233),
        simulator_port=env.port("PERENE_SIMULATOR_PORT", 4000),
        workers=env.integer("PERENE_WORKERS", 1, least=1, most=64),
        start_timeout_seconds=env.seconds("PERENE_START_TIMEOUT_SECONDS", 120, least=1, most=3600),
    )


def data_dir(values: Mapping[str, str] | None = None) -> Path:
    """The folder of the local stack: PERENE_DATA_DIR, or `.perene` where the command was given."""
    return Path(Environment(values).text("PERENE_DATA_DIR", ".perene")).expanduser().resolve()


def worker_settings(values: Mapping[str, str] | None = None) -> WorkerSettings:
    """Read what a worker needs. Raises SettingsError."""
    env = Environment(values)
    ready_file = env.optional("PERENE_READY_FILE")
    return WorkerSettings(
        process_name=env.text("PERENE_PROCESS_NAME", "worker"),
        database_url=env.postgres_url("PERENE_DATABASE_URL"),
        device_database_url=env.postgres_url("PERENE_DEVICE_DATABASE_URL"),
        temporal=_temporal(env),
        sessions_per_worker=env.integer("PERENE_SESSIONS_PER_WORKER", 250, least=1, most=2000),
        pairings_per_worker=env.integer("PERENE_PAIRINGS_PER_WORKER", 128, least=1, most=2000),
        pairing_window_seconds=_pairing_window(env),
        simulator=_simulator(env),
        ready_file=Path(ready_file) if ready_file else None,
        log_format=_log_format(env),
    )


def api_settings(values: Mapping[str, str] | None = None) -> ApiSettings:
    """Read what the API needs. Raises SettingsError, also for `local` authentication on a public address."""
    env = Environment(values)
    host = _host(env, "PERENE_API_HOST")
    auth_mode = cast(AuthMode, env.choice("PERENE_AUTH_MODE", "local", ("local", "jwt")))
    if auth_mode == "local" and not is_loopback(host):
        raise SettingsError(
            f"PERENE_AUTH_MODE=local trusts whoever can reach the port, so PERENE_API_HOST must be a loopback address, "
            f"not {host}; set PERENE_AUTH_MODE=jwt to serve a network"
        )
    jwt_secret, jwks_url = env.optional("PERENE_JWT_SECRET"), env.optional("PERENE_JWKS_URL")
    if auth_mode == "jwt" and (jwt_secret is None) == (jwks_url is None):
        raise SettingsError("PERENE_AUTH_MODE=jwt needs one of PERENE_JWT_SECRET and PERENE_JWKS_URL")
    return ApiSettings(
        process_name=env.text("PERENE_PROCESS_NAME", "api"),
        host=host,
        port=env.port("PERENE_API_PORT", 3000),
        database_url=env.postgres_url("PERENE_DATABASE_URL"),
        relay_database_url=env.postgres_url("PERENE_RELAY_DATABASE_URL"),
        temporal=_temporal(env),
        auth_mode=auth_mode,
        jwt_secret=jwt_secret,
        jwks_url=jwks_url,
        default_owner_id=env.uuid("PERENE_DEFAULT_OWNER_ID", DEFAULT_OWNER_ID),
        max_connections=env.integer("PERENE_MAX_CONNECTIONS", 5, least=1, most=100_000),
        pairing_window_seconds=_pairing_window(env),
        log_format=_log_format(env),
    )


def migrate_settings(values: Mapping[str, str] | None = None) -> MigrateSettings:
    """Read what the migrations need. Raises SettingsError."""
    env = Environment(values)
    file = Path(env.text("PERENE_ROLE_PASSWORDS_FILE"))
    try:
        raw: object = json.loads(file.read_text())
    except (OSError, ValueError) as problem:
        raise SettingsError(f"PERENE_ROLE_PASSWORDS_FILE ({file}) cannot be read: {problem}") from problem
    given = cast(dict[str, object], raw) if isinstance(raw, dict) else {}
    passwords = {role: value for role in ROLES if isinstance(value := given.get(role), str) and value}
    missing = [role for role in ROLES if role not in passwords]
    if missing:
        raise SettingsError(f"PERENE_ROLE_PASSWORDS_FILE ({file}) gives no password for {', '.join(missing)}")
    return MigrateSettings(admin_url=env.postgres_url("PERENE_DATABASE_ADMIN_URL"), role_passwords=passwords)


def is_loopback(host: str) -> bool:
    """Whether an address (or the name localhost) is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(env: Environment, name: str) -> str:
    host = env.text(name, "127.0.0.1")
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise SettingsError(f"{name} must be an IP address or localhost, not {host!r}") from None


def _temporal(env: Environment) -> TemporalSettings:
    address = env.text("PERENE_TEMPORAL_ADDRESS", "127.0.0.1:7233")
    host, separator, port = address.rpartition(":")
    if not (host and separator and port.isdigit()):
        raise SettingsError(f"PERENE_TEMPORAL_ADDRESS must look like host:port, not {address!r}")
    return TemporalSettings(address=address, namespace=env.text("PERENE_TEMPORAL_NAMESPACE", "default"))


def _pairing_window(env: Environment) -> float:
    return env.seconds("PERENE_PAIRING_WINDOW_SECONDS", 600, least=1, most=86_400)


def _log_format(env: Environment) -> LogFormat:
    return cast(LogFormat, env.choice("PERENE_LOG_FORMAT", "console", ("console", "json")))


def _simulator(env: Environment) -> SimulatorTarget | None:
    proxy, root = env.optional("PERENE_SIMULATOR"), env.optional("PERENE_NOISE_ROOT")
    if proxy is None:
        if root is not None:
            raise SettingsError("PERENE_NOISE_ROOT is set without PERENE_SIMULATOR; it only serves simulator runs")
        return None
    # A foreign Noise root would let whoever sits on the way read every session, so it never leaves this machine.
    if not is_loopback(urlsplit(proxy).hostname or ""):
        raise SettingsError(f"PERENE_SIMULATOR must be a URL on a loopback address, not {proxy!r}")
    try:
        noise_root = bytes.fromhex(root or "")
    except ValueError:
        noise_root = b""
    if len(noise_root) != 32:
        raise SettingsError("PERENE_NOISE_ROOT must be 64 hexadecimal digits (32 bytes) when PERENE_SIMULATOR is set")
    return SimulatorTarget(proxy=proxy, noise_root=noise_root)
