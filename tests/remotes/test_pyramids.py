"""Pyramids as other programs write them: levels in any order, of any ratio, missing, or invalid."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
from numpy.typing import NDArray

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.errors import CorruptData, InvalidInput, NotFound, StoreError, UnsupportedFormat
from voxome.services.describe import info
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath

SIZES = {"coarse": (40.0, 16.0, 16.0), "fine": (40.0, 4.0, 4.0), "middle": (40.0, 6.0, 8.33)}
"""Name → voxel size (z, y, x) in nm, in the order in which the metadata list the levels; all share a corner."""
SHAPES = {"coarse": (3, 6, 8), "fine": (3, 24, 32), "middle": (3, 16, 15)}
ORDER = ("fine", "middle", "coarse")
Write = Callable[[Path], str]


def voxels(name: str) -> NDArray[np.uint16]:
    return np.full(SHAPES[name], ORDER.index(name) + 1, np.uint16)


def store(driver: str, folder: Path, data: NDArray[Any], **metadata: Any) -> None:
    kvstore = {"driver": "file", "path": f"{folder}/"}
    spec = {"driver": driver, "kvstore": kvstore, "metadata": metadata, "create": True}
    ts.open(spec, dtype=data.dtype.name, shape=data.shape).result().write(data).result()


def centre(name: str) -> tuple[float, ...]:
    """Centre of voxel 0, where that of the finest level is at 0 and all levels share a corner."""
    return tuple((a - b) / 2 for a, b in zip(SIZES[name], SIZES["fine"], strict=True))


def zarr(folder: Path) -> str:
    entries = []
    for name, size in SIZES.items():
        store("zarr", folder / name, voxels(name))
        steps = [{"type": "scale", "scale": size}, {"type": "translation", "translation": centre(name)}]
        entries.append({"path": name, "coordinateTransformations": steps})
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(
        json.dumps({"multiscales": [{"version": "0.4", "axes": axes, "datasets": entries}]})
    )
    return f"zarr://{folder}"


def n5(folder: Path) -> str:
    entries = []
    for name, size in SIZES.items():
        store("n5", folder / name, voxels(name).T, blockSize=[8, 8, 8], compression={"type": "raw"})
        transform = {"axes": list("zyx"), "scale": size, "translate": centre(name), "units": ["nm"] * 3}
        entries.append({"path": name, "transform": transform})
    (folder / "attributes.json").write_text(json.dumps({"n5": "2.0.0", "multiscales": [{"datasets": entries}]}))
    return f"n5://{folder}"


def precomputed(folder: Path) -> str:
    scales = []
    for name, size in SIZES.items():
        z, y, x = SHAPES[name]
        scales.append(
            {
                "key": name,
                "size": [x, y, z],
                "resolution": list(size[::-1]),
                "chunk_sizes": [[64, 64, 64]],
                "encoding": "raw",
            }
        )
        (folder / name).mkdir(parents=True)
        (folder / name / f"0-{x}_0-{y}_0-{z}").write_bytes(voxels(name).tobytes())
    info = {"type": "image", "data_type": "uint16", "num_channels": 1, "scales": scales}
    (folder / "info").write_text(json.dumps(info))
    return f"precomputed://{folder}"


FORMATS = [zarr, n5, precomputed]
formats = pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)


@formats
def test_levels_are_sorted_finest_first(tmp_path: Path, write: Write) -> None:
    volume = voxome.open(write(tmp_path / "a"), expect=voxome.Volume)
    assert volume.shape == SHAPES["fine"]
    for number, (name, level) in enumerate(zip(ORDER, volume.levels, strict=True)):
        opened = volume.level(number)
        assert level.voxel_size_nm == opened.voxel_size_nm == SIZES[name]
        assert level.offset_nm == opened.spec.offset_nm == pytest.approx(centre(name))
        np.testing.assert_array_equal(opened[...], voxels(name))
        np.testing.assert_array_equal(voxome.open(volume.uri, level=number)[...], voxels(name))


@formats
def test_a_fractional_ratio_has_no_scale(tmp_path: Path, write: Write) -> None:
    volume = voxome.open(write(tmp_path / "a"), expect=voxome.Volume)
    assert [level.scale for level in volume.levels] == [(1, 1, 1), None, (1, 4, 4)]


@formats
def test_a_level_of_fractional_ratio_is_not_downsampled(tmp_path: Path, write: Write) -> None:
    uri = write(tmp_path / "a")
    forget(tmp_path / "a", "coarse")
    source: Any = voxome.open(uri, mode="r+", expect=voxome.Volume).source
    with pytest.raises(InvalidInput, match="not whole multiples"):
        source.create_level((1, 4, 4))


def forget(folder: Path, name: str) -> None:
    """Remove a level from the metadata."""
    change(folder, lambda entries: [one for one in entries if name not in (one.get("path"), one.get("key"))])


def change(folder: Path, edit: Callable[[list[Any]], list[Any]]) -> None:
    """Edit the list of levels in the metadata."""
    file = next(file for name in (".zattrs", "attributes.json", "info") if (file := folder / name).exists())
    document = json.loads(file.read_text())
    if "scales" in document:
        document["scales"] = edit(document["scales"])
    else:
        entry = document["multiscales"][0]
        entry["datasets"] = edit(entry["datasets"])
    file.write_text(json.dumps(document))


@pytest.mark.parametrize("write", [zarr, n5], ids=lambda write: write.__name__)
@pytest.mark.parametrize("missing", range(3))
def test_a_missing_array_leaves_the_other_levels_open(tmp_path: Path, write: Write, missing: int) -> None:
    uri = write(tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / ORDER[missing])
    for number, name in enumerate(ORDER):
        if number == missing:
            with pytest.raises(NotFound, match=name):
                voxome.open(uri, level=number)
        else:
            np.testing.assert_array_equal(voxome.open(uri, level=number)[...], voxels(name))
    if missing:
        assert [level.voxel_size_nm for level in voxome.open(uri, level=0).levels] == [SIZES[name] for name in ORDER]


def break_zarr(entry: dict[str, Any]) -> None:
    entry["coordinateTransformations"] = [{"type": "rotation", "rotation": [1]}]


def break_n5(entry: dict[str, Any]) -> None:
    entry["transform"] = {"axes": ["z"], "scale": "large"}


def break_precomputed(entry: dict[str, Any]) -> None:
    entry["encoding"] = "jxl"


@pytest.mark.parametrize(("write", "spoil"), [(zarr, break_zarr), (n5, break_n5), (precomputed, break_precomputed)])
def test_an_invalid_level_leaves_the_others_open(
    tmp_path: Path, write: Write, spoil: Callable[[dict[str, Any]], None]
) -> None:
    uri = write(tmp_path / "a")

    def edit(entries: list[Any]) -> list[Any]:
        for entry in entries:
            if "middle" in (entry.get("path"), entry.get("key")):
                spoil(entry)
        return entries

    change(tmp_path / "a", edit)
    volume = voxome.open(uri, expect=voxome.Volume)
    np.testing.assert_array_equal(volume[...], voxels("fine"))
    opened = [int(volume.level(number)[0, 0, 0]) for number in range(3) if not invalid(volume, number)]
    assert opened == [voxels(name)[0, 0, 0] for name in ("fine", "coarse")]
    problems = [level["problem"] for level in info(volume)["levels"]]
    assert sorted(problem is None for problem in problems) == [False, True, True]


def invalid(volume: voxome.Volume, number: int) -> bool:
    try:
        volume.level(number)
    except (CorruptData, UnsupportedFormat):
        return True
    return False


@formats
def test_a_number_beyond_the_last_level_is_named(tmp_path: Path, write: Write) -> None:
    uri = write(tmp_path / "a")
    with pytest.raises(NotFound, match="has no level 3: its levels are 0 to 2"):
        voxome.open(uri, level=3)
    with pytest.raises(NotFound, match="has no level 3: its levels are 0 to 2"):
        voxome.open(uri, expect=voxome.Volume).level(3)


def test_levels_without_sizes_are_ranked_by_their_shapes(tmp_path: Path) -> None:
    uri = zarr(tmp_path / "a")

    def drop_sizes(entries: list[Any]) -> list[Any]:
        return [{"path": entry["path"]} for entry in entries]

    change(tmp_path / "a", drop_sizes)
    volume = voxome.open(uri, expect=voxome.Volume)
    assert volume.shape == SHAPES["fine"]
    assert [level.scale for level in volume.levels] == [(1, 1, 1), None, (1, 4, 4)]


@pytest.mark.parametrize("scheme", ["zarr", "n5"])
def test_a_level_that_cannot_be_listed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    volume = voxome.create(
        f"{scheme}://{tmp_path}/a", voxome.VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(4, 4, 4))
    )
    source, before = ability(volume.source, SupportsLevels), sorted(tmp_path.rglob("*"))
    assert source is not None

    def fail(*_: object) -> bool:
        raise StoreError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(StoragePath, "change", fail)
        with pytest.raises(StoreError, match="No space left"):
            source.create_level((2, 2, 2))
    assert sorted(tmp_path.rglob("*")) == before
    source.create_level((2, 2, 2))
    assert len(source.levels) == 2
    assert len(list((tmp_path / "a").glob("*1"))) == 1


@pytest.mark.parametrize("scheme", ["zarr", "n5"])
def test_a_level_that_is_listed_stays_if_its_creation_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    volume = voxome.create(
        f"{scheme}://{tmp_path}/a", voxome.VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(4, 4, 4))
    )
    source = ability(volume.source, SupportsLevels)
    assert source is not None
    change = LocalPath.change

    def interrupt(*arguments: Any) -> bool:
        change(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LocalPath, "change", interrupt)
        with pytest.raises(KeyboardInterrupt):
            source.create_level((2, 2, 2))
    assert voxome.open(volume.uri, level=1).shape == (4, 4, 4)
