"""Job files: the inputs of a workflow as YAML or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voxome.errors import InvalidInput, NotFound
from voxome.workflow.job_file import read_job


def test_files_are_relative_to_the_job_file(tmp_path: Path) -> None:
    job = {
        "raw": {"class": "File", "path": "em/raw.h5"},
        "labels": {"class": "Directory", "location": "file:///data/my%20labels.zarr"},
        "mask": {"class": "File", "location": "s3://bucket/mask.zarr"},
        "far": {"class": "File", "path": "/data/far.h5"},
        "uri": "zarr://em.zarr",
        "at": 0.5,
        "sizes": [1, 2],
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert read_job(tmp_path / "job.json") == {
        "raw": str(tmp_path / "em/raw.h5"),
        "labels": "/data/my labels.zarr",
        "mask": "s3://bucket/mask.zarr",
        "far": "/data/far.h5",
        "uri": "zarr://em.zarr",
        "at": 0.5,
        "sizes": [1, 2],
    }


def test_what_voxome_sets_itself_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text("raw: em.zarr\nstore: /data\nblock: 8,8,8\nworkers: 2\ncwl:tool: a.cwl\n")
    assert read_job(tmp_path / "job.yml") == {"raw": "em.zarr"}


@pytest.mark.parametrize("text", ["- raw", "raw", "", "a: [", "a: b: c"])
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.yml").write_text(text)
    with pytest.raises(InvalidInput, match=r"job\.yml is not a job file"):
        read_job(tmp_path / "job.yml")


def test_a_missing_job_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="expected a job file"):
        read_job(tmp_path / "none.yml")
