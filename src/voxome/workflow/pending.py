"""Steps of a workflow that are planned during its run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from voxome.workflow.graph import Graph
from voxome.workflow.mixed.values import cwl_inputs, missing_files
from voxome.workflow.options import RunOptions
from voxome.workflow.secret_digest import secret_digest

PENDING = "pending"
"""Private folder of a run with the steps that were planned during a run."""


@dataclass(frozen=True)
class PendingWork:
    """The steps of a workflow that are planned during its run.

    Attributes
    ----------
    graph : Graph
        The workflow.
    inputs : mapping of str to JSON values
        Its input object, as CWL has it.
    options : RunOptions
        Blocks, voxel size, environment.
    """

    graph: Graph
    inputs: Mapping[str, Any]
    options: RunOptions

    @property
    def key(self) -> str:
        """Digest of the steps, and of the inputs."""
        secrets = {name: secret_digest(str(self.inputs[name])) for name in self.graph.secrets if name in self.inputs}
        content = [[asdict(step) for step in self.graph.pending], {**self.inputs, **secrets}]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values of inputs that are never written."""
        return tuple(str(self.inputs[name]) for name in self.graph.secrets if name in self.inputs)

    def problems(self) -> Iterator[str]:
        """Yield what prevents the run."""
        for path in missing_files(self.inputs):
            yield f"{path} does not exist; expected the file or folder of an input"
        given = {"--box": self.options.box, "--level": self.options.level, "--into": self.options.into}
        for option, value in given.items():
            if value:
                yield (
                    f"{option} is for workflows of voxome's tools only, and {self.graph.name} has other steps, which "
                    "take whole files: cut, or copy, with voxome get, downsample or transfer"
                )


def pending_work(graph: Graph, values: Mapping[str, Any], options: RunOptions) -> PendingWork | None:
    """Return the pending steps of a workflow with its inputs; None if all are planned before the run."""
    if not graph.document:
        return None
    known = {name: value for name, value in values.items() if name in graph.inputs}
    return PendingWork(graph, cwl_inputs(graph, known), options)
