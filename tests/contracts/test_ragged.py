"""Lists of labels in one array."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.contracts.ragged import Ragged, as_labels
from voxome.errors import InvalidInput


def test_lists_are_indexed_taken_and_joined() -> None:
    rows = Ragged.of("pre", [[5, 2**63 + 5], [], np.array([7], np.int32)])
    assert [one.tolist() for one in rows] == [[5, 2**63 + 5], [], [7]]
    assert [one.tolist() for one in rows[1:]] == [[], [7]]
    assert [one.tolist() for one in Ragged.join([rows.take(np.array([2, 0])), rows])][:2] == [[7], [5, 2**63 + 5]]
    assert Ragged.of("pre", np.array([[1, 2], [3, 4]], np.uint64))[1].tolist() == [3, 4]
    assert len(Ragged.of("pre", [])) == 0


def test_ids_above_2_to_the_53_stay_different() -> None:
    ids = [2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2, 1]
    assert as_labels("ids", ids).tolist() == ids


@pytest.mark.parametrize("values", [[1.0], ["7"], [True, 2.5], [-1], [2**64], 7, [[1]], np.array([-1])])
def test_other_values_than_ids_are_refused(values: object) -> None:
    with pytest.raises(InvalidInput, match=r"ids is .* expected lists of integers"):
        as_labels("ids", values)  # type: ignore[arg-type]
