"""Missing numbers of sections are named, and those of channels and tiles are not taken for sections in silence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import voxome
from voxome.remotes.section_numbers import describe_gaps


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([f"z{n}" for n in range(12)], None),
        ([f"{n:04d}" for n in (1, 2, 3, 5, 6)], "1 section is missing, between 0003.png and 0005.png;"),
        ([f"2020-01-31_s{n}_v2" for n in (0, 1, 2, 5, 6, 9)], "4 sections are missing, between .*s2_.* and 1 more;"),
        ([f"atlas {n}" for n in range(100, 900, 100)], None),
        (["1", "5", "70"], None),
        (["a1", "b2", "c4"], None),
        (
            [f"z{n}_{time}" for n, time in ((0, 11), (1, 24), (3, 31), (4, 55))],
            "1 section is missing, between z1_24.png",
        ),
        ([f"{n}_C{c}" for n in range(3) for c in (1, 2)], "the names count 3 × 2 files; all are read as sections"),
        ([f"20{n}_{100 + n}" for n in range(4)], None),
        ([f"z{n / 2:04.1f}um" for n in range(10)], None),
    ],
)
def test_gaps_between_most_sections_are_named(names: list[str], problem: str | None) -> None:
    found = describe_gaps([Path(f"{name}.png") for name in names])
    assert (found is None) == (problem is None)
    assert re.search(problem or "", str(found))


def test_a_folder_with_a_gap_is_opened_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in (1, 2, 3, 5, 10):
        Image.fromarray(np.full((4, 5), number, np.uint8)).save(tmp_path / f"s{number}.png")
    for _ in range(2):
        assert voxome.open(tmp_path)[:, 0, 0].tolist() == [1, 2, 3, 5, 10]
    assert [one.message for one in caplog.records] == [
        f"{tmp_path}: 5 sections are missing, between s3.png and s5.png and 1 more; the others are read as "
        "if they were next to each other"
    ]
