"""Archives of test data."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive; return the folder."""
    options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11.2 has none
    with tarfile.open(archive) as packed:
        packed.extractall(folder, **options)
    return folder
