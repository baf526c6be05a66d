"""Properties of segments for Neuroglancer."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remotes.precomputed.layers import write_volume

from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput
from voxome.remotes.precomputed.segment_properties import write_segment_properties

IDS = np.array([2**53, 2**53 + 1, 2**64 - 2], np.uint64)


def written(folder: Path, **columns: list[Any]) -> dict[str, Any]:
    uri = Uri.parse(f"precomputed://{folder}/properties")
    write_segment_properties(uri, IDS, {name: np.array(values) for name, values in columns.items()})
    content = json.loads((folder / "properties/info").read_text())
    assert content["inline"]["ids"] == [str(one) for one in IDS.tolist()]
    return {one["id"]: one for one in content["inline"]["properties"]}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 1, 2**32 - 1], "uint32"),
        ([-(2**31), 1, 2**31 - 1], "int32"),
        ([0, 1, 2**32], "float32"),
        ([-1, 0, 2**31], "float32"),
        ([0.5, 1.1, 3e38], "float32"),
    ],
)
def test_numbers_are_of_the_type_that_expresses_them(tmp_path: Path, values: list[Any], dtype: str) -> None:
    one = written(tmp_path, size=values)["size"]
    assert (one["type"], one["data_type"]) == ("number", dtype)
    expected = np.array(values).astype(dtype)
    assert np.array(one["values"], dtype).tolist() == expected.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_what_json_and_32_bits_cannot_express_is_left_out_and_named(
    tmp_path: Path, value: float, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert list(written(tmp_path, size=[1, 2, 3], mean=[0.5, value, 1.0])) == ["size"]
    assert "mean cannot be written" in caplog.text
    assert "NaN" not in (tmp_path / "properties/info").read_text()


def test_properties_are_replaced_and_anything_else_is_kept(tmp_path: Path) -> None:
    written(tmp_path, size=[1, 2, 3])
    assert list(written(tmp_path, mean=[1, 2, 3])) == ["mean"]
    (tmp_path / "properties/info").write_text(json.dumps({"@type": "neuroglancer_legacy_mesh"}))
    with pytest.raises(AlreadyExists, match="contains something else"):
        written(tmp_path, size=[1, 2, 3])


def test_more_segments_than_a_viewer_lists_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.remotes.precomputed.segment_properties.MOST_LISTED", 2)
    with pytest.raises(InvalidInput, match="there are 3 segments; expected at most 2"):
        written(tmp_path, size=[1, 2, 3])
    assert not (tmp_path / "properties").exists()


@pytest.mark.parametrize(("listed", "named"), [([], "properties"), ([{"id": "size"}], "mesh/segment_properties")])
def test_a_list_of_ids_gives_way_to_properties_and_properties_do_not(
    tmp_path: Path, listed: list[Any], named: str
) -> None:
    write_volume(tmp_path, segment_properties="mesh/segment_properties")
    content = {"@type": "neuroglancer_segment_properties", "inline": {"ids": ["1"], "properties": listed}}
    (tmp_path / "mesh/segment_properties").mkdir(parents=True)
    (tmp_path / "mesh/segment_properties/info").write_text(json.dumps(content))
    written(tmp_path, size=[1, 2, 3])
    assert json.loads((tmp_path / "info").read_text())["segment_properties"] == named
