"""The tree of errors: each is ours and a builtin, and the drawing at its head is true."""

from __future__ import annotations

import builtins
import inspect
import pickle
import re

import pytest

from voxome import errors
from voxome.errors import PlanError, UnknownName, VoxomeError

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


def test_the_drawing_names_every_error_and_its_builtin() -> None:
    drawn = dict(re.findall(r"── (\w+)(?: \((\w+)\))?", errors.__doc__ or ""))
    assert set(drawn) | {"VoxomeError"} == {kind.__name__ for kind in TREE}
    for name, builtin in drawn.items():
        kind = getattr(errors, name)
        assert issubclass(kind, VoxomeError)
        if builtin:
            assert issubclass(kind, getattr(builtins, builtin)), name


@pytest.mark.parametrize("kind", [kind for kind in TREE if kind is not PlanError])
def test_the_message_is_what_was_said(kind: type[VoxomeError]) -> None:
    assert str(kind("seen, expected, next")) == "seen, expected, next"


@pytest.mark.parametrize("kind", [kind for kind in TREE if kind is not PlanError])
def test_errors_cross_processes(kind: type[VoxomeError]) -> None:
    again = pickle.loads(pickle.dumps(kind("said")))  # noqa: S301
    assert type(again) is kind
    assert str(again) == "said"


def test_an_unknown_name_gives_the_nearest() -> None:
    message = str(UnknownName.of("scheme", "zar", ["zarr", "n5"]))
    assert message == "there is no scheme 'zar'; did you mean 'zarr'? known: n5, zarr"
    assert "did you mean" not in str(UnknownName.of("scheme", "qqq", ["zarr"]))
    assert str(UnknownName.of("tool", "x", [])).endswith("known: none")


def test_a_plan_tells_all_its_faults() -> None:
    error = PlanError(["no raw", "no box"])
    assert error.problems == ("no raw", "no box")
    assert str(error) == "the run cannot start, 2 faults:\n  - no raw\n  - no box"
    assert "1 fault:" in str(PlanError(["no raw"]))
