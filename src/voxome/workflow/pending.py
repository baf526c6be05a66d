"""Steps of a workflow that are planned during its run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from voxome.workflow.graph import FromInput, Graph
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
        content: list[Any] = [[asdict(step) for step in self.graph.pending], {**self.inputs, **secrets}]
        if self._parts:
            content.append([str(self.options.box), self.options.level])
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values of inputs that are never written."""
        return tuple(str(self.inputs[name]) for name in self.graph.secrets if name in self.inputs)

    def problems(self) -> Iterator[str]:
        """Yield what prevents the run."""
        for path in missing_files(self.inputs):
            yield f"{path} does not exist; expected the file or folder of an input"
        if self.options.into:
            yield (
                "--into is for workflows of voxome's tools only: destinations are checked before a run, and results of "
                f"{self.graph.name} are known only during the run; copy them afterwards, with voxome transfer"
            )
        if self._parts and not self._volumes(are_of_blocks=True):
            yield (
                f"{self._parts} is for inputs that steps of blocks take, and those of {self.graph.name} take none; "
                "commands take whole files: make these smaller before the run, with voxome get or downsample"
            )

    def warnings(self) -> Iterator[str]:
        """Yield what the user should know."""
        both = self._volumes(are_of_blocks=True) & self._volumes(are_of_blocks=False)
        if self._parts and both:
            yield (
                f"{self._parts} is for steps of blocks only: commands take the whole of {', '.join(sorted(both))}, too"
            )

    @property
    def _parts(self) -> str:
        """Options that choose a part of volumes."""
        given = {"--box": self.options.box, "--level": self.options.level}
        return " and ".join(name for name, value in given.items() if value)

    def _volumes(self, *, are_of_blocks: bool) -> set[str]:
        """Return the inputs that are files, or folders, and are taken by steps of blocks, or by the others."""
        taken = {name for one in self.graph.pending if (one.runs_as == "blocks") == are_of_blocks for name in one.takes}
        if are_of_blocks:
            sources = (source for node in self.graph.steps for source in node.inputs.values())
            taken |= {source.name for source in sources if isinstance(source, FromInput)}
        return {name for name in taken if {"File", "Directory"} & {*self.graph.inputs[name].types}}


def pending_work(graph: Graph, values: Mapping[str, Any], options: RunOptions) -> PendingWork | None:
    """Return the pending steps of a workflow with its inputs; None if all are planned before the run."""
    if not graph.document:
        return None
    known = {name: value for name, value in values.items() if name in graph.inputs}
    return PendingWork(graph, cwl_inputs(graph, known), options)
