"""Contract suites and hypothesis strategies for authors of plug-ins; needs ``voxome[testing]``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from voxome.extras import require

require("testing", "hypothesis", "pytest")

if TYPE_CHECKING:
    from voxome.testing.engine import EngineContract
    from voxome.testing.environment import EnvironmentContract
    from voxome.testing.kind import KindContract
    from voxome.testing.records import RecordStoreContract
    from voxome.testing.remote import VolumeRemoteContract
    from voxome.testing.service import ServiceContract

__all__ = [
    "EngineContract",
    "EnvironmentContract",
    "KindContract",
    "RecordStoreContract",
    "ServiceContract",
    "VolumeRemoteContract",
]

_LAZY = {
    "EngineContract": "voxome.testing.engine",
    "EnvironmentContract": "voxome.testing.environment",
    "KindContract": "voxome.testing.kind",
    "RecordStoreContract": "voxome.testing.records",
    "ServiceContract": "voxome.testing.service",
    "VolumeRemoteContract": "voxome.testing.remote",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'voxome.testing' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
