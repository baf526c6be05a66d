"""Exceptions: each derives from `VoxomeError` and a builtin, as the tree in the module docstring says."""

from __future__ import annotations

import builtins
import inspect
import pickle
import re

import pytest

from voxome import errors
from voxome.errors import PlanError, UnknownName, VoxomeError

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


def test_the_tree_in_the_docstring_lists_every_error_and_its_builtin() -> None:
    drawn = dict(re.findall(r"── (\w+)(?: \((\w+)\))?", errors.__doc__ or ""))
    assert set(drawn) | {"VoxomeError"} == {kind.__name__ for kind in TREE}
    for name, builtin in drawn.items():
        kind = getattr(errors, name)
        assert issubclass(kind, VoxomeError)
        if builtin:
            assert issubclass(kind, getattr(builtins, builtin)), name


@pytest.mark.parametrize("kind", [kind for kind in TREE if kind is not PlanError])
def test_str_of_an_error_is_its_message(kind: type[VoxomeError]) -> None:
    assert str(kind("seen, expected, next")) == "seen, expected, next"


@pytest.mark.parametrize("kind", [kind for kind in TREE if kind is not PlanError])
def test_errors_can_be_pickled(kind: type[VoxomeError]) -> None:
    again = pickle.loads(pickle.dumps(kind("message")))  # noqa: S301
    assert type(again) is kind
    assert str(again) == "message"


def test_an_unknown_name_suggests_the_closest_match() -> None:
    message = str(UnknownName.of("scheme", "zar", ["zarr", "n5"]))
    assert message == "Unknown scheme 'zar'; did you mean 'zarr'? Known: n5, zarr"
    assert "did you mean" not in str(UnknownName.of("scheme", "qqq", ["zarr"]))
    assert str(UnknownName.of("tool", "x", [])).endswith("Known: none")


def test_a_plan_error_lists_every_problem() -> None:
    error = PlanError(["no raw", "no box"])
    assert error.problems == ("no raw", "no box")
    assert str(error) == "Cannot start: 2 problems\n  - no raw\n  - no box"
    assert "Cannot start: 1 problem\n" in str(PlanError(["no raw"]))
