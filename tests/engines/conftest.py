"""An engine of another package, installed for this process and its workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from voxome.registry import load, targets


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = Path(__file__).parent / "plugins"
    monkeypatch.syspath_prepend(str(folder))
    targets.cache_clear()
    load.cache_clear()
    yield
    targets.cache_clear()
    load.cache_clear()
    for module in folder.glob("*.py"):
        sys.modules.pop(module.stem, None)
