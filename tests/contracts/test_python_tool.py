"""Tools from annotated functions: inputs by kind, contexts by class, everything else parameters."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pytest
from annotated_types import Ge, Interval

from voxome import kinds
from voxome.contracts.context import BlockContext, Region
from voxome.contracts.frame import Frame
from voxome.contracts.python_tool import PythonTool, tool
from voxome.errors import InvalidInput, PlanError
from voxome.geometry import Box

BOX = Box((0, 0, 0), (4, 4, 4))
FRAME = Frame(BOX, BOX, (8.0, 8.0, 8.0), (0.0, 0.0, 0.0))
CONTEXT = BlockContext(BOX, BOX, FRAME)


@tool("demo.names", outputs=kinds.Image("uint8"))
def names(
    image: Annotated[np.ndarray, kinds.Image()],
    here: BlockContext,
    around: Frame | None = None,
    *,
    block: Annotated[int, Ge(1)],
    region: str = "all",
    frame: float = 0.5,
    self: int = 0,
) -> Any:
    """Return all arguments.

    Parameters
    ----------
    block : int
        A number.
    """
    return image, here, around, block, region, frame, self


def test_arguments_are_sorted_by_their_annotations_not_their_names() -> None:
    assert list(names.spec.inputs) == ["image"]
    assert names.injected == {"here": BlockContext, "around": Frame}
    assert list(names.spec.parameters) == ["block", "region", "frame", "self"]
    assert names.spec.parameters["block"].summary == "A number."
    assert names.spec.summary == "Return all arguments."


def test_a_call_injects_the_context_and_its_frame() -> None:
    parameters = names.spec.bind({"block": 2})
    assert names.call({"image": 1}, parameters, CONTEXT)["result"] == (1, CONTEXT, FRAME, 2, "all", 0.5, 0)


def test_a_tool_of_regions_or_tables_gets_a_region_or_the_frame() -> None:
    @tool("demo.join", scope="regions", outputs={"rows": kinds.RegionTable({"id": "int64"})})
    def join(region: Annotated[np.ndarray, kinds.Labels()], place: Region) -> dict[str, Any]:
        return {"rows": place}

    region = Region(0, BOX, (), None, FRAME)  # type: ignore[arg-type]
    assert join.call({"region": 0}, {}, region) == {"rows": region}

    @tool("demo.count", scope="whole", outputs={"rows": kinds.RegionTable({"id": "int64"})})
    def count(frame: Frame) -> dict[str, Any]:
        return {"rows": frame}

    assert count.call({}, {}, FRAME) == {"rows": FRAME}


def test_a_tool_can_be_called_like_its_function() -> None:
    assert names(1, CONTEXT, block=3)[3] == 3


@pytest.mark.parametrize("result", [{"a": 1}, {"a": 1, "b": 2, "c": 3}, 1])
def test_a_result_without_all_outputs_is_refused(result: Any) -> None:
    both: PythonTool = tool("demo.both", outputs={"a": kinds.Image(), "b": kinds.Image()})(lambda: result)
    with pytest.raises(InvalidInput, match=r"demo.both must return a mapping of \['a', 'b'\]"):
        both.call({}, {}, None)


def test_all_invalid_parameters_are_listed_with_the_expected_values() -> None:
    @tool("demo.cut", outputs=kinds.Image("uint8"))
    def cut(*, low: Annotated[float, Interval(ge=0, le=1)] = 0.5, size: Annotated[int, Ge(0)] = 1, needed: str) -> None:
        """Cut."""

    with pytest.raises(PlanError) as caught:
        cut.spec.bind({"low": 3, "size": "many", "lo": 1})
    assert caught.value.problems == (
        "Unknown demo.cut parameter 'lo'; did you mean 'low'? Known: low, needed, size",
        "parameter 'low' of demo.cut is 3: expected a number, 0 to 1",
        "parameter 'size' of demo.cut is 'many': expected a whole number, at least 0",
        "demo.cut needs the parameter 'needed'",
    )
