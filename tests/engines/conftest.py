"""An engine of another package, installed for this process and its workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def plugins(install_plugins: Callable[[Path], None]) -> None:
    install_plugins(Path(__file__).parent / "plugins")
