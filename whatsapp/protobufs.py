"""neonize's generated protobuf modules, without neonize's client.

`import neonize` runs its `__init__`: that loads the Go library, looks for libmagic and ffmpeg, reconfigures the root
logger, and may download a library. None of it is wanted here, and a process that only forks (see `pairing_server`)
must not hold the Go library. So the package is entered without its `__init__`: this takes a quarter of the memory.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.message import Message

if TYPE_CHECKING:
    from neonize.proto import Neonize_pb2 as events
    from neonize.proto.waCommon import WACommon_pb2 as common
    from neonize.proto.waCompanionReg import WACompanionReg_pb2 as companion
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e


def package_folder() -> Path:
    """Where neonize is installed. Raises ModuleNotFoundError if it is not."""
    spec = importlib.util.find_spec("neonize")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("neonize is not installed", name="neonize")
    return Path(next(iter(spec.submodule_search_locations)))


def _load() -> tuple[ModuleType, ModuleType, ModuleType, ModuleType]:
    bare: ModuleType | None = None
    if "neonize" not in sys.modules:
        bare = ModuleType("neonize")
        bare.__path__ = [str(package_folder())]
        sys.modules["neonize"] = bare
    try:
        return (
            importlib.import_module("neonize.proto.Neonize_pb2"),
            importlib.import_module("waCommon.WACommon_pb2"),
            importlib.import_module("waCompanionReg.WACompanionReg_pb2"),
            importlib.import_module("waE2E.WAWebProtobufsE2E_pb2"),
        )
    finally:
        if bare is not None and sys.modules.get("neonize") is bare:
            del sys.modules["neonize"]  # whoever wants the whole package still gets it


if not TYPE_CHECKING:
    events: Any
    common: Any
    companion: Any
    e2e: Any
    events, common, companion, e2e = _load()


def content_of(event: events.Message) -> e2e.Message:
    """What an event's message says. (neonize's stubs name the type by a path that only its own folder knows.)"""
    content: e2e.Message = cast(Any, event).Message
    return content


def key_id(message: Message, field: str = "key") -> str | None:
    """The id in a field of the type MessageKey, or None where it is empty."""
    key: common.MessageKey = getattr(message, field)
    return key.ID or None


__all__ = ["common", "companion", "content_of", "e2e", "events", "key_id", "package_folder"]
