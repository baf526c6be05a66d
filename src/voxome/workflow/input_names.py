"""Inputs of a workflow that set what messages of tools name, so that the user finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from voxome.contracts.tool import ToolSpec
from voxome.errors import RunFailed
from voxome.workflow.graph import FromInput, FromStep, Source

_PREPOSITIONS = frozenset({"at", "by", "for", "from", "in", "of", "on", "to", "with"})
"""Names that count only where a message says their value, as they are in any sentence."""
Names = Mapping[str, str]
"""Input or parameter of a tool → input of the workflow that sets it; empty if several or none do."""


def input_names(tool: ToolSpec, sources: Mapping[str, Source], before: Mapping[str, Names]) -> dict[str, str]:
    """Return the inputs of the workflow that set those of a step and its parameters.

    A step may name parameters of one before it, as that with which lines were computed.

    Parameters
    ----------
    tool : ToolSpec
        Its tool.
    sources : mapping of str to Source
        Its inputs and parameters → where their values come from.
    before : mapping of str to Names
        Steps before it → theirs.
    """
    names: dict[str, str] = {}
    for source in sources.values():
        for name, one in before.get(source.step, {}).items() if isinstance(source, FromStep) else ():
            names[name] = one if names.get(name, one) == one else ""
    own = {name: source.name if isinstance(source, FromInput) else "" for name, source in sources.items()}
    return {**names, **dict.fromkeys((*tool.inputs, *tool.parameters), ""), **own}


def with_input_names(message: str, names: Names) -> str:
    """Return a message of a tool with the inputs of the workflow that set what it names, unless they have these names.

    Examples
    --------
    >>> with_input_names("low is 5 and high 3; expected low < high", {"low": "cell_low", "high": "cell_high"})
    'low is 5 and high 3; expected low < high (low is the input cell_low of the workflow, high is cell_high)'
    >>> with_input_names("radii_um is empty", {"radii_um": "radii_um"})
    'radii_um is empty'
    """
    hint = _hint(message, names)
    return f"{message} ({hint})" if hint else message


def with_input_of_parameter(problem: str, names: Names) -> str:
    """Return a problem of the value of a parameter as one of the input of the workflow that sets it.

    Examples
    --------
    >>> problem = "parameter 'at' of common.threshold is 'x': expected a number"
    >>> with_input_of_parameter(problem, {"at": "cell_threshold"})
    "the input 'cell_threshold' of the workflow is 'x': expected a number"
    """
    found = re.match(r"parameter '(\w+)' of \S+ ", problem)
    name = names.get(found[1]) if found else None
    return problem if found is None or not name else f"the input {name!r} of the workflow {problem[found.end() :]}"


@contextmanager
def names_of_inputs(names: Names) -> Iterator[None]:
    """Name the inputs of the workflow in the failure of a step.

    Raises
    ------
    RunFailed
    """
    try:
        yield
    except RunFailed as failure:
        hint = _hint("\n".join(failure.errors.values()), names)
        if not hint:
            raise
        raise RunFailed(f"{failure}\n{hint}", error_types=failure.error_types, errors=failure.errors) from failure


def _hint(message: str, names: Names) -> str:
    """Return which inputs of the workflow set what a message names; empty if that is clear."""
    known = [(name, one) for name, one in names.items() if one not in ("", name) and _is_in(name, message)]
    return ", ".join(
        f"{name} is {one}" if number else f"{name} is the input {one} of the workflow"
        for number, (name, one) in enumerate(known)
    )


def _is_in(word: str, message: str) -> bool:
    value = " is " if word in _PREPOSITIONS else ""
    return re.search(rf"(?<![\w./]){re.escape(word)}(?![\w/]){value}", message) is not None
