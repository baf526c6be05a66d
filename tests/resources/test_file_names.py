"""Files that are not what their name says are named so."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import voxome
from voxome.errors import UnsupportedFormat


@pytest.mark.parametrize(("name", "kind"), [("a.tif", "TIFF"), ("a.TIFF", "TIFF"), ("a.png", "PNG"), ("a.jpg", "JPEG")])
def test_a_file_with_the_name_of_an_image_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(UnsupportedFormat, match=rf"{name} is named as if it were {kind}, but its content is not"):
        voxome.open(tmp_path / name)


def test_a_table_is_not_a_volume(tmp_path: Path) -> None:
    pq.write_table(pa.table({"value": [1, 2]}), tmp_path / "rows.parquet")
    with pytest.raises(UnsupportedFormat, match=r"rows\.parquet is a Parquet table, not a volume"):
        voxome.open(tmp_path / "rows.parquet")
