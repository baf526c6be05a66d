"""Lock files of images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voxome.environments.lock import LOCK_NAME, ImageLock, full_name, prepare_image
from voxome.errors import InvalidInput, UnsupportedFormat


class StandIn:
    """Environment with one image."""

    def __init__(self, name: str, id: str) -> None:
        self.name, self.id = name, id

    def prepare(self, image: str, *, may_pull: bool = False) -> str:
        return self.id


def test_a_lock_file_is_sorted_and_carries_a_version(tmp_path: Path) -> None:
    path = tmp_path / LOCK_NAME
    lock = ImageLock.read(path)
    for name in ("b:2", "a", "b:1"):
        lock = lock.pin(name, "config", f"sha256:{name}")
    lock.write()
    first = path.read_text()
    assert json.loads(first) == {
        "voxome": "image lock",
        "format_version": 1,
        "images": {
            "a:latest": {"config": "sha256:a"},
            "b:1": {"config": "sha256:b:1"},
            "b:2": {"config": "sha256:b:2"},
        },
    }
    again = ImageLock.read(path)
    again.pin("a:latest", "config", "sha256:a").write()
    assert path.read_text() == first
    assert list(again.images) == ["a:latest", "b:1", "b:2"]


def test_an_image_with_another_id_than_the_lock_is_refused_by_name(tmp_path: Path) -> None:
    lock = ImageLock(tmp_path / LOCK_NAME).pin("tool", "config", "sha256:old")
    with pytest.raises(InvalidInput, match=r"The image tool is sha256:new, but .*lock.json pins sha256:old"):
        prepare_image(StandIn("podman", "sha256:new"), "tool", lock)
    assert prepare_image(StandIn("docker", "sha256:old"), "tool:latest", lock) == "sha256:old"
    assert prepare_image(StandIn("docker", "sha256:any"), "other", lock) == "sha256:any"


def test_ids_of_apptainer_are_those_of_files_and_pinned_beside_the_others(tmp_path: Path) -> None:
    lock = ImageLock(tmp_path / LOCK_NAME).pin("tool", "config", "sha256:old")
    with pytest.raises(InvalidInput, match=r"pins the image tool by its config, and this environment needs its file"):
        prepare_image(StandIn("apptainer", "sha256:f"), "tool", lock)
    both = lock.pin("tool", "file", "sha256:f")
    assert prepare_image(StandIn("apptainer", "sha256:f"), "tool", both) == "sha256:f"
    assert prepare_image(StandIn("podman", "sha256:old"), "tool", both) == "sha256:old"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"voxome": "image lock", "format_version": 1, "images": []}'])
def test_a_damaged_lock_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_NAME).write_text(text)
    with pytest.raises(InvalidInput, match=r"lock.json is not a lock file of images"):
        ImageLock.read(tmp_path / LOCK_NAME)


def test_a_lock_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text('{"voxome": "image lock", "format_version": 2, "images": {}}')
    with pytest.raises(UnsupportedFormat, match="of version 2"):
        ImageLock.read(tmp_path / LOCK_NAME)


def test_the_lock_file_beside_a_document_comes_before_that_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    assert ImageLock.find("flows/a.cwl#main").images == {}
    ImageLock(tmp_path / LOCK_NAME).pin("a", "config", "here").write()
    assert ImageLock.find("flows/a.cwl#main").images == {"a:latest": {"config": "here"}}
    ImageLock(tmp_path / "flows" / LOCK_NAME).pin("a", "config", "beside").write()
    assert ImageLock.find("flows/a.cwl#main").images == {"a:latest": {"config": "beside"}}


def test_names_without_a_tag_have_the_tag_latest() -> None:
    names = ["tool", "lab/tool", "host:5000/tool", "tool:1", "tool@sha256:ab", "images/tool.sif"]
    assert [full_name(name) for name in names] == [
        "tool:latest",
        "lab/tool:latest",
        "host:5000/tool:latest",
        "tool:1",
        "tool@sha256:ab",
        "images/tool.sif",
    ]
