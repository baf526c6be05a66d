"""CommandLineTools whose jobs are ours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from cwltool.command_line_tool import CommandLineTool
from cwltool.errors import UnsupportedRequirement, WorkflowException
from cwltool.pathmapper import PathMapper
from cwltool.process import shortname

from voxome.contracts.engine import Capacity
from voxome.environments import NATIVE, open_environment
from voxome.workflow.foreign.container_job import ContainerJob, document_path, engine_of_images, image_of
from voxome.workflow.foreign.files import InputMapper, WorkMapper
from voxome.workflow.foreign.job import ForeignJob, reserved
from voxome.workflow.foreign.results import JobFolder


class ForeignTool(CommandLineTool):
    """A CommandLineTool whose jobs have folders of the run."""

    def require_image(self, context: Any) -> None:
        """Check before a run that the image of the tool is there; raises as `make_job_runner`."""
        self.make_job_runner(context)

    def capacity_problem(self, capacity: Capacity) -> str:
        """Return why no job of the tool can start, as far as no expression decides; empty if one can."""
        requirement, is_required = self.get_requirement("ResourceRequirement")
        if not is_required:
            return ""
        cores, memory = (requirement.get(field) for field in ("coresMin", "ramMin"))
        return capacity.problem(reserved(*(None if isinstance(one, str) else one for one in (cores, memory))))

    def make_path_mapper(self, reffiles: Any, stagedir: str, runtimeContext: Any, separateDirs: bool) -> PathMapper:
        """Return where inputs, or what InitialWorkDirRequirement names, are staged."""
        mapper = InputMapper if separateDirs else WorkMapper
        return mapper(reffiles, runtimeContext.basedir, stagedir, separateDirs)

    def make_job_runner(self, runtimeContext: Any) -> Callable[..., ForeignJob]:
        """Return what makes a job: in its image if there is one, and the environment is not native.

        Raises
        ------
        UnsupportedRequirement
            If a container is required, and not there.
        """
        requirement, is_required = self.get_requirement("DockerRequirement")
        environment = runtimeContext.environment or (NATIVE if requirement is None else engine_of_images())
        native = environment if environment.partition("?")[0] == NATIVE else NATIVE
        if requirement is None or (environment.partition("?")[0] == NATIVE and not is_required):
            return partial(ForeignJob, self, native, None)
        if environment.partition("?")[0] == NATIVE:
            raise UnsupportedRequirement(
                f"{shortname(self.tool['id'])} requires a container; give --environment podman, docker or apptainer"
            )
        name = requirement.get("dockerImageId") or requirement.get("dockerPull")
        document = document_path(self)
        images: dict[tuple[object, str], str] = runtimeContext.images
        if not images and not runtimeContext.environment and not runtimeContext.job_folders.in_use:
            open_environment(environment).clear(runtimeContext.run_id)  # of what a killed run has left
        if (name, document) not in images:
            images[name, document] = image_of(requirement, is_required, environment, document)
        image = images[name, document]

        def make(*arguments: Any) -> ContainerJob:
            job = ContainerJob(self, environment, image, *arguments)
            job.output_folder = requirement.get("dockerOutputDirectory")
            return job

        return make

    def job(
        self, job_order: Any, output_callbacks: Any, runtimeContext: Any, folder: JobFolder | None = None
    ) -> Iterator[Any]:
        """Yield the job of an input object, in a new folder if none is given."""
        context = runtimeContext.copy()
        folder = folder or runtimeContext.job_folders.create(runtimeContext.name or shortname(self.tool["id"]))
        context.outdir, context.tmpdir = str(folder.work), str(folder.temporary)
        context.stagedir = str(folder.inputs)
        for job in super().job(job_order, output_callbacks, context):
            job.folder, job.step = folder, runtimeContext.step_path
            job.inputs = copy.deepcopy(job.builder.job)
            job.repeat = partial(ForeignTool.job, self, job_order, output_callbacks, runtimeContext)
            yield job


def require_tools(process: Any, context: Any, capacity: Capacity) -> None:
    """Check before a run that the images of its commands are there, and what they reserve; not of conditional steps.

    Parameters
    ----------
    process : cwltool.process.Process
        What is to run.
    context : cwltool.context.RuntimeContext
        Of the run.
    capacity : Capacity
        The most that one job can get of the engine.

    Raises
    ------
    UnsupportedRequirement, WorkflowException
        If an image is not there, or not the one that is pinned; if there is no engine of containers; or if a tool
        requires more than the engine has.
    """
    require = getattr(process, "require_image", None)
    if require is not None:
        require(context)
    if isinstance(process, ForeignTool):
        problem = process.capacity_problem(capacity)
        if problem:
            raise WorkflowException(f"{shortname(process.tool['id'])} cannot run: {problem}")
    for step in getattr(process, "steps", ()):
        if step.tool.get("when") is None:
            require_tools(step.embedded_tool, context, capacity)
