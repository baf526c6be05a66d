"""``voxome datasets``, and what the shell offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voxome.cli.complete import uris
from voxome.data.registry.files import sha256_of


def test_all_are_listed(command: Any) -> None:
    found = {one["name"]: one for one in command("datasets", "--json").json}
    assert found["prasad2020/image"]["voxel_size_nm"] == [1170, 1170, 1170]
    assert found["prasad2020/image"]["licence"] == "CC-BY-4.0"
    assert {one["verified"] for one in found.values()} == {None}
    result = command("datasets")
    assert (result.status, result.err) == (0, "")
    assert all(name in result.out for name in found)


def test_one_is_shown_with_its_sources(command: Any) -> None:
    one = command("datasets", "cremi/A/em", "--json").json
    assert one["uri"] == "hdf5://{file}/volumes/raw"
    result = command("datasets", "cremi/A/em")
    assert all(text in result.out for text in ("https://cremi.org/data", "40,4,4", "not yet opened", "unknown"))


def test_an_unknown_one(command: Any) -> None:
    result = command("datasets", "cremi/A/en")
    assert (result.status, result.out) == (1, "")
    assert "did you mean 'cremi/A/em'" in result.err


@pytest.mark.slow
def test_fetching_prints_the_hash(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(file: Any, progress: Any) -> Path:
        progress(5_000_000, 170_000_000)
        (tmp_path / file.name).write_bytes(b"voxels")
        return tmp_path / file.name

    monkeypatch.setattr("voxome.data.registry.files.fetch", fetch)
    result = command("datasets", "cremi/A/em", "--fetch")
    assert result.status == 0
    assert sha256_of(tmp_path / "cremi_sample_A_20160501.hdf") in result.err
    assert command("datasets", "hemibrain/em", "--fetch").status == 1
    assert command("datasets", "--fetch").status == 2


def test_schemes_names_and_paths_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zebra" / "stripes").mkdir(parents=True)
    (tmp_path / ".hidden").touch()
    assert uris("z") == ["zarr://", "zebra/"]
    assert uris("zebra/s") == ["zebra/stripes/"]
    assert {"dataset:", "precomputed://", "zebra/"} <= set(uris(""))
    assert ".hidden" not in uris("")
    assert "dataset:kasthuri2015/em" in uris("dataset:kas")
    assert uris("nowhere/x") == []
    assert uris("zarr://z") == ["zarr://zebra/"]
    assert uris("zarr://zebra/") == ["zarr://zebra/stripes/"]
    assert uris("zarr://") == ["zarr://"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["info", "zarr", ":", "//z"], ["//zebra/"]),
        (["info", "zar"], ["zarr://"]),
        (["info", "dataset", ":", "cremi/A/e"], ["cremi/A/em"]),
        (["transfer", "dataset", ":", "cremi/A/em", "zeb"], ["zebra/"]),
        (["transfer", "zebra", "zarr", ":", "//zeb"], ["//zebra/"]),
        (["tool", "em.agg"], ["em.agglomerate"]),
        (["datasets", "cremi/B/n"], ["cremi/B/neurons"]),
    ],
)
def test_bash_which_takes_words_apart_at_colons(
    command: Any, tmp_path: Path, words: list[str], offered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zebra").mkdir()
    monkeypatch.setenv("_VOXOME_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(["voxome", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    assert command().out.split() == offered


def test_the_shell_is_answered(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_VOXOME_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "voxome datasets kas")
    result = command()
    assert "kasthuri2015/em" in result.out
    assert "hemibrain" not in result.out
