"""Files that are not what their name says, for messages."""

from __future__ import annotations

from pathlib import Path

from voxome.storage.atomic import read_error

_TYPES = {".tif": "TIFF", ".tiff": "TIFF", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".dcm": "DICOM"}
"""Suffix → format of the files whose remote recognises them by their content only."""
_PARQUET = b"PAR1"


def file_problem(path: Path) -> str | None:
    """Return what a local file is instead of a volume, as the end of a sentence; None if that is unknown.

    Raises
    ------
    AccessDenied, StoreError
        If it may not be read, or its disk fails.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_PARQUET))
    except OSError as error:
        raise read_error(path, error) from error
    if start == _PARQUET:
        return "is a Parquet table, not a volume; read it with pandas.read_parquet, or any reader of Parquet"
    kind = _TYPES.get(path.suffix.lower())
    return kind and f"is named as if it were {kind}, but its content is not; it may be damaged, or downloaded in part"
