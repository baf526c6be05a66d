"""Paths that metadata name stay inside the folder of the metadata."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import voxome
from voxome.errors import AccessDenied, VoxomeError
from voxome.storage.inside import is_inside

SPEC = voxome.VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(1, 1, 1))
OUTSIDE = ("../out", "/out", "a/../../out", "file:///out", "..\\out", "a\0b", "a\ud800b", "")


@pytest.mark.parametrize("path", OUTSIDE)
def test_what_reaches_out_is_known(path: str) -> None:
    assert not is_inside(path)


def edited(file: Path, edit: Callable[[Any], None]) -> None:
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))


@pytest.mark.parametrize("path", ["../out", "a/../../out", "file:///out"])
@pytest.mark.parametrize("store", ["precomputed", "zarr", "n5"])
def test_a_volume_whose_array_lies_elsewhere_is_refused(tmp_path: Path, store: str, path: str) -> None:
    uri = f"{store}://{tmp_path}/a"
    voxome.create(uri, SPEC)

    def edit(document: Any) -> None:
        if store == "precomputed":
            document["scales"][0]["key"] = path
            return
        ome = document["attributes"]["ome"] if store == "zarr" else document
        ome["multiscales"][0]["datasets"][0]["path"] = path

    edited(tmp_path / "a" / {"precomputed": "info", "zarr": "zarr.json", "n5": "attributes.json"}[store], edit)
    with pytest.raises(VoxomeError, match="expected a path inside"):
        voxome.open(uri, mode="r+")


@pytest.mark.parametrize("path", ["..", "/../", "../.."])
def test_a_path_of_dots_alone_is_refused(tmp_path: Path, path: str) -> None:
    """Voxels that numcodecs decodes are not read through tensorstore, which would refuse such a path itself."""
    array = {
        "zarr_format": 2, "shape": [2, 2, 2], "chunks": [2, 2, 2], "dtype": "|u1", "compressor": {"id": "lzma"},
        "fill_value": 0, "filters": None, "order": "C",
    }  # fmt: skip
    (tmp_path / "out/in").mkdir(parents=True)
    (tmp_path / "out/.zarray").write_text(json.dumps(array))
    (tmp_path / "out/0.0.0").write_bytes(lzma.compress(b"\7" * 8))
    assert voxome.open(f"zarr://{tmp_path}/out")[0, 0, 0] == 7
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    (tmp_path / "out/in/.zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "out/in/.zattrs").write_text(
        json.dumps({"multiscales": [{"axes": axes, "datasets": [{"path": path}]}]})
    )
    with pytest.raises(VoxomeError, match="expected a path inside"):
        voxome.open(f"zarr://{tmp_path}/out/in")


def test_a_name_of_knossos_is_no_path(tmp_path: Path) -> None:
    voxome.create(f"knossos://{tmp_path}/k", SPEC)
    conf = tmp_path / "k/mag1/knossos.conf"
    conf.write_text(conf.read_text().replace('"k_mag1"', f'"{tmp_path}/victim"'))
    assert "victim" in conf.read_text()
    with pytest.raises(VoxomeError, match="cannot be part of the name of a file"):
        voxome.open(f"knossos://{tmp_path}/k", mode="r+")


def test_voxels_of_hdf5_in_other_folders_are_read_on_request_only(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"TOPSECRET" + bytes(503))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/beside").write_bytes(bytes(512))
    with h5py.File(tmp_path / "in/a.h5", "w") as h5:
        h5.create_dataset("elsewhere", (8, 8, 8), "u1", external=[(str(tmp_path / "secret"), 0, 512)])
        h5.create_dataset("beside", (8, 8, 8), "u1", external=[(str(tmp_path / "in/beside"), 0, 512)])
        h5["link"] = h5py.ExternalLink("../b.h5", "v")
    with h5py.File(tmp_path / "b.h5", "w") as h5:
        h5["v"] = np.ones((8, 8, 8), "u1")
    for name in ("elsewhere", "link"):
        with pytest.raises(AccessDenied, match=r"add \?external=true"):
            voxome.open(f"hdf5://{tmp_path}/in/a.h5/{name}")
        assert voxome.open(f"hdf5://{tmp_path}/in/a.h5/{name}?external=true")[0, 0, 0] in (1, ord("T"))
    assert voxome.open(f"hdf5://{tmp_path}/in/a.h5/beside")[0, 0, 0] == 0
