from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import typer

import voxome
from voxome.cli.values import parse_view_lengths_nm
from voxome.cli.view import _folders, _split
from voxome.errors import InvalidInput
from voxome.viewer.layers import Layers


def test_a_target_may_have_a_name() -> None:
    texts = ["em=zarr:///a=b.zarr", "/data/a=b.zarr", "zarr:///a.zarr?window=1:2", "run"]
    assert [_split(text)[0] for text in texts] == ["em", "", "", ""]


def test_folders_of_annotations_may_have_names() -> None:
    assert _folders([]) is None
    assert _folders(["drawn"]) == "drawn"
    assert _folders(["cells=drawn"]) == {"cells": "drawn"}
    assert _folders(["cells=a", "/data/other"]) == {"cells": "a", "other": "/data/other"}
    with pytest.raises(InvalidInput, match="one name"):
        _folders(["a/drawn", "b/drawn"])


def test_voxel_sizes_are_two_or_three_lengths() -> None:
    assert parse_view_lengths_nm("8,4,4") == (8, 4, 4)
    assert parse_view_lengths_nm("8,4") == (8, 4)
    for text in ("8", "0,4", "8,4,4,4", "a,4"):
        with pytest.raises(typer.BadParameter, match=f"^'{text}': expected"):
            parse_view_lengths_nm(text)


@pytest.mark.slow
def test_the_viewer_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/a.zarr", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    command = [sys.executable, "-m", "voxome.cli.main", "view", f"em={tmp_path}/a.zarr", "--no-browser", "--json"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            assert running.stdout is not None
            url = json.loads("".join(next(running.stdout) for _ in range(3)))["url"]
            assert list(Layers(httpx.get(f"{url}/state", timeout=30).json())) == ["em"]
            running.send_signal(signal.SIGINT)
            assert running.wait(100) == 130
        finally:
            running.kill()
