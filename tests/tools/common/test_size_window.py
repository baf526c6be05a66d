"""Windows of sizes: one without room is refused, before a run and by the tools."""

from __future__ import annotations

import pytest

from voxome.contracts.frame import Frame
from voxome.contracts.python_tool import PythonTool
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.instances import instances
from voxome.tools.common.objects import objects
from voxome.tools.common.vessel_clean import vessel_clean

TOOLS = [
    pytest.param(objects, {"sums": None, "lookup": None}, id="objects"),
    pytest.param(instances, {"labels": None, "sums": None}, id="instances"),
    pytest.param(vessel_clean, {"runs": None}, id="vessel_clean"),
]


@pytest.mark.parametrize(("tool", "inputs"), TOOLS)
def test_a_window_without_room_is_refused(tool: PythonTool, inputs: dict[str, None]) -> None:
    check, domain = tool.spec.check, Box.of_shape((4, 4, 4))
    window = {"min_volume_um3": 2.0, "max_volume_um3": 1.0}
    assert check is not None
    (problem,) = check({}, window)
    assert problem.startswith("max_volume_um3 is 1, below min_volume_um3, 2")
    assert not list(check({}, {**window, "max_volume_um3": 2.0}))
    assert not list(check({}, {**window, "max_volume_um3": None}))
    with pytest.raises(InvalidInput, match="below min_volume_um3"):
        tool(**inputs, **window, frame=Frame(domain, domain, (1000.0,) * 3, (0.0,) * 3))
