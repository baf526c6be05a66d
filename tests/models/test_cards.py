from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from voxome.contracts.formats import PIXELS
from voxome.errors import CorruptData, NotFound, UnknownName
from voxome.models import cards
from voxome.models.pixels.classifier import load_classifier
from voxome.storage import bounded_file


@pytest.mark.parametrize("name", cards.names())
def test_shipped_model_is_small_and_described(name: str) -> None:
    model = cards.find(name)
    assert model.card.name == name
    assert model.path.stat().st_size <= 5_000_000
    assert model.card.licence
    assert model.card.attribution
    assert model.card.offsets[:3] == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert len(model.card.channels) == len(model.card.offsets)
    assert all(scores for scores in model.card.scores.values())


def test_membranes_come_with_voxome() -> None:
    assert "membranes" in cards.names()


@pytest.mark.parametrize("name", ["membrane", "../membranes", ""])
def test_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownName, match="membranes"):
        cards.find(name)


def _copy(folder: Path) -> Path:
    model = cards.find("membranes")
    shutil.copy(model.path, folder)
    return Path(shutil.copy(model.path.with_suffix(".json"), folder))


def test_card_anywhere_is_found_by_its_path(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    assert cards.find(str(path)).path == tmp_path / "membranes.onnx"


def test_changed_file_is_refused(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    with (tmp_path / "membranes.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(CorruptData, match="SHA-256"):
        cards.find(str(path))


def test_what_is_wrong_with_a_card_is_one_line(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"channels": 5, "halo": "x"}))
    with pytest.raises(CorruptData, match=r"^\S+membranes\.json is not a valid model card: [^\n]*expected a list"):
        cards.find(str(path))


def test_a_network_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    (tmp_path / "membranes.onnx").unlink()
    os.mkfifo(tmp_path / "membranes.onnx")
    with pytest.raises(CorruptData, match="a pipe or a device"):
        cards.find(str(path))


def test_a_card_has_the_limit_of_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = _copy(tmp_path)
    monkeypatch.setattr(bounded_file, "MOST_DOCUMENT_BYTES", 100)
    with pytest.raises(CorruptData, match="has more than 100 bytes"):
        cards.find(str(card))


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    (tmp_path / "membranes.onnx").unlink()
    with pytest.raises(NotFound, match=r"membranes\.onnx"):
        cards.find(str(path))


def test_card_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    path.write_text(path.read_text().replace('"task"', '"tusk"'))
    with pytest.raises(CorruptData, match="tusk"):
        cards.find(str(path))


@pytest.mark.parametrize("name", ["../outside.npz", "/outside.npz", "sub/../a.npz", "..", ".", "", "a\0.npz", "\ud800"])
def test_the_file_of_a_card_is_in_its_folder(name: str, tmp_path: Path) -> None:
    path = _copy(tmp_path)
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"file": name}))
    with pytest.raises(CorruptData, match="invalid JSON" if name == "\ud800" else "name of a file in the same folder"):
        cards.find(str(path))
    forest = {"kind": "forest", "name": "a", "file": name, "sha256": "0" * 64, "classes": ["a", "b"], "dimensions": 3}
    forest |= {"features": [{"name": "gaussian", "sigma_um": 1.0}], "voxel_size_nm": [1000, 1000, 1000]}
    forest |= {"dtype": "uint8", "intensity_range": [0, 1]}
    path.write_text(json.dumps(PIXELS.stamp(forest)))
    with pytest.raises(CorruptData, match="name of a file in the same folder"):
        load_classifier(str(path))
