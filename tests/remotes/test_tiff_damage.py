"""TIFF files cut at any byte, with a broken structure, or with harmless oddities."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image

import voxome
from voxome.errors import CorruptData

CUTS = 300
SEED = 20261129


@pytest.fixture(params=["logging", "silent", "quiet"])
def log_level(request: pytest.FixtureRequest) -> Iterator[None]:
    """Logging as usual, of tifffile turned down, and of everything turned off."""
    logger, before = logging.getLogger("tifffile"), logging.root.manager.disable
    level = logger.level
    if request.param == "quiet":
        logger.setLevel(logging.CRITICAL)
    elif request.param == "silent":
        logging.disable(logging.CRITICAL)
    yield
    logger.setLevel(level)
    logging.disable(before)


def write_at_random(path: Path, rng: np.random.Generator) -> NDArray[Any]:
    """Write a small TIFF of a random layout, and return its voxels."""
    shape = tuple(int(n) for n in rng.integers(2, 9, 3))
    array = rng.integers(0, 200, shape).astype("uint16" if rng.random() < 0.5 else "uint8")
    layout = rng.choice(["plain", "bare", "ome", "imagej", "pages", "truncated", "pillow", "big"])
    order = str(rng.choice(["<", ">"]))
    compressed: dict[str, Any] = {"compression": str(rng.choice(["none", "zlib", "lzw", "zstd"]))}
    if rng.random() < 0.4:
        compressed["tile"] = (16, 16)
    common: dict[str, Any] = {"photometric": "minisblack"}
    if layout == "pillow":
        pages = [Image.fromarray(section) for section in array.astype("uint8")]
        pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_deflate")
        return array.astype("uint8")
    if layout == "imagej":
        tifffile.imwrite(path, array, imagej=True, metadata={"axes": "ZYX"}, truncate=bool(rng.random() < 0.5))
    elif layout == "pages":
        with tifffile.TiffWriter(path, byteorder=order) as tiff:
            for section in array:
                tiff.write(section, contiguous=bool(rng.random() < 0.5), metadata=None, **common)
    elif layout == "truncated":
        tifffile.imwrite(path, array, byteorder=order, truncate=True, metadata={"axes": "ZYX"}, **common)
    elif layout == "bare":
        tifffile.imwrite(path, array, byteorder=order, metadata=None, **common, **compressed)
    else:
        ome = layout == "ome"
        tifffile.imwrite(
            path, array, ome=ome, bigtiff=layout == "big", metadata={"axes": "ZYX"}, **common, **compressed
        )
    return array


@pytest.mark.slow
@pytest.mark.usefixtures("log_level")
def test_a_cut_file_gives_all_voxels_or_an_error(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(SEED), tmp_path / "cut.tif"
    whole = 0
    for _ in range(CUTS):
        array = write_at_random(path, rng)
        assert_array_equal(np.asarray(voxome.open(path)[...]), array)
        content = path.read_bytes()
        path.write_bytes(content[: int(rng.integers(0, len(content)))])
        try:
            data = voxome.open(path)[...]
        except CorruptData:
            continue
        assert_array_equal(data, array)
        whole += 1
    assert whole < CUTS / 3


def test_directories_that_form_a_circle_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "circle.tif"
    tifffile.imwrite(path, np.zeros((3, 4, 5), "uint8"), metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path) as tiff:
        first, last = tiff.pages[0].offset, tiff.pages[2].offset
    raw = bytearray(path.read_bytes())
    (count,) = struct.unpack_from("<H", raw, last)
    struct.pack_into("<I", raw, last + 2 + 12 * count, first)
    path.write_bytes(raw)
    with pytest.raises(CorruptData, match="follows itself"):
        voxome.open(path)


def test_an_image_that_is_cut_within_its_first_bytes_is_damage(tmp_path: Path) -> None:
    for content in (b"", b"II", b"MM\0", b"\x89PN"):
        (tmp_path / "a.tif").write_bytes(content)
        with pytest.raises(CorruptData, match=rf"truncated: it ends after {len(content)} bytes"):
            voxome.open(tmp_path / "a.tif")


def test_private_tags_of_an_unknown_type_are_harmless(tmp_path: Path) -> None:
    array, path = np.arange(5 * 8 * 9, dtype="uint16").reshape(5, 8, 9), tmp_path / "private.tif"
    tifffile.imwrite(path, array, extratags=[(65000, "I", 1, 5, True)])
    raw = bytearray(path.read_bytes())
    struct.pack_into("<HHII", raw, raw.find(struct.pack("<HHI", 65000, 4, 1)), 65000, 59402, 1, 0)
    path.write_bytes(raw)
    assert_array_equal(voxome.open(path)[...], array)


def test_an_essential_tag_of_an_unknown_type_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 9), "uint16"))
    raw = bytearray(path.read_bytes())
    struct.pack_into("<H", raw, raw.find(struct.pack("<HHI", 258, 3, 1)) + 2, 999)
    path.write_bytes(raw)
    with pytest.raises(CorruptData, match="tag 258 has the unknown type 999"):
        voxome.open(path)
