"""Delivery of outputs into a folder that has others."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cwltool.errors import WorkflowException

from voxome.workflow.foreign.delivery import move_outputs
from voxome.workflow.foreign.results import file_location

_NOBODY = 65534
TOOL = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "echo new > r"]
inputs: {}
outputs: {result: {type: File, outputBinding: {glob: r}}}
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Folders of what is staged, of the outputs, and of what is replaced."""
    staged, out, replaced = (tmp_path / name for name in ("staged", "out", "replaced"))
    for folder in (staged, out, replaced):
        folder.mkdir()
    return staged, out, replaced


def located(path: Path, kind: str = "File") -> dict[str, object]:
    return {"class": kind, "location": file_location(path)}


def test_outputs_replace_what_had_their_names(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    staged, out, replaced = folders
    (tmp_path / "precious").write_text("precious")
    (out / "link").symlink_to(tmp_path / "precious")
    (out / "file").mkdir()
    (out / "folder").mkdir()
    (out / "folder" / "old").touch()
    (out / "new folder").touch()
    (out / "other").touch()
    for name in ("link", "file"):
        (staged / name).write_text(name)
    (staged / "folder" / "new").mkdir(parents=True)
    (staged / "new folder").mkdir()
    listing = {**located(staged / "folder", "Directory"), "listing": [located(staged / "folder" / "new", "Directory")]}
    outputs = {"files": [located(staged / "link"), located(staged / "file")], "folder": listing, "number": 3}
    assert move_outputs(outputs, staged, out, replaced) == {
        "files": [located(out / "link"), located(out / "file")],
        "folder": {**located(out / "folder", "Directory"), "listing": [located(out / "folder" / "new", "Directory")]},
        "number": 3,
    }
    names = {str(path.relative_to(out)) for path in out.rglob("*")}
    assert names == {"link", "file", "folder", "folder/new", "new folder", "other"}
    assert (out / "new folder").is_dir()
    assert [(out / name).read_text() for name in ("link", "file")] == ["link", "file"]
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.fixture
def as_ordinary_user() -> Iterator[Path]:
    """Folder of a user for whom permissions count, who runs the test."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        if root:
            os.chown(name, _NOBODY, _NOBODY)
            os.seteuid(_NOBODY)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


def test_folders_without_the_right_to_write_are_delivered_as_they_are(as_ordinary_user: Path) -> None:
    staged, out, replaced = (as_ordinary_user / name for name in ("staged", "out", "replaced"))
    for folder in (staged, out):
        (folder / "folder").mkdir(parents=True)
        (folder / "folder" / folder.name).touch()
        (folder / "folder").chmod(0o555)
    replaced.mkdir()
    move_outputs({}, staged, out, replaced)
    assert [path.name for path in (out / "folder").iterdir()] == ["staged"]
    assert (out / "folder").stat().st_mode & 0o777 == 0o555
    assert [path.name for path in (replaced / "folder").iterdir()] == ["out"]


def test_the_folder_of_records_is_not_replaced(folders: tuple[Path, Path, Path]) -> None:
    staged, out, replaced = folders
    (staged / ".voxome").mkdir()
    (staged / "a").touch()
    with pytest.raises(WorkflowException, match=r"An output is called \.voxome"):
        move_outputs({}, staged, out, replaced)
    assert list(out.iterdir()) == []


def test_a_file_is_where_the_output_object_says(call, tmp_path: Path) -> None:
    (tmp_path / "out" / "r").mkdir(parents=True)
    ended = call(TOOL)
    assert Path(ended.outputs["result"]["path"]).read_text() == "new\n"
    assert sorted(path.name for path in ended.out.iterdir()) == [".voxome", "r"]
