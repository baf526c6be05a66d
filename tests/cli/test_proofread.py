"""``voxome proofread``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema
import numpy as np
import pytest
from cli.schemas import SCHEMAS

import voxome

Command = Callable[..., Any]
STORE = "edits.sqlite"


@pytest.fixture
def edited(command: Command) -> Command:
    """Commands beside a store with two edits and a suggestion."""
    labels = np.repeat(np.arange(1, 9, dtype=np.uint64), 2).reshape(4, 2, 2)
    voxome.put(labels, "zarr://labels.zarr")
    assert command("proofread", "start", "labels.zarr", STORE).status == 0
    with voxome.proofread(f"proofread://{STORE}", author="ann") as session:
        session.merge([1, 2])
        session.cleave(1, [2])
        session.suggestions.add("merge", ids=[3, 4], score=0.5)
    return command


@pytest.mark.slow
def test_every_verb_prints_json_by_its_schema(edited: Command) -> None:
    lines = [
        "start labels.zarr edits.sqlite",
        "history edits.sqlite",
        "undo edits.sqlite 2 --author bob",
        "redo edits.sqlite 2",
        "versions edits.sqlite --name first --version 1",
        "changes edits.sqlite --since first",
        "compare edits.sqlite",
        "export edits.sqlite zarr://out.zarr --version 0 --levels 2",
        "export edits.sqlite zarr://out.zarr --since 0",
        "suggestions edits.sqlite --status open",
    ]
    for line in lines:
        result = edited("proofread", *line.split(), "--json")
        assert result.status == 0, result.err
        jsonschema.validate(result.json, SCHEMAS[f"proofread {line.split()[0]}"])
    assert voxome.open("zarr://out.zarr")[0, 0].tolist() == [1, 1]


def test_tables_say_who_has_done_what(edited: Command) -> None:
    assert edited("proofread", "undo", f"proofread://{STORE}", "2", "--author", "bob").status == 0
    rows = [row.split("\t") for row in edited("proofread", "history", STORE).out.splitlines()]
    assert [[row[at] for at in (0, 1, 2, 3, 5)] for row in rows[1:]] == [
        ["1", "merge", "1", "ann", "done"],
        ["2", "cleave", "1,9", "ann", "undone"],
        ["3", "undo", "1,9", "bob", "done"],
    ]
    changes = edited("proofread", "changes", STORE, "--since", "0").out.splitlines()
    assert changes == ["supervoxel\tbefore\tafter", "2\t2\t1"]
    assert "merge\tids=3,4\t0.5\topen\tann" in edited("proofread", "suggestions", STORE).out


@pytest.mark.slow
def test_errors_are_one_message(edited: Command) -> None:
    for line, message in {
        f"undo {STORE} 7": "no operation 7",
        f"redo {STORE} 1": "nothing to redo",
        "history labels.zarr": "is not a proofreading store",
        "history none": "is not a proofreading store",
        f"changes {STORE} --since second": "Unknown version 'second'",
        f"versions {STORE} --name main": "choose another name",
    }.items():
        result = edited("proofread", *line.split())
        assert result.status == 1, line
        assert message in result.err, result.err
    for line in (f"versions {STORE} --version 1", f"undo {STORE} x", f"suggestions {STORE} --status opened"):
        assert edited("proofread", *line.split()).status == 2


@pytest.mark.slow
def test_a_volume_that_was_repainted_is_noticed(edited: Command) -> None:
    result = edited("proofread", "compare", STORE)
    assert (result.status, result.out) == (0, "")
    assert "labels.zarr is what it was when the store was made" in result.err
    voxome.open("labels.zarr", mode="r+")[0, 0, 0] = np.uint64(2)
    result = edited("proofread", "compare", STORE)
    assert (result.status, result.out.splitlines()) == (1, ["box", "0:4,0:2,0:2"])
    result = edited("info", f"proofread://{STORE}")
    assert result.status != 0
    assert "have changed since the store" in result.err
