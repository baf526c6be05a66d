"""Points and synapses written into DVID and read from it, on the stand-in server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from standins import dvid

import voxome
from voxome.contracts.shapes import Annotations
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnsupportedFormat

pytestmark = pytest.mark.slow
SIZE = (40.0, 8.0, 4.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Function that returns the URI of an instance of a new repo, which has labels."""
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    with dvid.serving("secret") as url:
        monkeypatch.setenv("VOXOME_DVID_HOST", url)
        monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", "secret")
        address = url.replace("http://", "dvid://")
        connection: Any = voxome.connect(address)
        base = f"{address}/{connection.create_repo('brain').uuid}"
        spec = voxome.VolumeSpec.of((64, 64, 64), "uint64", kind="labels", voxel_size_nm=SIZE)
        voxome.create(f"{base}/segmentation", spec)[:32] = 3
        yield lambda name: f"{base}/{name}?labels=segmentation"


def points_of(count: int) -> Annotations:
    voxels = np.random.default_rng(0).permutation(64**3)[:count]
    z, y, x = np.unravel_index(voxels, (64, 64, 64))
    positions = (np.stack([z, y, x], axis=-1) + 0.5) * SIZE
    kinds = np.array(["PreSyn", "PostSyn", "Note"])[np.arange(count) % 3]
    confidence = np.where(np.arange(count) % 2, np.nan, np.arange(count) / count)
    tags = np.array(["", "a,b"])[np.arange(count) % 2]
    return Annotations(
        "point", np.arange(count), positions[:, None], {"kind": kinds, "confidence": confidence, "tags": tags}
    )


def test_points_come_back_and_are_edited(server: Callable[[str], str]) -> None:
    expected = points_of(50)
    (points,) = voxome.create_annotations(server("notes"), expected, voxel_size_nm=SIZE)
    assert [one.service for one in voxome.provenance(points.uri)] == ["annotations"]
    found = points.get(points.ids().tolist())
    order = np.lexsort(expected.positions_nm[:, 0].T[::-1])
    np.testing.assert_array_equal(found.positions_nm, expected.positions_nm[order])
    for name, values in expected.properties.items():
        np.testing.assert_array_equal(found.properties[name], values[order])
    inside = expected.within((0, 0, 0), (32 * 40, 1e9, 1e9))
    assert len(points.related("body", 3)) == len(inside) > 0
    moved = found.select(np.array([0])).replace(positions_nm=[[[20.0, 4.0, 2.0]]])
    points.write(moved)
    points.delete(found.ids[:2].tolist())
    points.fold()
    assert len(points.ids()) == 49
    assert points.within((0, 0, 0), (40, 8, 4)).positions_nm.tolist() == [[[20, 4, 2]]]
    with pytest.raises(NotFound, match="no annotation at"):
        points.delete(found.ids[:1].tolist())


def test_synapses_come_back_as_lines(server: Callable[[str], str], tmp_path: Path) -> None:
    voxels = np.array([[[1, 2, 3], [4, 5, 6]], [[1, 2, 3], [7, 8, 9]], [[30, 31, 32], [4, 5, 7]]])
    expected = Annotations(
        "line",
        [1, 2, 3],
        (voxels + 0.5) * SIZE,
        {"confidence": np.array([0.5, np.nan, 0.25]), "pre_confidence": np.array([0.9, 0.9, 0.1])},
    )
    parts = iter([expected.select(np.array([row])) for row in range(3)])
    (lines,) = voxome.create_annotations(server("synapses"), parts, voxel_size_nm=SIZE)
    assert lines.shape == "line"
    found = lines.get(lines.ids().tolist())
    order = [found.positions_nm.tolist().index(one) for one in expected.positions_nm.tolist()]
    for name, values in expected.properties.items():
        np.testing.assert_array_equal(found.properties[name][order], values)
    assert lines.within((40, 16, 12), (80, 24, 16)).ids.tolist() == sorted(found.ids[order[:2]].tolist())
    node: Any = voxome.connect(lines.uri.partition("/synapses")[0])
    elements = {element.position: element for element in node.annotations("synapses").all()}
    assert [one.to for one in elements[1, 2, 3].relations] == [(4, 5, 6), (7, 8, 9)]
    assert [(one.kind, one.to) for one in elements[7, 8, 9].relations] == [("PostSynTo", (1, 2, 3))]
    (stored,) = voxome.create_annotations(f"precomputed://{tmp_path}/a", lines)
    np.testing.assert_array_equal(stored.get(found.ids.tolist()).positions_nm, found.positions_nm)
    (again,) = voxome.create_annotations(server("again"), stored)
    assert again.ids().tolist() == found.ids.tolist()
    with pytest.raises(NotFound, match="no line 7"):
        lines[7]


def test_what_dvid_cannot_hold_is_refused(server: Callable[[str], str], caplog: pytest.LogCaptureFixture) -> None:
    one = points_of(1)
    for wrong, options, error, message in [
        (one.replace(properties={"score": [1]}), {"voxel_size_nm": SIZE}, UnsupportedFormat, "cannot hold score"),
        (one.replace(relations={"pre": [[5]]}), {"voxel_size_nm": SIZE}, UnsupportedFormat, "cannot hold pre"),
        (one.replace(properties={"kind": ["Word"]}), {"voxel_size_nm": SIZE}, InvalidInput, "unknown kind 'Word'"),
        (one, {}, InvalidInput, "give their size"),
        (Annotations("box", [1], [[[0, 0, 0], [1, 1, 1]]]), {"voxel_size_nm": SIZE}, UnsupportedFormat, "shape box"),
        (
            Annotations("line", [1, 2], [[[0, 0, 0], [99, 9, 9]], [[99, 9, 9], [0, 99, 9]]]),
            {"voxel_size_nm": SIZE},
            InvalidInput,
            "start of a line and the end of another",
        ),
    ]:
        with pytest.raises(error, match=message):
            voxome.create_annotations(server("wrong"), wrong, **options)  # type: ignore[arg-type]
    voxome.create_annotations(server("off"), one.replace(positions_nm=[[[1.0, 1, 1]]]), voxel_size_nm=SIZE)
    assert "1 positions are moved to its centre" in caplog.text
    with pytest.raises(AlreadyExists, match="has annotations already"):
        voxome.create_annotations(server("off"), one, voxel_size_nm=SIZE)
    with pytest.raises(AlreadyExists, match="is a labelmap"):
        voxome.create_annotations(server("segmentation"), one, voxel_size_nm=SIZE)
