"""Objects that cwltool makes of the documents of a workflow of voxome and others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cwltool.errors import WorkflowException

from voxome.errors import VoxomeError
from voxome.workflow.foreign.contexts import make_tool as make_foreign_tool
from voxome.workflow.foreign.results import JobFolder
from voxome.workflow.foreign.tool import ForeignTool
from voxome.workflow.mixed.block_tool import BlockTool
from voxome.workflow.mixed.files import read_files_hint, write_file
from voxome.workflow.mixed.outline import is_tool


class FilesTool(ForeignTool):
    """A CommandLineTool that gets arrays and tables of voxome as files of the formats in its hint ``voxome:Files``."""

    def job(
        self, job_order: Any, output_callbacks: Any, runtimeContext: Any, folder: JobFolder | None = None
    ) -> Iterator[Any]:
        """Yield the job of an input object.

        Yields
        ------
        job : ForeignJob
            To be run by the executor.

        Raises
        ------
        WorkflowException
            If an array or table cannot be written to a file of its format.
        """
        runner, specs = runtimeContext.block_runner, read_files_hint(self.tool, [])

        def convert(value: Any, port: str) -> Any:
            if isinstance(value, list):
                return [convert(one, port) for one in value]
            handle = runner.handle_of(value)
            return value if handle is None else write_file(handle, specs[port], runner.places.files, port)

        try:
            order = {name: convert(value, name) if name in specs else value for name, value in job_order.items()}
        except VoxomeError as error:
            raise WorkflowException(f"Cannot run {runtimeContext.step_path}: {error}") from error
        yield from super().job(order, output_callbacks, runtimeContext, folder)


def make_tool(document: Any, context: Any) -> Any:
    """Make the object of a process: the block runner takes over tools of voxome."""
    if isinstance(document, dict) and document.get("class") == "CommandLineTool" and is_tool(document):
        return BlockTool(document, context)
    if isinstance(document, dict) and read_files_hint(document, []):
        return FilesTool(document, context)
    return make_foreign_tool(document, context)
