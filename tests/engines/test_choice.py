"""The engines that a user chooses: checked at once, opened once, closed by the code that opened them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from voxome.engines.choice import StepEngines, parse_engine_options
from voxome.engines.sequential import SequentialEngine
from voxome.errors import InvalidInput, UnknownName

STEPS = ["first", "second", "third"]


class Watched(SequentialEngine):
    """An engine that records whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_steps_share_an_engine_of_one_name(tmp_path: Path) -> None:
    with StepEngines({"*": "threads", "second": "sequential"}, STEPS, workers=3, log=tmp_path) as engines:
        assert engines["first"] is engines["third"]
        assert [engines[step].name for step in STEPS] == ["threads", "sequential", "threads"]
        assert engines.to_json() == [
            {"name": "threads", "workers": 3, "options": {}, "steps": ["first", "third"]},
            {"name": "sequential", "workers": 1, "options": {}, "steps": ["second"]},
        ]


def test_local_processes_are_the_default(tmp_path: Path) -> None:
    with StepEngines({"second": "threads"}, STEPS, workers=1, log=tmp_path) as engines:
        assert [engines[step].name for step in STEPS] == ["local", "threads", "local"]
    with StepEngines(None, STEPS, workers=1, log=tmp_path) as engines:
        assert engines["first"].name == "local"


def test_an_engine_that_the_user_opened_is_not_closed(tmp_path: Path) -> None:
    engine = Watched()
    with StepEngines(engine, STEPS, workers=2, log=tmp_path) as engines:
        assert engines["second"] is engine
        assert engines.to_json() == [{"name": "sequential", "workers": 1, "options": {}, "steps": STEPS}]
    assert not engine.closed


def test_unknown_steps_engines_and_options_are_named_at_once(tmp_path: Path) -> None:
    for choice, message in (
        ({"frist": "threads"}, "Unknown step 'frist'; did you mean 'first'"),
        ("thread", "Unknown engine 'thread'; did you mean 'threads'"),
        ({"first": "local?worker=3"}, "Unknown option 'worker' of the engine 'local'"),
    ):
        with pytest.raises(UnknownName, match=message):
            StepEngines(choice, STEPS, workers=1, log=tmp_path)
    with pytest.raises(InvalidInput, match=r"Cannot read the options of 'local'; write") as caught:
        StepEngines("local?token=abc&x", STEPS, workers=1, log=tmp_path)
    assert "abc" not in str(caught.value)


def test_engine_options_of_the_command_line_are_parsed() -> None:
    assert parse_engine_options([]) is None
    assert parse_engine_options(["a?x=1&y=b=c", "first=b?z=2"]) == {"*": "a?x=1&y=b=c", "first": "b?z=2"}
    with pytest.raises(InvalidInput, match="Two engines for step first; give one"):
        parse_engine_options(["first=a", "first=b"])


class Stored(SequentialEngine):
    """An engine that keeps its jobs in the store of the run."""

    def __init__(self, *, workers: int, log: Path, store: str | None = None, queue: str = "") -> None:
        super().__init__(workers=workers, log=log)
        self.store, self.queue = store, queue


def test_an_engine_gets_the_store_if_it_takes_it_and_a_user_cannot_give_another(
    tmp_path: Path, register_plugin: Callable[[str, str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxome.engines.sequential.Stored", Stored, raising=False)
    register_plugin("voxome.engines", "stored", "voxome.engines.sequential:Stored")
    choice = {"first": "stored?queue=q", "*": "sequential"}
    with StepEngines(choice, STEPS, workers=1, log=tmp_path, store="s3://lab/run") as engines:
        first = engines["first"]
        assert isinstance(first, Stored)
        assert (first.store, first.queue) == ("s3://lab/run", "q")
        assert engines["second"].name == "sequential"
    with pytest.raises(UnknownName, match="Unknown option 'store' of the engine 'stored'"):
        StepEngines("stored?store=s3://other", STEPS, workers=1, log=tmp_path)
