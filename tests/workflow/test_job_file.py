"""Job files: the inputs of a workflow as YAML or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voxome.errors import InvalidInput, NotFound
from voxome.workflow.cwl_files import file_address
from voxome.workflow.graph import FromInput, Graph, GraphInput, Node
from voxome.workflow.job_file import JobFile
from voxome.workflow.job_file import read_job as read_job_file

GRAPH = Graph(
    "demo",
    {name: GraphInput(name, ("string",), False) for name in ("raw", "at", "folder", "block", "crop", "processes")},
    (
        Node("one", "t", "1", {"raw": FromInput("raw"), "store": FromInput("folder"), "block": FromInput("block")}),
        Node("two", "t", "1", {"tool_block": FromInput("crop"), "workers": FromInput("processes")}),
    ),
    {},
)


def read_job(path: Path) -> JobFile:
    return read_job_file(path, path.parent / "demo.cwl", GRAPH)


def job_of(folder: Path, text: str) -> JobFile:
    (folder / "job.yml").write_text(text)
    return read_job(folder / "job.yml")


def test_files_are_relative_to_the_job_file(tmp_path: Path) -> None:
    job = {
        "raw": {"class": "File", "path": "em/raw.h5"},
        "labels": {"class": "Directory", "location": "file:///data/my%20labels.zarr"},
        "mask": {"class": "File", "location": "s3://bucket/mask.zarr"},
        "far": {"class": "File", "path": "/data/far.h5"},
        "many": [{"class": "File", "path": "a.h5"}, {"class": "File", "location": "b%20c.h5"}],
        "uri": "zarr://em.zarr",
        "at": 0.5,
        "sizes": [1, 2],
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert read_job(tmp_path / "job.json").inputs == {
        "raw": str(tmp_path / "em/raw.h5"),
        "labels": "/data/my labels.zarr",
        "mask": "s3://bucket/mask.zarr",
        "far": "/data/far.h5",
        "many": [str(tmp_path / "a.h5"), str(tmp_path / "b c.h5")],
        "uri": "zarr://em.zarr",
        "at": 0.5,
        "sizes": [1, 2],
    }


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ({"location": "em%20raw.h5"}, "/job/em raw.h5"),
        ({"path": "em%20raw.h5"}, "/job/em%20raw.h5"),
        ({"location": "../100%25.h5"}, "/job/../100%.h5"),
        ({"location": "em.zarr?level=2"}, "/job/em.zarr?level=2"),
        ({"location": "/data/a%20b"}, "/data/a b"),
        ({"location": "file:///data/a%20b?level=1"}, "/data/a b?level=1"),
        ({"location": "file://localhost/data/a"}, "/data/a"),
        ({"location": "file:/data/a"}, "/data/a"),
        ({"location": "https://host/a%20b"}, "https://host/a%20b"),
        ({"path": "zarr://em.zarr"}, "zarr://em.zarr"),
        ({"location": "a", "path": "b"}, "/job/a"),
        ({}, ""),
    ],
)
def test_locations_are_uri_references_and_paths_are_not(value: dict[str, Any], address: str) -> None:
    assert file_address({"class": "File", **value}, Path("/job")) == address


def test_what_only_cwl_runners_need_becomes_an_option_of_the_run(tmp_path: Path) -> None:
    job = job_of(tmp_path, "raw: em.zarr\nfolder: /data\nblock: 8,8,8\nprocesses: 2\ncrop: 3,3,3\n")
    assert job == JobFile({"raw": "em.zarr", "block": "8,8,8", "crop": "3,3,3"}, store="/data", workers=2)


def test_names_that_the_workflow_does_not_use_are_options_too(tmp_path: Path) -> None:
    graph = Graph("demo", {}, (), {})
    (tmp_path / "job.yml").write_text("store: /data\nblock: 8,8,8\nworkers: 2\n")
    assert read_job_file(tmp_path / "job.yml", "demo.cwl", graph) == JobFile({}, "/data", (8, 8, 8), 2)
    (tmp_path / "job.yml").write_text("block: 8,8\n")
    with pytest.raises(InvalidInput, match=r"job\.yml: block: '8,8': expected three whole numbers"):
        read_job_file(tmp_path / "job.yml", "demo.cwl", graph)


def test_an_option_of_a_wrong_type_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"job\.yml: processes: .*expected a whole number"):
        job_of(tmp_path, "processes: many\n")


def test_an_empty_value_is_not_set(tmp_path: Path) -> None:
    assert job_of(tmp_path, "raw: em.zarr\nat:\nfolder:\n") == JobFile({"raw": "em.zarr"})


def test_keys_of_cwl_are_used_or_refused_by_name(tmp_path: Path) -> None:
    assert job_of(tmp_path, "cwl:tool: demo.cwl\n$namespaces: {}\nraw: a\n") == JobFile({"raw": "a"})
    with pytest.raises(InvalidInput, match=r"cwl:tool names .*other\.cwl, not .*demo\.cwl"):
        job_of(tmp_path, "cwl:tool: other.cwl\n")
    for key in ("cwl:requirements", "$graph", "cwltool:overrides"):
        with pytest.raises(InvalidInput) as caught:
            job_of(tmp_path, f'"{key}": []\n')
        assert f"voxome does not support {key}; leave it out" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{class: File, contents: abc}", "raw is a File without a location or path"),
        ("{class: File, path: a, secondaryFiles: []}", "raw is a File with secondaryFiles"),
        ("{class: Directory, path: a, listing: []}", "raw is a Directory with listing"),
        ("[{class: File}]", "raw is a File without"),
    ],
)
def test_files_that_voxome_cannot_read_are_refused(tmp_path: Path, value: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        job_of(tmp_path, f"raw: {value}\n")


@pytest.mark.parametrize("text", ["- raw", "raw", "", "a: [", "a: b: c"])
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match=r"job\.yml is not a job file"):
        job_of(tmp_path, text)


def test_a_missing_job_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="expected a job file"):
        read_job(tmp_path / "none.yml")


def test_a_folder_is_no_job_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"{tmp_path} cannot be read as a job file"):
        read_job(tmp_path)


@pytest.mark.parametrize(
    "value",
    ["2020-13-45", "!!int abc", "!!float abc", "!!timestamp abc", "!!bool x", "!!pairs x", "!!omap [a]",
     "1\n? [b]\n: 1", "2001-12-14t21:59:43.10-25:00", "2001-01-01 99:00:00", "1:99:99x\n<<: 1", "9" * 6000,
     "!!binary '%%'", "!!python/object:os.system x"],
)  # fmt: skip
def test_values_that_are_not_of_their_type_are_named_with_the_file(tmp_path: Path, value: str) -> None:
    try:
        job_of(tmp_path, f"raw: {value}\n")
    except InvalidInput as error:
        assert "job.yml" in str(error)  # noqa: PT017
