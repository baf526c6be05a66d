"""Metadata that list more levels than a pyramid can have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import voxome
from voxome.contracts import levels
from voxome.errors import VoxomeError
from voxome.remotes.n5 import groups

SPEC = voxome.VolumeSpec.of((9, 8, 7), "uint8", voxel_size_nm=(8, 8, 8))


def list_levels(uri: str, folder: Path, count: int) -> None:
    """Have the metadata of a volume list its only level several times."""
    name = {"zarr": "zarr.json", "n5": "attributes.json", "precomputed": "info"}[uri.partition(":")[0]]
    found: Any = json.loads((folder / name).read_text())
    match name:
        case "zarr.json":
            entry = found["attributes"]["ome"]["multiscales"][0]
            entry["datasets"] = [{**entry["datasets"][0], "path": str(n)} for n in range(count)]
        case "info":
            found["scales"] = found["scales"][:1] * count
        case _:
            found = {"n5": "2.0.0", "scales": [[2**n] * 3 for n in range(count)]}
    (folder / name).write_text(json.dumps(found))


@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed"])
def test_pyramids_have_at_most_so_many_levels(tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"{scheme}://{tmp_path}/a"
    voxome.create(uri, SPEC)
    for module in (levels, groups):
        monkeypatch.setattr(module, "MOST_LEVELS", 5)
    list_levels(uri, tmp_path / "a", 5)
    assert len(voxome.info(uri)["levels"]) == 5
    list_levels(uri, tmp_path / "a", 6)
    with pytest.raises(VoxomeError, match=r"6 levels are listed; at most 5 are read"):
        voxome.open(uri)


def test_arrays_of_n5_are_looked_for_up_to_that_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voxome.create(f"n5://{tmp_path}/a", SPEC)
    (tmp_path / "a/attributes.json").write_text('{"n5": "2.0.0"}')
    for number in range(1, 4):
        (tmp_path / f"a/s{number}").mkdir()
        (tmp_path / f"a/s{number}/attributes.json").write_text((tmp_path / "a/s0/attributes.json").read_text())
    assert len(voxome.info(f"n5://{tmp_path}/a")["levels"]) == 4
    for module in (levels, groups):
        monkeypatch.setattr(module, "MOST_LEVELS", 3)
    with pytest.raises(VoxomeError, match="4 levels are listed"):
        voxome.open(f"n5://{tmp_path}/a")
