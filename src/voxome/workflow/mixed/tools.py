"""Objects that cwltool makes of the documents of a workflow of voxome and others."""

from __future__ import annotations

from typing import Any

from voxome.workflow.foreign.contexts import make_tool as make_foreign_tool
from voxome.workflow.mixed.block_tool import BlockTool
from voxome.workflow.mixed.outline import is_tool


def make_tool(document: Any, context: Any) -> Any:
    """Make the object of a process: the block runner takes over tools of voxome."""
    if isinstance(document, dict) and document.get("class") == "CommandLineTool" and is_tool(document):
        return BlockTool(document, context)
    return make_foreign_tool(document, context)
