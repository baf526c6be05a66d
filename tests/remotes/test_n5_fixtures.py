"""Every N5 file of the shared fixtures: the values and places that their README gives, or a refusal by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.uri import Uri
from voxome.errors import NotFound, UnsupportedFormat
from voxome.remotes.n5.remote import N5Remote

DTYPES = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)] + ["float32", "float64"]
CODECS = ["raw", "gzip", "gzip_level_minus1", "gzip_zlib", "bzip2", "xz", "zstd", "lz4", "blosc"]
BACKWARD = ["data-1.5.0.n5", "data-2.5.1.n5", "data-3.1.3.n5"]
RESOLUTION = np.array([40.0, 5.0, 4.0])
ORIGIN = np.array([300.0, 200.0, 100.0])
PYRAMIDS = {
    "ms_n5viewer": (0.0, True),
    "ms_n5viewer_bare": (0.0, True),
    "ms_n5viewer_sampled": (0.0, False),
    "ms_n5viewer_deprecated": (0.0, True),
    "ms_cosem": (ORIGIN, True),
    "ms_cosem_forder": (ORIGIN, True),
    "ms_paintera": (ORIGIN, True),
    "ms_paintera/data": (ORIGIN, True),
    "bdv/setup0/timepoint0": (0.0, True),
    "ms_group": (0.0, True),
}


def open_at(path: Path) -> VolumeSource:
    assert N5Remote().recognises(path)
    return N5Remote().open(Uri("n5", str(path)))


def read(path: Path) -> NDArray[np.generic]:
    source = open_at(path)
    return source.read(source.spec.domain)


def ramp(shape: tuple[int, int, int], step: int = 1) -> NDArray[np.int64]:
    """(x + 3y + 7z) mod 200, at every `step`-th voxel."""
    z, y, x = (step * index for index in np.indices(shape))
    return (x + 3 * y + 7 * z) % 200


@pytest.mark.parametrize("dtype", DTYPES)
def test_java_dtypes(shared: Path, dtype: str) -> None:
    shift = {"i": -100, "f": 0.5}.get(np.dtype(dtype).kind, 0)
    data = read(shared / "formats/java/n5/dtype" / f"{dtype}_gzip")
    assert data.dtype == np.dtype(dtype)
    assert_array_equal(data, ramp((11, 17, 23)) + shift)


@pytest.mark.parametrize("codec", CODECS)
def test_java_compressions(shared: Path, codec: str) -> None:
    source = open_at(shared / "formats/java/n5/compression" / f"uint16_{codec}")
    assert source.spec.encoding is not None
    assert source.spec.encoding["codec"]["name"] == codec.split("_")[0]
    assert_array_equal(source.read(source.spec.domain), ramp((11, 17, 23)))
    assert source.spec.axes == ("z", "y", "x")


def test_java_big_numbers(shared: Path) -> None:
    source = open_at(shared / "formats/java/n5/uint64_big")
    expected = ramp((11, 17, 23)).astype(np.uint64) + np.uint64(2**63 + 2**53 + 1)
    assert_array_equal(source.read(source.spec.domain), expected)
    assert source.spec.kind == "labels"


def test_missing_and_padded_blocks_of_java_are_read(shared: Path) -> None:
    java = shared / "formats/java/n5"
    z, y, x = np.indices((11, 17, 23)) // 8
    assert_array_equal(read(java / "missing_blocks"), np.where((z + y + x) % 2 == 0, ramp((11, 17, 23)), 0))
    assert not read(java / "all_missing").any()
    assert_array_equal(read(java / "edge_full_blocks"), ramp((11, 17, 23)))


@pytest.mark.parametrize("name", PYRAMIDS)
def test_pyramids_of_java_are_read(shared: Path, name: str) -> None:
    origin, shifted = PYRAMIDS[name]
    source = open_at(shared / "formats/java/n5" / name)
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (2, 2, 2), (4, 4, 4)]
    for number, level in enumerate(pyramid.levels):
        f = 2**number
        part = pyramid.level(number)
        assert part.spec.axes == ("z", "y", "x")
        assert part.spec.voxel_size_nm == pytest.approx(RESOLUTION * f)
        shift = (f - 1) / 2 * RESOLUTION if shifted else 0.0
        assert part.spec.offset_nm == pytest.approx(origin + np.zeros(3) + shift)
        assert level.offset_nm == part.spec.offset_nm
        assert_array_equal(part.read(part.spec.domain), ramp((32 // f, 48 // f, 64 // f), f))


@pytest.mark.parametrize("name", PYRAMIDS)
def test_java_levels_by_themselves(shared: Path, name: str) -> None:
    group = shared / "formats/java/n5" / name
    folder = group / "data" if name == "ms_paintera" else group
    pyramid = ability(open_at(group), SupportsLevels)
    alone = open_at(folder / "s1")
    assert pyramid is not None
    assert alone.spec.voxel_size_nm == pyramid.level(1).spec.voxel_size_nm
    assert alone.spec.offset_nm == pyramid.level(1).spec.offset_nm
    assert ability(alone, SupportsLevels) is None


def test_java_container_is_listed(shared: Path) -> None:
    root = shared / "formats/java/n5"
    with pytest.raises(NotFound, match="open a volume inside it"):
        open_at(root)
    listed = {Path(info.uri.removeprefix("n5://")).relative_to(root) for info in N5Remote().list(Uri("n5", str(root)))}
    assert {Path("ms_cosem"), Path("bdv/setup0/timepoint0"), Path("compression/uint16_lz4")} <= listed
    assert len(listed) == 10 + 9 + 4 + 9


@pytest.mark.parametrize("name", BACKWARD)
def test_java_containers_of_all_versions(shared: Path, name: str) -> None:
    data = read(shared / "formats/n5_java/backward" / name / "raw")
    expected = np.zeros((5, 7))
    expected[:4, 5:], expected[4, :5], expected[4, 5:] = 1, 2, 3
    assert_array_equal(data, expected)


@pytest.mark.parametrize("name", ["", "a", "a/aa/aaa", "objs"])
def test_groups_with_attributes_only_contain_no_array(shared: Path, name: str) -> None:
    with pytest.raises(NotFound, match="neither an N5 array"):
        open_at(shared / "formats/n5_java/url/urlAttributes.n5" / name)


@pytest.mark.parametrize("codec", ["raw", "gzip", "bzip2", "xz", "blosc"])
def test_tensorstore_compressions(shared: Path, codec: str) -> None:
    data = read(shared / "formats/n5_tensorstore" / codec)
    assert data.shape == (4, 5)
    assert data.sum() == 190
    assert_array_equal(np.sort(data, axis=None), np.arange(20))


@pytest.mark.parametrize("name", ["uniform", "range"])
def test_label_multisets(shared: Path, name: str) -> None:
    root = shared / "formats/n5_label_multiset/label_multiset"
    plain = open_at(root / "test.n5" / name)
    assert plain.spec.kind == "labels"
    data = plain.read(plain.spec.domain)
    assert np.unique(data).size == (2**15 if name == "range" else 1)
    for path in (name, f"{name}/data", f"{name}/data/s1"):
        with pytest.raises(UnsupportedFormat, match="label multisets"):
            open_at(root / "test_paintera.n5" / path)
