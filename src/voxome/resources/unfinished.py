"""Arrays of runs and transfers that were interrupted: parts of them are empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput
from voxome.resources.open import open_source
from voxome.resources.transfer_lock import unfinished_transfer

RUN_MARK = "voxome_run"
"""Attribute with the step that an array belongs to, whether it is complete, and the steps of its levels."""
UNFINISHED_LEVEL = ""
"""Stands for the step of a level that is not complete."""


def unfinished_step(uri: str) -> str | None:
    """Return the step of the interrupted run that has not finished the array or level at `uri`; None if it is finished.

    Arrays that no run has written are finished.
    """
    parsed = Uri.parse(uri)
    level = parsed.query.get("level", "0")
    base = replace(parsed, query={name: value for name, value in parsed.query.items() if name != "level"})
    mark = open_source(base.reveal()).spec.attributes.get(RUN_MARK)
    if not isinstance(mark, Mapping):
        return None
    levels = mark.get("levels")
    pending = isinstance(levels, Mapping) and levels.get(level) == UNFINISHED_LEVEL
    return str(mark.get("step")) if pending or mark.get("complete") is False else None


def unfinished_problem(uri: str) -> str | None:
    """Return the sentence that refuses an unfinished array, without its beginning, the name of the array."""
    if not uri:
        return None
    if (step := unfinished_step(uri)) is not None:
        return (
            f"is not finished: the run that computes it (step {step}) was interrupted, or still runs, and parts of it "
            "are empty; complete that run first"
        )
    if (lock := unfinished_transfer(uri)) is not None:
        boxes = ", ".join(lock.unfinished)
        return (
            f"is not finished: the {lock.work} into its box {boxes} was interrupted, or still runs ({lock.holder}); "
            f"rerun that {lock.work} to complete it first"
        )
    return None


def require_finished(uri: str, *, force: bool = False) -> None:
    """Refuse what an interrupted run or transfer has not finished, unless forced; arrays without a URI are finished.

    Raises
    ------
    InvalidInput
    """
    problem = None if force else unfinished_problem(uri)
    if problem is not None:
        raise InvalidInput(f"{uri} {problem}, or take it as it is with --force (force=True)")
