"""Results of a run: file names, reports and scores."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace

from voxome.contracts.handle import Handle, within
from voxome.contracts.report import FinishedRun, Report, Results, Scorer
from voxome.errors import UnknownName, VoxomeError
from voxome.registry import load, naming_plugin
from voxome.storage.atomic import write_file
from voxome.workflow.graph import FromStep, Graph

_LOG = logging.getLogger(__name__)
RECORD = "run.json"
"""The record of a run, in its folder."""


def file_names(graph: Graph) -> dict[str, dict[str, str]]:
    """Return, for every step with results of the workflow, its outputs → file names without extension."""
    names: dict[str, dict[str, str]] = {}
    for name, source in graph.outputs.items():
        if isinstance(source, FromStep):
            names.setdefault(source.step, {})[source.output] = graph.hint.file_name(name)
    return names


def results_within(results: Results, store: str) -> Results:
    """Return planned results with ``{store}`` replaced in their URIs."""
    return {name: replace(one, uri=within(one.uri, store)) for name, one in results.items()}


def file_problems(outputs: Mapping[str, Handle]) -> Iterator[str]:
    """Yield the outputs that would be written to the same file."""
    seen: dict[str, tuple[str, str]] = {RECORD: ("the record of the run", "")}
    for name, handle in outputs.items():
        file = handle.uri.rpartition("/")[2]
        other, key = seen.setdefault(file, (f"the output {name!r}", handle.key))
        if key != handle.key:
            yield (
                f"{other} and the output {name!r} would both be written to {file}: choose another name in the hint "
                "voxome:Run"
            )


def report_problems(graph: Graph, results: Results) -> Iterator[str]:
    """Yield what prevents the use of the report and scorer that the workflow names."""
    try:
        if graph.hint.report is not None:
            yield from load_report(graph.hint.report).check(graph.inputs, results)
        if graph.hint.scorer is not None:
            load_scorer(graph.hint.scorer)
    except UnknownName as error:
        yield str(error)


def load_report(name: str) -> Report:
    """Return the report called `name`.

    Raises
    ------
    UnknownName
    """
    report: Report = load("voxome.reports", name)()
    return report


def write_report(name: str, run: FinishedRun) -> dict[str, int | float | str]:
    """Write the report of a finished run, and return its summary.

    The results of a run are complete before its report: if this fails, the reason is logged, and is both the summary
    and the content of ``report.html``.
    """
    try:
        with naming_plugin("voxome.reports", name, "failed"):
            return dict(load_report(name).write(run))
    except VoxomeError as error:
        from voxome.reports.page import fact_card, html_document  # takes 0.2 s to import

        _LOG.warning("the results are complete, but their report is not written: %s", error)
        summary = {"report": f"not written: {error}"}
        write_file(run.folder / "report.html", html_document(run.title, "", [fact_card(summary)]))
        return {**summary}


def load_scorer(name: str) -> Scorer:
    """Return the scorer called `name`.

    Raises
    ------
    UnknownName
    """
    scorer: Scorer = load("voxome.scorers", name)()
    return scorer
