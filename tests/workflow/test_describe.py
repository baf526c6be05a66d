"""Tools as CWL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Interval
from cwltool.context import LoadingContext
from cwltool.load_tool import load_tool
from cwltool.workflow import default_make_tool
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.python_tool import tool
from voxome.registry import load as load_plugin
from voxome.workflow.cwl import FromStep, load
from voxome.workflow.describe import cwl_type, describe, document, documents, write

ROOT = Path(__file__).parents[2]


@tool("demo.all", version="3", outputs={"mask": kinds.Labels(), "rows": kinds.Table({"id": "uint64"}, key=("id",))})
def everything(
    image: Annotated[NDArray[Any], kinds.Image()],
    other: Annotated[NDArray[Any] | None, kinds.Image()] = None,
    *,
    needed: int,
    level: float = 0.5,
    share: Annotated[float, Interval(ge=0, lt=1)] = 0.5,
    loud: bool = False,
    way: Literal["a", "b"] = "a",
    size: tuple[int, int, int] = (1, 2, 3),
    limit: float | None = None,
) -> dict[str, Any]:
    """Do everything.

    Parameters
    ----------
    level : float
        Where to cut.
    share : float
        How much.
    """
    return {"mask": np.zeros(image.shape, np.uint64), "rows": {}}


def test_a_tool_is_described_port_by_port() -> None:
    document_ = describe(everything.spec)
    inputs = document_["inputs"]
    assert document_["baseCommand"] == ["voxome", "tool", "demo.all"]
    limits = {"share": {"minimum": 0, "exclusiveMaximum": 1}, "way": {"enum": ["a", "b"]}}
    assert document_["hints"] == {"voxome:Tool": {"name": "demo.all", "version": "3", "parameters": limits}}
    assert inputs["share"]["doc"] == "How much. Allowed: at least 0 and less than 1."
    assert inputs["image"]["type"] == ["File", "string"]
    assert inputs["other"]["type"] == ["null", "File", "string"]
    assert inputs["needed"] == {"type": "int", "inputBinding": {"prefix": "--needed"}}
    assert inputs["tool_level"]["default"] == 0.5
    assert inputs["tool_level"]["doc"] == "Where to cut."
    assert inputs["tool_level"]["inputBinding"] == {"prefix": "--tool-level"}
    assert inputs["loud"]["inputBinding"] == {"valueFrom": "--loud=$(self)"}
    assert inputs["way"]["type"] == "string?"
    assert inputs["size"]["type"] == ["null", {"type": "array", "items": "int"}]
    assert inputs["size"]["default"] == [1, 2, 3]
    assert inputs["limit"]["type"] == "double?"
    assert "default" not in inputs["limit"]
    assert [inputs[name]["type"] for name in ("store", "block", "workers")] == ["string", "string?", "int?"]
    assert document_["outputs"]["rows"] == {"type": "File", "outputBinding": {"glob": "rows.handle.json"}}


def test_the_description_is_valid_cwl(tmp_path: Path) -> None:
    path = tmp_path / "tool.cwl"
    path.write_text(document(everything.spec))
    process = load_tool(str(path), LoadingContext({"construct_tool_object": default_make_tool, "strict": True}))
    assert process.tool["class"] == "CommandLineTool"


@pytest.mark.parametrize("annotation", [dict[str, int], int | str, tuple[int, str], bytes])
def test_types_without_a_cwl_type_are_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="CWL has no type"):
        cwl_type(annotation)


def test_stale_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "gone.cwl").write_text("")
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(documents())


def test_the_files_in_the_repository_match_the_code() -> None:
    stored = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "pipelines/tools").glob("*.cwl")}
    assert stored == documents(), "run: make cwl"


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("[!t]*/*.cwl")), ids=lambda path: path.stem)
def test_pipelines_match_the_tools(path: Path) -> None:
    graph = load(path)
    tools = {step.name: load_plugin("voxome.tools", step.tool).spec for step in graph.steps}
    for step in graph.steps:
        known = {*tools[step.name].inputs, *tools[step.name].parameters, "store", "block", "workers"}
        assert step.inputs.keys() <= known
        assert {name for name, one in tools[step.name].inputs.items() if one.required} <= step.inputs.keys()
        assert step.version == tools[step.name].version.partition("+")[0]
        for source in step.inputs.values():
            if isinstance(source, FromStep):
                assert source.output in tools[source.step].outputs
    assert graph.outputs
    for source in graph.outputs.values():
        assert isinstance(source, FromStep)
        assert source.output in tools[source.step].outputs
