from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, StoreError
from voxome.viewer import kept_annotations
from voxome.viewer.kept_annotations import ChangedElsewhere, KeptAnnotations

ID = 2**63 + 5
POINT: dict[str, Any] = {
    "type": "point", "id": "2b30c8a6", "point": [564.5, 400, 8], "description": "a cell", "segments": [[str(ID)]],
}  # fmt: skip
LINE: dict[str, Any] = {"type": "line", "id": "7", "pointA": [0, 0, 0], "pointB": [8, 16, 24]}


@pytest.fixture
def kept(tmp_path: Path) -> KeptAnnotations:
    return KeptAnnotations.at(f"{tmp_path}/drawn", (40, 8, 4))


@pytest.mark.slow
def test_what_is_drawn_is_in_a_collection_of_its_shape(kept: KeptAnnotations, tmp_path: Path) -> None:
    kept.replace([POINT, LINE], kept.version())
    points = voxome.open(f"precomputed://{tmp_path}/drawn/point", expect=voxome.Points)
    (found,) = [points[int(one)] for one in points.related("segments", ID).ids]
    np.testing.assert_allclose(found.positions_nm, [[[8, 400, 564.5]]], atol=1e-3)
    lines = voxome.open(f"precomputed://{tmp_path}/drawn/line", expect=voxome.Points)
    np.testing.assert_allclose(lines[7].positions_nm, [[[0, 0, 0], [24, 16, 8]]], atol=1e-3)
    point, line = kept.read()
    assert (point["description"], point["segments"]) == ("a cell", [[str(ID)]])
    assert line == LINE


@pytest.mark.slow
def test_moves_and_deletions_are_kept_and_nothing_else_is_written(
    kept: KeptAnnotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.replace([POINT, LINE], kept.version())
    point, line = kept.read()
    written: list[int] = []
    write = voxome.Points.write

    def note(self: voxome.Points, annotations: voxome.Annotations) -> None:
        written.extend(annotations.ids.tolist())
        write(self, annotations)

    monkeypatch.setattr(voxome.Points, "write", note)
    kept.replace([{**point, "point": [1, 2, 3]}, line], kept.version())
    assert written == [int(point["id"])]
    assert kept.read()[0]["point"] == [1, 2, 3]
    kept.replace([line], kept.version())
    assert kept.read() == [line]
    kept.replace([], kept.version())
    assert kept.read() == []


def test_an_edit_of_an_old_version_changes_nothing(kept: KeptAnnotations) -> None:
    seen = kept.version()
    kept.replace([POINT], seen)
    with pytest.raises(ChangedElsewhere, match="reload the page"):
        kept.replace([LINE], seen)
    assert len(kept.read()) == 1


@pytest.mark.slow
def test_malformed_and_too_many_annotations_are_refused_whole(
    kept: KeptAnnotations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match="polyline"):
        kept.replace([POINT, {"type": "polyline", "id": "a"}], kept.version())
    assert kept.read() == []
    with pytest.raises(InvalidInput, match="name a folder"):
        KeptAnnotations.at("zarr:///data/a.zarr")
    kept.replace([POINT, LINE], kept.version())
    monkeypatch.setattr(kept_annotations, "MOST_ANNOTATIONS", 1)
    with pytest.raises(InvalidInput, match="expected at most 1"):
        kept.replace([POINT, LINE], kept.version())
    with pytest.raises(InvalidInput, match="choose another folder"):
        KeptAnnotations.at(f"{tmp_path}/drawn")


@pytest.mark.slow
def test_what_is_far_from_the_origin_is_not_written_again(
    kept: KeptAnnotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.replace([{"type": "point", "id": "1", "point": [1_234_567.8, 2_345_678.9, 3_456_789.1]}], kept.version())
    monkeypatch.setattr(voxome.Points, "write", lambda *_: pytest.fail("written again"))
    far = {"type": "point", "id": "1", "point": [1_234_567.8, 2_345_678.9, 3_456_789.1]}
    kept.replace([far], kept.version())


def test_collections_that_an_edit_would_harm_are_refused(tmp_path: Path) -> None:
    scored = voxome.Annotations("point", np.array([1], np.uint64), np.zeros((1, 1, 3)), {"score": np.ones(1)})
    voxome.create_annotations(f"precomputed://{tmp_path}/drawn/point", scored)
    with pytest.raises(InvalidInput, match="annotations with score, which were not drawn"):
        KeptAnnotations.at(f"{tmp_path}/drawn")


@pytest.mark.parametrize("entry", [3, None, "point", []])
def test_entries_that_are_no_objects_are_refused(kept: KeptAnnotations, entry: Any) -> None:
    with pytest.raises(InvalidInput, match="expected an object"):
        kept.replace([entry], kept.version())


@pytest.mark.parametrize("below", ["", "/drawn"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_drawn(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(StoreError, match=r"annotations cannot be kept in .*; choose a folder that can be written"):
        KeptAnnotations.at(f"{tmp_path}/file{below}")


def test_nothing_is_created_before_something_is_drawn(kept: KeptAnnotations, tmp_path: Path) -> None:
    assert kept.read() == []
    assert not (tmp_path / "drawn").exists()


@pytest.mark.slow
@pytest.mark.parametrize("id", ["9" * 5000, "0" * 5000, str(2**64)])
def test_an_id_of_more_digits_than_a_number_has_is_a_name(kept: KeptAnnotations, id: str) -> None:
    kept.replace([{**POINT, "id": id}], kept.version())
    (point,) = kept.read()
    assert int(point["id"]) == int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big")
