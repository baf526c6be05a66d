"""Tools of voxome in a workflow that cwltool follows: their jobs are steps of the block runner."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cwltool.command_line_tool import CommandLineTool
from cwltool.process import shortname, uniquename

from voxome.environments import NATIVE
from voxome.errors import VoxomeError
from voxome.workflow.cwl_subset import tool_hint
from voxome.workflow.foreign.container_job import document_path, engine_of_images, image_of

if TYPE_CHECKING:
    from voxome.workflow.mixed.block_runner import BlockRunner

_log = logging.getLogger("cwltool")


class BlockJob:
    """A tool of voxome with its inputs; it runs when no other job does, with all workers.

    Attributes
    ----------
    process : BlockTool
        The tool.
    name : str
        Name of the job.
    step : str
        Name of its step in the workflow, ``outer.inner`` in a sub-workflow.
    inputs : mapping of str to values
        Its input object.
    """

    def __init__(
        self, process: BlockTool, name: str, step: str, inputs: Mapping[str, Any], runner: BlockRunner, callback: Any
    ) -> None:
        self.process, self.name, self.step, self.inputs = process, name, step, inputs
        self._runner, self._callback = runner, callback
        self.scatter_indices: tuple[int, ...] = ()
        """Indices of its element in the arrays over which its step, and sub-workflows around it, scatter."""
        self.has_secrets = False
        """Whether an input is a secret, which must not be written."""

    def run(self, runtimeContext: Any) -> None:
        """Run all blocks; a failure is that of the job, so other branches of the workflow still end."""
        try:
            outputs = self._runner.run(self)
        except VoxomeError as error:
            _log.error("[job %s] %s", self.name, error)
            self._runner.failures.append(str(error))
            outputs = {shortname(port["id"]): None for port in self.process.tool["outputs"]}
            self._callback(outputs, "permanentFail")
            return
        self._callback(outputs, "success")


class BlockTool(CommandLineTool):
    """A CommandLineTool with the hint ``voxome:Tool`` or ``voxome:Blocks``, whose command is not called as it is."""

    def require_image(self, context: Any) -> None:
        """Check before a run that the image of the tool is there.

        Raises
        ------
        UnsupportedRequirement
            If it is not, or not the one that is pinned; or if there is no engine of containers.
        """
        requirement, _ = self.get_requirement("DockerRequirement")
        if requirement is None or tool_hint(self.tool) is not None:
            return
        environment = context.environment or engine_of_images()
        if environment.partition("?")[0] != NATIVE:
            image_of(requirement, True, environment, document_path(self))

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: Any) -> Iterator[Any]:
        """Yield the job of an input object.

        Yields
        ------
        job : BlockJob
            To be run by the executor.
        """
        context = runtimeContext.copy()
        scratch = str(runtimeContext.block_runner.scratch)
        context.outdir = context.tmpdir = context.stagedir = scratch
        builder = self._init_job(job_order, context)
        name = uniquename(runtimeContext.name or shortname(self.tool["id"]))
        runner = runtimeContext.block_runner
        job = BlockJob(self, name, runtimeContext.step_path, builder.job, runner, output_callbacks)
        job.scatter_indices = runtimeContext.scatter_indices
        secrets = runtimeContext.secret_store
        job.has_secrets = secrets is not None and bool(secrets.has_secret(builder.job))
        yield job
