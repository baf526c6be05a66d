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
from ruamel.yaml import YAML

from voxome import kinds
from voxome.contracts.python_tool import tool
from voxome.errors import NotFound
from voxome.registry import load as load_plugin
from voxome.workflow.cwl import FromStep, load
from voxome.workflow.describe import describe, document, documents, tools_of, write

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


def test_the_files_in_the_repository_match_the_code() -> None:
    read = YAML(typ="safe", pure=True)
    stored = {path.name: read.load(path) for path in (ROOT / "pipelines/tools").glob("*.cwl")}
    assert stored == {name: read.load(text) for name, text in documents(tools_of("voxome")).items()}, "run: make cwl"


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("owner", ["voxome-demo", "Voxome.Demo", "voxome_demo"])
def test_the_tools_of_a_package_or_module_are_written(tmp_path: Path, owner: str) -> None:
    assert write([owner], tmp_path / "cwl") == [tmp_path / "cwl/demo.names.cwl"]
    assert "- demo.names\n" in (tmp_path / "cwl/demo.names.cwl").read_text()


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("owner", ["voxome_dem", "numpy", "voxome_demo.names"])
def test_a_package_without_tools_is_explained(tmp_path: Path, owner: str) -> None:
    with pytest.raises(NotFound, match=f'{owner} has no tools: .*entry-points."voxome.tools"'):
        write([owner], tmp_path)
    assert not list(tmp_path.iterdir())


PIPELINES = sorted((ROOT / "pipelines").glob("[!t]*/*.cwl"))
WORKFLOWS = [path for path in PIPELINES if "class: Workflow" in path.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
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
