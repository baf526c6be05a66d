"""CommandLineTools whose jobs are ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from cwltool.command_line_tool import CommandLineTool
from cwltool.errors import UnsupportedRequirement
from cwltool.process import shortname

from voxome.environments import NATIVE, container_engine, open_environment
from voxome.workflow.foreign.container_job import ContainerJob, image_of
from voxome.workflow.foreign.job import ForeignJob
from voxome.workflow.foreign.results import JobFolder


class ForeignTool(CommandLineTool):
    """A CommandLineTool whose jobs have folders of the run."""

    def make_job_runner(self, runtimeContext: Any) -> Callable[..., ForeignJob]:
        """Return what makes a job: in its image if there is one, and the environment is not native.

        Raises
        ------
        UnsupportedRequirement
            If a container is required, and not there.
        """
        requirement, is_required = self.get_requirement("DockerRequirement")
        environment = runtimeContext.environment or (NATIVE if requirement is None else container_engine())
        native = environment if environment.partition("?")[0] == NATIVE else NATIVE
        if requirement is None or (environment.partition("?")[0] == NATIVE and not is_required):
            return partial(ForeignJob, self, native, None)
        if environment.partition("?")[0] == NATIVE:
            raise UnsupportedRequirement(
                f"{shortname(self.tool['id'])} requires a container; give --environment podman, docker or apptainer"
            )
        name = requirement.get("dockerImageId") or requirement.get("dockerPull")
        document = unquote(urlsplit(str(self.tool["id"])).path)
        images: dict[tuple[object, str], str] = runtimeContext.images
        if not images and not runtimeContext.environment:
            open_environment(environment).clear(runtimeContext.run_id)  # of what a killed run has left
        if (name, document) not in images:
            images[name, document] = image_of(requirement, is_required, environment, document)
        image = images[name, document]

        def make(*arguments: Any) -> ContainerJob:
            job = ContainerJob(self, environment, image, *arguments)
            job.output_folder = requirement.get("dockerOutputDirectory")
            return job

        return make

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: Any) -> Iterator[Any]:
        """Yield the job of an input object."""
        context = runtimeContext.copy()
        folder: JobFolder = runtimeContext.job_folders.create(runtimeContext.name or shortname(self.tool["id"]))
        context.outdir, context.tmpdir = str(folder.work), str(folder.temporary)
        context.stagedir = str(folder.inputs)
        for job in super().job(job_order, output_callbacks, context):
            job.folder, job.step = folder, runtimeContext.step_path
            yield job
