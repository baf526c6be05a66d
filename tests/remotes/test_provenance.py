"""Provenance in attributes, metadata and logs, beside that of other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import httpx
import numpy as np
import pytest
from standins.dvid import serving

import voxome
from voxome.contracts.abilities import SupportsProvenance, ability
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.errors import CorruptData

ONES = np.ones((4, 5, 6), np.uint8)


def entry(version: str, **parameters: Any) -> Provenance:
    return Provenance.now("mesh", LOCAL, "common.meshes", version, parameters)


def keeper(uri: str) -> SupportsProvenance:
    found = ability(voxome.open(uri, expect=voxome.Volume, mode="r+").source, SupportsProvenance)
    assert found is not None
    return found


@pytest.mark.parametrize("format", ["zarr2", "zarr3"])
def test_multiscales_of_others_say_how_their_levels_were_made(tmp_path: Path, format: str) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    spec = voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(40, 4, 4), encoding={"format": format})
    voxome.create(uri, spec)
    file = tmp_path / "a.zarr" / ("zarr.json" if format == "zarr3" else ".zattrs")
    text = json.loads(file.read_text())
    attributes = text["attributes"] if format == "zarr3" else text
    entries = attributes["ome"]["multiscales"] if "ome" in attributes else attributes["multiscales"]
    entries[0] |= {"type": "gaussian", "metadata": {"method": "skimage.transform.pyramid_gaussian", "version": "0.16"}}
    attributes["_creator"] = {"name": "omero-zarr", "version": "0.4.0"}
    file.write_text(json.dumps(text))
    keeper(uri).add_provenance(entry("1"))
    levels, creator, ours = voxome.provenance(uri)
    assert levels.parameters == {key: entries[0][key] for key in ("type", "metadata")}
    assert creator.parameters == {"name": "omero-zarr", "version": "0.4.0"}
    assert (levels.way, creator.way, ours.way) == ("other", "other", "local")
    after = json.loads(file.read_text())
    assert (after["attributes"] if format == "zarr3" else after)["_creator"] == attributes["_creator"]


@pytest.mark.parametrize("scheme", ["zarr", "n5"])
def test_an_attribute_of_others_under_our_name_is_kept(tmp_path: Path, scheme: str) -> None:
    uri = f"{scheme}://{tmp_path}/a"
    voxome.create(uri, voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    file = tmp_path / "a" / {"zarr": "zarr.json", "n5": "attributes.json"}[scheme]
    text = json.loads(file.read_text())
    (text["attributes"] if scheme == "zarr" else text)["voxome_provenance"] = "by hand"
    file.write_text(json.dumps(text))
    with pytest.raises(CorruptData, match="voxome_provenance"):
        keeper(uri).add_provenance(entry("1"))
    assert [one.parameters for one in voxome.provenance(uri)] == [{"content": "by hand"}]


def test_an_n5_array_of_others_is_read_as_before(tmp_path: Path) -> None:
    uri = f"n5://{tmp_path}/a.n5"
    voxome.create(uri, voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    file = next((tmp_path / "a.n5").rglob("attributes.json"))
    text = {**json.loads(file.read_text()), "pixelResolution": [4, 4, 40], "history": "resampled"}
    text.pop("voxome", None)
    file.write_text(json.dumps(text))
    before = voxome.open(uri).spec
    keeper(uri).add_provenance(entry("1"))
    assert voxome.open(uri).spec == before
    assert [one.way for one in voxome.provenance(uri)] == ["other", "local"]


def test_hdf5_keeps_more_than_an_attribute_of_64_kb(tmp_path: Path) -> None:
    uri = f"hdf5://{tmp_path}/a.h5/volume"
    voxome.create(uri, voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    entries = [entry(str(number), text="x" * 50_000) for number in range(4)]
    for one in entries:
        keeper(uri).add_provenance(one)
    with h5py.File(tmp_path / "a.h5", "r+") as h5:
        h5["volume"].attrs["history"] = ["first", "second"]
    theirs, ours = voxome.provenance(uri)[:2], voxome.provenance(uri)[2:]
    assert [one.parameters["content"] for one in theirs] == ["first", "second"]
    assert ours == tuple(entries)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving("secret") as url:
        yield url


@pytest.mark.slow
def test_a_dvid_version_has_what_made_those_before_it_and_no_others(server: str) -> None:
    created = httpx.post(f"{server}/api/repos?admintoken=secret", json={"alias": "t"}).json()
    root = f"{server.replace('http', 'dvid')}/{created['root']}"
    for name in ("a", "ab"):
        voxome.create(f"{root}/{name}", voxome.VolumeSpec.of((32, 32, 32), "uint8", voxel_size_nm=(8, 8, 8)))
    keeper(f"{root}/a").add_provenance(entry("root"))
    keeper(f"{root}/ab").add_provenance(entry("other instance"))
    node: Any = voxome.connect(root)
    node.add_log("by hand")
    node.commit("done")
    main, side = node.new_version(), node.branch("side")
    for version in (main, side):
        keeper(f"{server.replace('http', 'dvid')}/{version.uuid}/a").add_provenance(entry(version.uuid))
    found = voxome.provenance(f"{server.replace('http', 'dvid')}/{main.uuid}/a")
    assert [one.version for one in found if one.way == "local"] == ["root", main.uuid]
    (note,) = [one for one in found if one.way == "other"]
    assert (note.parameters["note"], note.parameters["version"]) == ("done", created["root"])
    assert [one.version for one in voxome.provenance(f"{root}/a") if one.way == "local"] == ["root"]
