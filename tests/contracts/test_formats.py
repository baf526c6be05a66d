"""Data of another version, or without one, are refused with the version found, the one expected, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from voxome.contracts import formats
from voxome.contracts.formats import Format
from voxome.contracts.handle import Handle
from voxome.errors import UnsupportedFormat
from voxome.geometry import Box
from voxome.kinds.region_table import RegionTree

ALL = [one for one in vars(formats).values() if isinstance(one, Format)]
KNOWN = Format("thing", 2, "Make it again.")


def test_stamped_content_is_read_back() -> None:
    assert KNOWN.stamp({"a": 1}) == {"voxome": "thing", "format_version": 2, "a": 1}
    assert KNOWN.content(KNOWN.stamp({"a": 1}), "x") == {"a": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 1}, r"^x\.json is a thing of version 1; this voxome reads version 2\. Make it again\.$"),
        ({"format_version": 3}, r"^x\.json is a thing of version 3; this voxome reads version 2\. Make it again\.$"),
        ({"format_version": "2"}, "of version 2"),
        ({"format_version": None}, "is a thing without a version, of an early voxome; this voxome reads version 2"),
        ({"voxome": "other"}, r"x\.json is a voxome other; expected a thing"),
    ],
)
def test_another_version_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedFormat, match=message):
        KNOWN.content({**KNOWN.stamp({}), **change}, "x.json")


def test_every_format_has_a_unique_name() -> None:
    assert len({one.name for one in ALL}) == len(ALL) > 8


def test_a_handle_without_a_version_is_refused() -> None:
    handle = Handle("volume", "zarr://a", "k")
    assert Handle.from_json(handle.to_json()) == handle
    with pytest.raises(UnsupportedFormat, match=r"^a\.handle\.json is a handle without a version"):
        Handle.from_json({"voxome": "handle", "type": "volume", "uri": "zarr://a"}, "a.handle.json")


def test_a_tree_of_regions_without_a_version_is_refused() -> None:
    box = Box((0, 0, 0), (8, 8, 8))
    tree = RegionTree(box, (4, 4, 4), (1, 1))
    assert RegionTree.from_json(tree.to_json(), "tree.json") == tree
    with pytest.raises(UnsupportedFormat, match=r"^tree\.json is a table of regions without a version"):
        RegionTree.from_json(b"{}", "tree.json")
