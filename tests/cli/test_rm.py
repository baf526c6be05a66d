"""``voxome rm``."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import voxome
from voxome.cli.main import app
from voxome.contracts.abilities import SupportsCreate, SupportsDelete, SupportsOwnFiles, SupportsRecognise
from voxome.errors import InvalidInput, InvalidUri, NotFound, VoxomeError
from voxome.resources.recognition import remotes_with

SPEC = voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(4, 4, 4))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed", "npy"])
def test_a_volume_is_removed(command: Any, scheme: str, tmp_path: Path) -> None:
    name = "a.npy" if scheme == "npy" else "a"
    voxome.create(f"{scheme}://{name}", voxome.VolumeSpec.of((4, 5, 6), "uint8") if scheme == "npy" else SPEC)
    result = command("rm", name, "--yes", "--json")
    assert result.json["uri"].startswith(f"{scheme}://")
    assert not (tmp_path / name).exists()
    assert command("rm", name, "--yes").status == 1


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_it_asks(tmp_path: Path, answer: str, gone: bool) -> None:
    voxome.create(f"zarr://{tmp_path}/a.zarr", SPEC)
    result = CliRunner().invoke(app, ["rm", str(tmp_path / "a.zarr")], input=answer)
    assert "4,5,6 voxels of uint8, 120 B" in result.output
    assert (result.exit_code == 0) == gone
    assert (tmp_path / "a.zarr").exists() != gone


def test_files_that_come_while_it_asks_are_kept(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voxome.create(f"zarr://{tmp_path}/a.zarr", SPEC)
    notes = tmp_path / "a.zarr" / "notes.txt"
    monkeypatch.setattr("voxome.cli.rm.confirm", lambda question: notes.write_text("mine") > 0)
    result = command("rm", f"{tmp_path}/a.zarr")
    assert result.status == 1
    assert "notes.txt" in result.err
    assert notes.read_text() == "mine"
    assert voxome.open(f"zarr://{tmp_path}/a.zarr").shape == SPEC.domain.shape


def test_a_name_cannot_change_what_the_question_shows(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/a\x1b[2K\rharmless.zarr", SPEC)
    result = CliRunner().invoke(app, ["rm", str(tmp_path / "a\x1b[2K\rharmless.zarr")], input="n\n")
    assert r"a\x1b[2K\rharmless.zarr? [y/N]" in result.output
    assert not {"\x1b", "\r"} & set(result.output)


LISTED = {
    "zarr": ("metadata: 2, ", "files in 0/: 1, ", "records and remains of writers: 1, ", ".voxome/"),
    "n5": ("metadata: 2, ", "attributes.json", "files in s0/: 1, "),
    "precomputed": ("metadata: 1, ", "info", "/: 1, "),
    "knossos": ("metadata: 1, ", "mag1/knossos.conf", "files in mag1/: 1, "),
    "images": ("file: 5, ", "000000.tif, 000001.tif, 000002.tif, …"),
    "hdf5": ("dataset in a.h5: 1, 120 B: data",),
}


@pytest.mark.parametrize("scheme", LISTED)
def test_what_will_be_removed_is_listed_before_it_asks(
    command: Any, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    path = "a.h5/data" if scheme == "hdf5" else "a"
    voxome.create(f"{scheme}://{path}", SPEC)[...] = 1
    if scheme == "zarr":
        (tmp_path / "a/.voxome").mkdir(exist_ok=True)
        (tmp_path / "a/.voxome/record.json").write_text("{}")
    for arguments, status in (([], 1), (["--dry-run"], 0), (["--dry-run", "--yes"], 0)):
        result = command("rm", f"{scheme}://{path}", *arguments)
        assert result.status == status
        for part in LISTED[scheme]:
            assert part in result.err
        assert "Nothing was removed" in result.err
    assert (voxome.open(f"{scheme}://{path}", expect=voxome.Volume)[...] == 1).all()


def test_what_was_listed_is_what_goes(command: Any, tmp_path: Path) -> None:
    voxome.create("zarr://a.zarr", SPEC)[...] = 1
    files = [file for file in (tmp_path / "a.zarr").rglob("*") if file.is_file()]
    listed = command("rm", "a.zarr", "--dry-run", "--json").json
    assert not listed["removed"]
    assert sum(one["files"] for one in listed["files"]) == len(files)
    assert sum(one["bytes"] for one in listed["files"]) == sum(file.stat().st_size for file in files)
    assert command("rm", "a.zarr", "--yes", "--json").json == {**listed, "removed": True}
    assert not (tmp_path / "a.zarr").exists()


def test_a_zip_is_kept(command: Any, tmp_path: Path) -> None:
    voxome.create("zarr://a.zarr", SPEC)[...] = 1
    with zipfile.ZipFile("a.zip", "w") as packed:
        for file in (tmp_path / "a.zarr").rglob("*"):
            packed.write(file, file.relative_to(tmp_path / "a.zarr"))
    for name in ("a.zip", "zarr://a.zip"):
        result = command("rm", name, "--dry-run")
        assert result.status == 1
        assert "is in a zip, which is only read; remove the whole file yourself" in result.err
    assert voxome.open("a.zip").shape == (4, 5, 6)


def test_one_dataset_of_a_file(command: Any, tmp_path: Path) -> None:
    with h5py.File("a.h5", "w") as h5:
        h5["x/raw"], h5["y"] = np.zeros((2, 3, 4), np.uint8), np.zeros((2, 3, 4), np.uint8)
    assert command("rm", "a.h5/x/raw", "--yes").status == 0
    with h5py.File("a.h5") as h5:
        assert "raw" not in h5["x"]
        assert "y" in h5


@pytest.mark.slow
def test_anything_that_is_not_a_volume_is_kept(command: Any, tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    voxome.create("zarr://a.zarr", SPEC)
    for uri in ("folder", "zarr://folder", "folder/notes.txt", "a.zarr?level=1", "a.zarr?level=0"):
        result = command("rm", uri, "--yes")
        assert (result.status, result.out) == (1, "")
    assert (tmp_path / "folder" / "notes.txt").read_text() == "mine"
    assert voxome.open("a.zarr").shape == (4, 5, 6)


def test_a_write_protected_volume_is_kept(command: Any, tmp_path: Path) -> None:
    np.save("a.npy", np.zeros((2, 3, 4), np.uint8))
    (tmp_path / "a.npy").chmod(0o444)
    result = command("rm", "a.npy", "--yes")
    assert result.status == 1
    assert "is write-protected" in result.err
    (tmp_path / "a.npy").chmod(0o644)
    assert command("rm", "a.npy", "--yes").status == 0


@pytest.mark.slow
def test_a_link_to_a_volume_is_named_as_a_link_and_kept(command: Any, tmp_path: Path) -> None:
    voxome.put(np.zeros((2, 3, 4), np.uint8), f"zarr://{tmp_path}/a.zarr")
    (tmp_path / "link.zarr").symlink_to(tmp_path / "a.zarr")
    result = command("rm", "link.zarr", "--yes")
    assert result.status == 1
    assert f"link.zarr is a link to {tmp_path}/a.zarr" in result.err
    assert (tmp_path / "link.zarr").is_symlink()
    assert voxome.open(tmp_path / "a.zarr", expect=voxome.Volume).shape == (2, 3, 4)


SPELLINGS = ("path", "zarr://path", "zarr://file://path", "s3")


@pytest.fixture(params=SPELLINGS)
def spell(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Function that returns the URI of a zarr volume: spelled in several ways, in a folder and in a bucket."""
    if request.param == "s3":
        bucket, key = request.getfixturevalue("bucket"), request.getfixturevalue("fresh_key")()
        return lambda name: f"zarr://{bucket.uri(f'{key}/{name}')}"
    head = request.param.removesuffix("path")
    return lambda name: f"{head}{tmp_path}/{name}"


def _create(uri: str) -> Any:
    """Create a volume, at a URI or at a bare path of zarr."""
    return voxome.create(uri if "://" in uri else f"zarr://{uri}", SPEC).source


@pytest.mark.slow
def test_a_level_is_kept_however_its_address_is_spelled(spell: Callable[[str], str]) -> None:
    _create(spell("a")).create_level((2, 2, 2))
    for level in ("a/0", "a/1"):
        with pytest.raises(InvalidUri, match="is a level of"):
            voxome.rm(spell(level))
    assert len(voxome.open(spell("a"), expect=voxome.Volume).levels) == 2
    voxome.rm(spell("a"))
    with pytest.raises(NotFound):
        voxome.open(spell("a"))


@pytest.mark.slow
def test_nested_volumes_are_kept_however_their_address_is_spelled(spell: Callable[[str], str]) -> None:
    _create(spell("a.zarr")).create_level((2, 2, 2))
    _create(spell("a.zarr/labels/cells"))
    with pytest.raises(InvalidInput, match=r"contains other volumes: remove \S*a\.zarr/labels/cells\S* first"):
        voxome.rm(spell("a.zarr"))
    assert voxome.open(spell("a.zarr"), expect=voxome.Volume).shape == (4, 5, 6)
    voxome.rm(spell("a.zarr/labels/cells"))
    voxome.rm(spell("a.zarr"))


@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed"])
@pytest.mark.parametrize(
    "name",
    [
        *("notes.txt", "0/notes.txt", "deep/er/photo.png", "2024", "notes/2024", "notes/info", "z/12", "c/0/1"),
        *("x/0-1_0-1_0-1", "mesh/info", "mesh/a.ply", "back/zarr.json", "back/attributes.json", ".hidden/info"),
    ],
)
def test_files_of_others_in_a_volume_are_kept(scheme: str, name: str, tmp_path: Path) -> None:
    uri = f"{scheme}://{tmp_path}/a"
    _create(uri).create_level((2, 2, 2))
    notes = tmp_path / "a" / name
    notes.parent.mkdir(parents=True, exist_ok=True)
    notes.write_text("mine")
    folder = name.partition("/")[0]  # one that seems to be a volume is named as one
    named = rf"not part of the volume: {name}; move or remove them first|contains other volumes: remove \S*a/{folder} "
    with pytest.raises(InvalidInput, match=named):
        voxome.rm(uri)
    assert notes.read_text() == "mine"
    notes.unlink()
    assert voxome.open(uri, expect=voxome.Volume).shape == (4, 5, 6)
    voxome.rm(uri)
    assert not list((tmp_path / "a").rglob("*.*"))


def test_files_of_others_are_kept_in_volumes_of_all_formats_with_folders(tmp_path: Path) -> None:
    schemes = set()
    for scheme, store in remotes_with(SupportsDelete):
        uri = f"{scheme}://{tmp_path}/{scheme}"
        if isinstance(store, SupportsCreate) and isinstance(store, SupportsRecognise):
            with suppress(VoxomeError):  # where volumes have no folders
                voxome.create(uri, SPEC)[...] = 1
        notes = tmp_path / scheme / "sub" / "notes"
        if notes.parent.parent.is_dir():
            schemes.add(scheme)
            notes.parent.mkdir()
            notes.write_text("mine")
            with suppress(InvalidInput):
                voxome.rm(uri)
            assert notes.read_text() == "mine"
            assert isinstance(store, SupportsOwnFiles) or scheme == "images", "which removes file by file"
    assert schemes >= {"zarr", "n5", "precomputed", "images", "knossos"}


@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed", "knossos"])
def test_a_link_in_a_volume_is_a_file_of_others(scheme: str, tmp_path: Path) -> None:
    voxome.create(f"{scheme}://{tmp_path}/a", SPEC)
    (tmp_path / "a" / "1").symlink_to(tmp_path)
    with pytest.raises(InvalidInput, match="not part of the volume: 1;"):
        voxome.rm(f"{scheme}://{tmp_path}/a")
    (tmp_path / "a" / "1").unlink()
    assert voxome.rm(f"{scheme}://{tmp_path}/a")


def test_volumes_in_hidden_folders_and_in_volumes_of_precomputed_are_kept(tmp_path: Path) -> None:
    for scheme in ("zarr", "n5", "precomputed"):
        for inside in (".hidden/w", "w"):
            uri = f"{scheme}://{tmp_path}/{scheme}{len(inside)}"
            voxome.create(uri, SPEC)[...] = 1
            voxome.create(f"{uri}/{inside}", SPEC)[...] = 1
            with pytest.raises(InvalidInput):
                voxome.rm(uri)
            assert (voxome.open(f"{uri}/{inside}", expect=voxome.Volume)[...] == 1).all()


def test_meshes_that_a_volume_names_are_removed_with_it(tmp_path: Path) -> None:
    uri = f"precomputed://{tmp_path}/a"
    voxome.create(uri, SPEC.replace(dtype="uint64"))[...] = 1
    info = json.loads((tmp_path / "a/info").read_text())
    (tmp_path / "a/info").write_text(json.dumps({**info, "mesh": "mesh", "segment_properties": "mesh/properties"}))
    (tmp_path / "a/mesh/properties").mkdir(parents=True)
    (tmp_path / "a/mesh/properties/info").write_text('{"@type": "neuroglancer_segment_properties"}')
    (tmp_path / "a/mesh/info").write_text('{"@type": "neuroglancer_legacy_mesh"}')
    (tmp_path / "a/mesh/1:0").write_text('{"fragments": ["1:0:0"]}')
    (tmp_path / "a/mesh/1:0:0").write_bytes(bytes(16))
    voxome.rm(uri)
    assert not (tmp_path / "a").exists()


def test_a_level_in_any_number_of_folders_is_kept(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/v", SPEC)[...] = 1
    (tmp_path / "v/a/b/c").mkdir(parents=True)
    (tmp_path / "v/0").rename(tmp_path / "v/a/b/c/d")
    metadata = tmp_path / "v/zarr.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text())).replace('"path": "0"', '"path": "a/b/c/d"'))
    with pytest.raises(InvalidUri, match="is a level of"):
        voxome.rm(f"zarr://{tmp_path}/v/a/b/c/d")
    assert voxome.rm(f"zarr://{tmp_path}/v")


def test_a_message_names_three_files_of_others(tmp_path: Path) -> None:
    _create(f"zarr://{tmp_path}/a.zarr")
    for number in range(4):
        (tmp_path / "a.zarr" / f"{number}.txt").touch()
    with pytest.raises(InvalidInput, match=r"\d\.txt, \d\.txt, \d\.txt, …; move"):
        voxome.rm(f"zarr://{tmp_path}/a.zarr")


def test_the_only_level_of_a_pyramid_is_kept(command: Any) -> None:
    voxome.create("zarr://a.zarr", SPEC)
    result = command("rm", "a.zarr/0", "--yes")
    assert result.status == 1
    assert "is a level of" in result.err
    assert voxome.open("a.zarr").shape == (4, 5, 6)


@pytest.mark.slow
def test_a_level_of_n5_is_kept(command: Any) -> None:
    created: Any = voxome.create("n5://a", SPEC).source
    created.create_level((2, 2, 2))
    result = command("rm", "a/s1", "--yes")
    assert result.status == 1
    assert "is a level of" in result.err
    assert len(voxome.open("a").levels) == 2
    assert command("rm", "a", "--yes").status == 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["zarr", "n5"])
@pytest.mark.parametrize("name", ["extra", "labels/cells"])
def test_an_array_in_the_group_of_a_pyramid_is_removed_before_it(command: Any, scheme: str, name: str) -> None:
    """It is none of the levels, which the group lists."""
    for path in ("a", f"a/{name}"):
        voxome.create(f"{scheme}://{path}", SPEC)
    result = command("rm", "a", "--yes")
    assert result.status == 1
    assert f"a/{name} first" in result.err
    assert command("rm", f"a/{name}", "--yes").status == 0
    assert voxome.open("a").shape == (4, 5, 6)
    assert command("rm", "a", "--yes").status == 0


def test_public_data_are_kept(command: Any) -> None:
    result = command("rm", "dataset:cremi/A/em", "--yes")
    assert (result.status, result.out) == (1, "")
    assert "a dataset cannot be removed" in result.err


@pytest.mark.slow
def test_ctrl_c_at_the_question_interrupts(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keys:
        def readline(self) -> str:
            raise KeyboardInterrupt

    voxome.create("zarr://a.zarr", SPEC)
    monkeypatch.setattr("sys.stdin", Keys())
    result = command("rm", "a.zarr", "--json")
    assert (result.status, result.out) == (130, "")
    assert result.err.endswith("Interrupted\n")
    assert voxome.open("a.zarr").shape == (4, 5, 6)
