"""Workflow hint: names its report, scorer and files; other CWL runners ignore it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from voxome.errors import UnknownName

RUN_HINT = "https://voxome.org/cwl#Run"
"""Class of the hint of a workflow."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class RunHint:
    """Report, scorer and file names of the results of a workflow.

    Attributes
    ----------
    report, scorer : str, optional
        Names in the registry groups ``voxome.reports`` and ``voxome.scorers``.
    results : mapping of str to str
        Workflow outputs → file names without extension, if they differ from the names of the outputs.
    """

    report: str | None = None
    scorer: str | None = None
    results: Mapping[str, str] = field(default_factory=dict)

    def file_name(self, output: str) -> str:
        """Return the file name, without extension, of a workflow output."""
        return self.results.get(output, output)


def hint_problems(hint: Mapping[str, Any], outputs: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield (field, problem) for everything wrong with the hint of a workflow with these outputs."""
    fields = ("report", "scorer", "results")
    for name in hint:
        if name not in fields and name != "class":
            yield name, str(UnknownName.of("field of the hint voxome:Run", name, fields))
    for name in ("report", "scorer"):
        if not isinstance(hint.get(name, ""), str):
            yield name, f"{name} is {hint[name]!r}; expected a name"
    results = hint.get("results", {})
    if not isinstance(results, Mapping):
        yield "results", f"results is {results!r}; expected a mapping of outputs to file names"
        return
    for output, name in results.items():
        if output not in outputs:
            yield "results", str(UnknownName.of("workflow output", str(output), map(str, outputs)))
        if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
            yield "results", f"the file name of {output} is {name!r}; use letters, digits, '_', '-' and '.'"
