"""Tools from annotated functions: inputs by kind, contexts by class, everything else parameters."""

from __future__ import annotations

import inspect
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


def image_and(annotation: Any, name: str = "options") -> Any:
    """Return a function of an image and of an argument with this annotation."""

    def function(image, **values):  # type: ignore[no-untyped-def]
        return image

    argument = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
    image = inspect.Parameter("image", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=IMAGE)
    function.__signature__ = inspect.Signature([image, argument])  # type: ignore[attr-defined]
    function.__annotations__ = {
        "image": IMAGE,
        **({} if annotation is inspect.Parameter.empty else {name: annotation}),
    }
    return function


IMAGE = Annotated[np.ndarray, kinds.Image()]


@pytest.mark.parametrize("annotation", [dict[str, int], int | str, bytes, Any])
def test_a_parameter_that_cannot_be_set_is_refused_when_the_function_is_decorated(annotation: Any) -> None:
    with pytest.raises(InvalidInput, match=r"The parameter 'options' of the tool demo.wrong cannot be set: CWL has no"):
        tool("demo.wrong", outputs=kinds.Image("uint8"))(image_and(annotation))


def test_an_argument_without_an_annotation_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'options' of the tool demo.wrong has no annotation; expected a kind"):
        tool("demo.wrong", outputs=kinds.Image("uint8"))(image_and(inspect.Parameter.empty))


def test_arguments_that_cannot_be_passed_by_name_are_refused() -> None:
    def function(image: IMAGE, *more: int) -> Any:
        return image

    with pytest.raises(InvalidInput, match=r"demo.wrong has the argument \*more.*; expected arguments that are passed"):
        tool("demo.wrong", outputs=kinds.Image("uint8"))(function)


def test_annotations_that_cannot_be_evaluated_are_named() -> None:
    function = image_and(int)
    function.__annotations__["image"] = "Missing"
    with pytest.raises(InvalidInput, match=r"demo.wrong cannot be evaluated: name 'Missing' is not defined"):
        tool("demo.wrong", outputs=kinds.Image("uint8"))(function)


@pytest.mark.parametrize("outputs", [np.uint8, {"mask": "uint8"}])
def test_outputs_are_kinds(outputs: Any) -> None:
    with pytest.raises(InvalidInput, match=r"of the tool demo.wrong is .*uint8.*; expected a kind"):
        tool("demo.wrong", outputs=outputs)(image_and(int))


@pytest.mark.parametrize(
    "declared",
    [
        {"grid": 0, "outputs": kinds.Table({"id": "uint64"}, key=("id",))},
        {"grid": 2, "outputs": kinds.Image("uint8")},
        {"grid": 2, "outputs": kinds.Table({"id": "uint64"}, key=("id",)), "scope": "whole"},
    ],
)
def test_a_grid_is_for_blocks_without_volumes(declared: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"grid.*; expected"):
        tool("demo.wrong", **declared)(image_and(int))


@pytest.mark.parametrize("name", ["", "a b", "a/b", ".a", "a?b"])
def test_names_of_tools_are_those_of_files(name: str) -> None:
    with pytest.raises(InvalidInput, match="The name of a tool is"):
        tool(name, outputs=kinds.Image("uint8"))(image_and(int))
