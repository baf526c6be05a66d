"""Workflows as cwltool walks them, with errors that name what is wrong with a scatter."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from cwltool.process import shortname
from cwltool.utils import aslist
from cwltool.workflow import Workflow, WorkflowStep
from cwltool.workflow_job import ReceiveScatterOutput, WorkflowJob, object_from_state
from schema_salad.sourceline import SourceLine

_log = logging.getLogger("cwltool")
_MOST_JOBS = 200_000
"""Jobs of one scatter: cwltool keeps each of them, and a product of arrays may have any number."""


class ForeignWorkflow(Workflow):
    """A workflow whose steps are checked before they scatter."""

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: Any) -> Iterator[Any]:
        """Yield the jobs of an input object.

        Yields
        ------
        job
            First that of the workflow, then those of its steps; None while all wait for others.
        """
        builder = self._init_job(job_order, runtimeContext)
        job = _ForeignWorkflowJob(self, runtimeContext)
        yield job
        context = runtimeContext.copy()
        context.part_of, context.toplevel = f"workflow {job.name}", False
        job.prefix = f"{runtimeContext.step_path}." if runtimeContext.step_path else ""
        yield from job.job(builder.job, output_callbacks, context)

    def make_workflow_step(self, toolpath_object: Any, pos: int, loadingContext: Any, *provenance: Any) -> WorkflowStep:
        """Make the object of a step, whose jobs know at which elements they are."""
        return _ForeignStep(toolpath_object, pos, loadingContext, *provenance)


class _ForeignStep(WorkflowStep):
    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: Any) -> Iterator[Any]:
        """Yield the jobs of one element, or of a step that does not scatter."""
        context = runtimeContext.copy()
        context.scatter_indices = (*runtimeContext.scatter_indices, *_indices(output_callbacks))
        yield from super().job(job_order, output_callbacks, context)


def _indices(callback: Any) -> tuple[int, ...]:
    """Return the indices in the arrays of a scatter, outermost first, at which a callback stores an output."""
    found: list[int] = []
    while isinstance(callback, partial) and isinstance(
        owner := getattr(callback.func, "__self__", None), ReceiveScatterOutput
    ):
        found.insert(0, callback.args[0])
        callback = owner.output_callback
    return tuple(found)


class _ForeignWorkflowJob(WorkflowJob):
    prefix = ""
    """Beginning of the names of its steps, in the whole workflow."""

    def try_make_job(self, step: Any, final_output_callback: Any, runtimeContext: Any) -> Any:
        """Yield the jobs of a step whose inputs are there; one that scatters over no array, or too many, fails."""
        runtimeContext = runtimeContext.copy()
        runtimeContext.step_path = f"{self.prefix}{shortname(step.id)}"
        problem = self._scatter_problem(step) if "scatter" in step.tool else None
        if problem is None:
            yield from super().try_make_job(step, final_output_callback, runtimeContext)
            return
        _log.error("%s", problem)
        self.processStatus, step.completed = "permanentFail", True

    def _scatter_problem(self, step: Any) -> object:
        joins, _ = self.workflow.get_requirement("MultipleInputFeatureRequirement")
        values: Any = object_from_state(self.state, step.tool["inputs"], False, bool(joins), "source")
        counts = []
        for name in aslist(step.tool.get("scatter", [])) if values is not None else ():
            value = values.get(name)
            if not isinstance(value, list):
                what = "null" if value is None else f"a {type(value).__name__}"
                return SourceLine(step.tool, "scatter").makeError(
                    f"Step {shortname(step.tool['id'])} scatters over its input {shortname(name)}, which is {what}; "
                    "expected an array: give the input a default of [], also if the step has `when`, which is "
                    "evaluated for each element"
                )
            counts.append(len(value))
        jobs = math.prod(counts) if "crossproduct" in step.tool.get("scatterMethod", "") else max(counts, default=0)
        if jobs > _MOST_JOBS:
            return SourceLine(step.tool, "scatter").makeError(
                f"Step {shortname(step.tool['id'])} scatters into {jobs:,} jobs; expected at most {_MOST_JOBS:,}: "
                "scatter over fewer elements, or let a job process several of them"
            )
        return None
