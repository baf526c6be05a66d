from __future__ import annotations

import pytest

from voxome.cli.run import value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234, "1,234"), (81929.904, "81,930"), (0.030000000000000002, "0.03"), (0.25635, "0.2564"), ("4-5", "4-5")],
)
def test_values_of_the_summary_have_as_many_digits_as_in_the_report(value: float | str, text: str) -> None:
    assert value_text(value) == text
