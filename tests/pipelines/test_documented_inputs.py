"""Inputs of the pipelines of cells and vessels are documented, with their units and the defaults of the tools."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from voxome.contracts.parameter import Parameter
from voxome.registry import load as load_plugin
from voxome.workflow.cwl import load
from voxome.workflow.graph import FromInput, Graph

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2] / "pipelines"
FILES = (
    "xrm/cells_vessels",
    "lm/cells",
    *(f"common/{one}" for one in ("cells", "densities", "instances", "pixels", "vessels")),
)
UNITS = {"_um": "in micrometres", "_um3": "in cubic micrometres", "_nm": "in nm", "ratio": "in radii"}
VALUES = {"true": True, "false": False, "none": None, "no": None}


def parameters(graph: Graph) -> dict[str, Parameter]:
    """Return inputs of a workflow → a parameter of a tool that they set."""
    found = {}
    for node in graph.steps:
        spec = load_plugin("voxome.tools", node.tool).spec
        for port, source in node.inputs.items():
            parameter = spec.parameters.get(spec.ports.get(port, port))
            if isinstance(source, FromInput) and parameter is not None:
                found[source.name] = parameter
    return found


@pytest.mark.parametrize("file", FILES)
def test_inputs_have_units_and_defaults(file: str) -> None:
    graph = load(ROOT / f"{file}.cwl")
    tools = parameters(graph)
    for name, one in graph.inputs.items():
        assert one.doc.endswith("."), name
        unit = next((text for end, text in UNITS.items() if name.endswith(end)), "")
        assert unit in one.doc, name
        named = re.search(r"default: (\w+(?:\.\d+)?)", one.doc)
        if name in tools and one.default is None and not one.required:
            assert named is not None, f"{name} has no default"
            text = named[1]
            if text in graph.inputs:
                assert tools[name].default is None, name
                continue
            value = VALUES[text] if text in VALUES else float(text)
            default = tools[name].default
            assert value == (default[0] if isinstance(default, tuple) else default), name
        else:
            assert named is None, f"{name} names a default besides its own"
