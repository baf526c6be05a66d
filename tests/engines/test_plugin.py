"""An engine of another package, found by name, meets the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voxome.contracts.engine import Engine
from voxome.engines.choice import StepEngines
from voxome.errors import PluginError, UnknownName
from voxome.registry import BUILT_IN, factory, load, targets
from voxome.testing import EngineContract
from voxome.testing.engine import collect, probe

LINES = 100


@pytest.mark.slow
@pytest.mark.usefixtures("plugins")
class TestOneshot(EngineContract):
    def open_engine(self, workers: int, log: Path) -> Engine:
        engine: Any = factory("voxome.engines", "oneshot?threads=1")(workers=workers, log=log)
        return engine

    def test_its_workers_run_with_other_folders(self, engine: Engine, tmp_path: Path) -> None:
        engine.submit([probe("one", "environment", path=str(tmp_path / "environment.json"))])
        assert collect(engine, 1)["one"].state == "done"
        folders = json.loads((tmp_path / "environment.json").read_text())
        assert all("oneshot-" in folders[name] for name in ("home", "temporary", "working"))


def test_the_engine_has_at_most_100_lines() -> None:
    assert len((Path(__file__).parent / "plugins" / "oneshot_engine.py").read_text().splitlines()) <= LINES


@pytest.mark.usefixtures("plugins")
def test_options_of_the_engine_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown option 'thread' of the engine 'oneshot'; did you mean 'threads'"):
        StepEngines("oneshot?thread=1", ["one"], workers=1, log=tmp_path)


@pytest.mark.usefixtures("plugins")
def test_plug_ins_do_not_replace_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN["voxome.engines"], "oneshot", "elsewhere:Engine")
    with pytest.raises(PluginError, match="'oneshot' is defined twice, as elsewhere:Engine of voxome and as oneshot_"):
        load("voxome.engines", "oneshot")
    assert targets("voxome.engines")["oneshot"] == "elsewhere:Engine"


@pytest.mark.usefixtures("plugins")
def test_a_plug_in_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        PluginError, match=r"'broken' \(oneshot_engine:missing of \S+ [\d.]+\) cannot be loaded: Attrib"
    ):
        StepEngines("broken", ["one"], workers=1, log=tmp_path)
    engines = StepEngines({"one": "clumsy"}, ["one"], workers=1, log=tmp_path)
    with pytest.raises(PluginError, match=r"engine 'clumsy' .* failed to start: KeyError: 'no scheduler'"), engines:
        pass
