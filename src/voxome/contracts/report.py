"""Reports on the results of a run, and scores against ground truth."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from voxome.contracts.frame import Frame
from voxome.contracts.run_record import RunRecord


@dataclass(frozen=True)
class Result:
    """A result of a run.

    Attributes
    ----------
    type : str
        Kind of the data: open a ``volume`` with `voxome.open`, a ``table`` with `voxome.resources.table.TableFile`.
    uri : str
        Its URI or path.
    frame : Frame or None
        The voxels that it covers, or was computed from; None where they are unknown.
    """

    type: str
    uri: str
    frame: Frame | None = None


Results = Mapping[str, Result]
"""The results of a run by the names of the workflow's outputs."""


@dataclass(frozen=True)
class FinishedRun:
    """A run whose results are complete.

    Attributes
    ----------
    folder : path
        The run folder.
    record : RunRecord
        What ``run.json`` holds: inputs, steps, versions, times, scores.
    results : mapping of str to Result
        Results by the names of the workflow's outputs.
    is_moved : bool
        Whether another program moves what is in the folder, which is no run folder then.
    """

    folder: Path
    record: RunRecord
    results: Results
    is_moved: bool = False

    @property
    def title(self) -> str:
        """Names of the workflow and the run folder."""
        workflow = self.record["workflow"]
        return workflow if self.is_moved else f"{workflow}: {self.folder.name}"

    @property
    def view_command(self) -> str:
        """Command that shows the run folder in the viewer; empty if there is none."""
        return "" if self.is_moved else f"voxome view {shlex.quote(str(self.folder.resolve()))}"


class Report(Protocol):
    """A report on a finished run.

    It is a class without arguments in the registry group ``voxome.reports``; a workflow names it in its hint
    ``voxome:Run``.
    """

    def check(self, inputs: Iterable[str], results: Results) -> Iterable[str]:
        """Return the problems of a planned run, before any work: inputs (by name) or results that are missing."""

    def write(self, run: FinishedRun) -> Mapping[str, int | float | str]:
        """Write the report into the run folder, replacing an older one, and return the main numbers by their names.

        They are kept in ``run.json`` as ``summary``, and printed.
        """


class Scorer(Protocol):
    """Scores of results against ground truth.

    It is a class without arguments in the registry group ``voxome.scorers``; a workflow names it in its hint
    ``voxome:Run``.
    """

    def check(self, truth: Path, results: Results) -> Iterable[str]:
        """Return the problems of scoring these results, planned but not computed yet, against the folder `truth`."""

    def score(self, truth: Path, results: Results) -> Mapping[str, Mapping[str, float]]:
        """Return scores by group and name."""
