"""Skeletons from SWC."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.errors import CorruptData
from voxome.remotes.dvid.swc import decode_swc, swc_mutation_id

SWC = """# traced by hand
#${"mutation id": 1000100013}
#${"scale": 2}
7 0 10 20 30 2 -1
3 2 11 20 30 1 7
9 3 11 22 30 0 3
1 1 5 5 5 1 -1
"""


def test_nodes_are_converted_to_nm():
    skeleton = decode_swc(SWC, (40, 16, 8), "swc")
    assert skeleton.nodes_nm[0].tolist() == [1220, 328, 84]
    assert skeleton.parents.tolist() == [-1, 0, 1, -1]
    assert skeleton.attributes["swc_type"].tolist() == [0, 2, 3, 1]
    mean = (40 * 16 * 8) ** (1 / 3)
    assert np.allclose(skeleton.radii_nm[:2], [2 * mean, mean])
    assert np.isnan(skeleton.radii_nm[2])
    assert skeleton.length_nm == 8 + 32
    assert swc_mutation_id(SWC) == 1000100013


def test_a_file_of_comments_is_an_empty_skeleton():
    skeleton = decode_swc("# nothing\n", (8, 8, 8), "swc")
    assert skeleton.nodes_nm.shape == (0, 3)
    assert skeleton.length_nm == 0
    assert swc_mutation_id("# nothing\n#[1]\n#{\n") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 1 2 3 1", "seven numbers"),
        ("1 0 1 2 3 1 -1\n2 0 1 2 3 1", "seven numbers"),
        ("1 0 1 2 x 1 -1", "seven numbers"),
        ("1 0 1 2 3 1 -1\n1 0 1 2 3 1 -1", "twice"),
        ("1 0 1 2 3 1 8", "parent 8, which is missing"),
    ],
)
def test_malformed_files_are_refused(text, message):
    with pytest.raises(CorruptData, match=f"swc: .*{message}"):
        decode_swc(text, (8, 8, 8), "swc")
