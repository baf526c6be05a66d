from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from voxome import VolumeSpec
from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.models.cards import find
from voxome.tools.em.network import _predict, _problems


@pytest.fixture
def cells(tmp_path: Path) -> str:
    """Card of a network of another task."""
    model = find("membranes")
    shutil.copy(model.path, tmp_path)
    card = json.loads(model.path.with_suffix(".json").read_text())
    path = tmp_path / "cells.json"
    path.write_text(json.dumps(card | {"name": "cells", "task": "cells", "channels": ["cell"], "offsets": []}))
    return str(path)


def test_a_network_of_another_task_is_refused(cells: str) -> None:
    spec = VolumeSpec.of((9, 9, 9), "uint8", voxel_size_nm=(10, 10, 10))
    (problem,) = _problems({"raw": spec}, {"model": cells})
    assert "model 'cells' predicts cell (task 'cells'), not the affinities" in problem
    assert not list(_problems({"raw": spec}, {"model": "membranes"}))


def test_a_network_of_another_task_is_not_run_by_force(cells: str) -> None:
    box = Box.of_shape((2, 2, 2))
    block = BlockContext(box, box, Frame(box, box, (10.0, 10.0, 10.0), (0.0, 0.0, 0.0)))
    with pytest.raises(InvalidInput, match="not the affinities"):
        _predict(np.zeros((2, 2, 2), np.uint8), (128.0, 33.0), None, cells, block)
