"""Plug-ins of other packages: those that are broken are named, and the others work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from voxome import registry
from voxome.cli.main import app
from voxome.errors import MissingExtra, PluginError
from voxome.registry import load, load_all, look_again, plugin_problems, targets

MODULE = """
from typing import Annotated
import numpy as np
from voxome import kinds
from voxome.contracts.python_tool import tool

@tool("lab.good", outputs=kinds.Image("uint8"))
def good(image: Annotated[np.ndarray, kinds.Image()]) -> np.ndarray:
    return image

@tool("lab.renamed", outputs=kinds.Image("uint8"))
def renamed(image: Annotated[np.ndarray, kinds.Image()]) -> np.ndarray:
    return image

def plain(image):
    return image
"""
UNTYPED = """
from voxome import kinds
from voxome.contracts.python_tool import tool

@tool("lab.untyped", outputs=kinds.Image("uint8"))
def untyped(image, radius=1):
    return image
"""
ENTRIES = """[voxome.tools]
lab.good = lab_tools:good
lab.other = lab_tools:renamed
lab.plain = lab_tools:plain
lab.absent = lab_absent:tool
lab.untyped = lab_untyped:untyped
lab.exits = lab_exits:tool
em.network = lab_tools:good
[voxome.remotes]
lab = lab_absent:Remote
"""
BROKEN = {
    "lab.other": r"its name in the decorator is 'lab.renamed'",
    "lab.plain": r"it is not a tool; decorate the function",
    "lab.absent": r"ModuleNotFoundError: No module named 'lab_absent'",
    "lab.untyped": r"The argument 'image' of the tool lab.untyped has no annotation",
    "lab.exits": r"SystemExit: 3",
}


def forget() -> None:
    look_again()
    registry._warn_once.cache_clear()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with good and broken plug-ins."""
    modules = {"lab_tools": MODULE, "lab_untyped": UNTYPED, "lab_exits": "raise SystemExit(3)"}
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    folder = tmp_path / "lab_tools-2.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-tools\nVersion: 2.1\n")
    (folder / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield
    forget()


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("name", BROKEN)
def test_a_tool_that_cannot_be_loaded_is_named_with_its_package(name: str) -> None:
    with pytest.raises(PluginError, match=rf"tool '{name}' \(\S+ of lab-tools 2.1\) cannot be loaded: {BROKEN[name]}"):
        load("voxome.tools", name)


@pytest.mark.usefixtures("lab")
def test_a_tool_called_like_a_built_in_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match=r"'em.network' is defined twice, as \S+ of voxome and as lab_tools:g"):
        load("voxome.tools", "em.network")


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("words", [["tools"], ["tool", "--help"]])
def test_the_other_tools_are_listed_and_the_broken_ones_named(words: list[str]) -> None:
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    assert "lab.good" in found.stdout
    assert "common.threshold" in found.stdout
    for name in (*BROKEN, "em.network"):
        assert f"The tool {name!r} " in found.stderr
        assert name not in found.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
def test_a_broken_remote_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    names = [name for name, _ in load_all("voxome.remotes")]
    assert names == [name for name in targets("voxome.remotes") if name != "lab"]
    assert "The scheme 'lab' (lab_absent:Remote of lab-tools 2.1) cannot be loaded" in caplog.text
    list(load_all("voxome.remotes"))
    assert len(caplog.messages) == 1, "a warning is printed once"


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
def test_all_broken_plug_ins_are_found() -> None:
    problems = "\n".join(plugin_problems())
    assert all(f"{name!r}" in problems for name in (*BROKEN, "em.network", "lab"))
    assert "lab.good" not in problems


@pytest.mark.slow
def test_plug_ins_that_need_a_missing_extra_are_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load_without_em(group: str, name: str) -> Any:
        if name.startswith("em."):
            raise MissingExtra("The package numba is not installed; install it with: pip install 'voxome[em]'")
        return load(group, name)

    monkeypatch.setattr("voxome.registry.load", load_without_em)
    names = [name for name, _ in load_all("voxome.tools")]
    assert "common.threshold" in names
    assert not any(name.startswith("em.") for name in names)
    assert "'em.network' is left out: The package numba is not installed" in caplog.text
