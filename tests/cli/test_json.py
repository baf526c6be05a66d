"""What ``--json`` prints, against JSON schemas: typed fields, and the same keys everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from cli.schemas import SCHEMAS, keys_of
from cli.threshold_workflow import WORKFLOW
from cli.verbs import VERBS

import voxome
from voxome.registry import load
from voxome.resources.table import write_table
from voxome.workflow.describe import document

Command = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("jobs_in_this_process")

MARK = "mark.cwl --set raw=raw.zarr --out o --workers 1"
LABELS = "--truth labels.zarr --result labels.zarr"
QUICK = [
    ("info", "info raw.zarr"),
    ("explain", "explain raw.zarr --box 1:3,:,2:"),
    ("ls", "ls ."),
    ("tools", "tools"),
    ("datasets", "datasets"),
    ("datasets NAME", "datasets kasthuri2015/em"),
    ("profiles", "profiles"),
    ("doctor", "doctor"),
    ("init aws", "init aws lab --add-user ann"),
    ("get", "get raw.zarr out.npy --box 1:3,:,2:"),
    ("put", "put raw.zarr zarr://put.zarr"),
    ("put", "put raw.zarr zarr://labels.zarr --at 0,0,0"),
    ("rm", "rm raw.zarr -y"),
    ("score segmentation", f"score segmentation {LABELS}"),
    ("score mask", f"score mask {LABELS} --threshold 0.5 --beta 2"),
    ("score vessels", f"score vessels {LABELS} --truth-lines lines.parquet --result-lines lines.parquet"),
    ("score instances", f"score instances {LABELS} --iou 0.5 --iou 1"),
    ("plan", f"plan {MARK} --into mask=zarr://elsewhere.zarr"),
    ("describe", "describe voxome --out cwl"),
]
SLOW = [
    ("transfer", "transfer raw.zarr zarr://copy.zarr"),
    ("convert", "convert raw.zarr zarr://copy.zarr --window 0:9"),
    ("downsample", "downsample labels.zarr --levels 2"),
    ("mesh", "mesh labels.zarr --out precomputed://mesh --table objects.parquet --workers 1"),
    ("skeletonize", "skeletonize labels.zarr --out precomputed://skeletons --workers 1"),
    ("run", f"run {MARK} --into mask=zarr://elsewhere.zarr"),
    ("tool", "tool common.threshold --image raw.zarr --out o --workers 1"),
    ("tool", "tool common.statistics --image raw.zarr --out o --workers 1"),
    ("tool --check-invariance", "tool common.threshold --image raw.zarr --check-invariance"),
    ("phantom", "phantom made --shape 24,32,40"),
    ("bench read", "bench read raw.zarr --sizes 4 --repeats 1"),
    ("regions", "regions labels.zarr --out regions.parquet --contacts contacts.parquet --workers 1"),
    ("train", "train affinities train.toml --out trained --minutes 0"),
    ("train --plan", "train cells train.toml --plan"),
]
LINES = [*QUICK, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)]


@pytest.fixture
def volumes(command: Command, tmp_path: Path) -> Command:
    """Run commands beside an image, labels, and a workflow."""
    for name, dtype, shape in (
        ("raw", "uint8", (6, 8, 10)),
        ("labels", "uint64", (6, 8, 10)),
        ("train", "uint8", (40, 40, 40)),
        ("ids", "uint64", (40, 40, 40)),
    ):
        kind = "image" if dtype == "uint8" else "labels"
        spec = voxome.VolumeSpec.of(shape, dtype, voxel_size_nm=(8, 8, 8), kind=kind)
        octants = np.tensordot((1, 2, 4), np.indices(shape) // 20, 1)
        voxome.create(f"zarr://{name}.zarr", spec)[...] = (1 + octants).astype(dtype)
    write_table(tmp_path / "lines.parquet", dict.fromkeys("zyx", np.arange(6)), dict.fromkeys("zyx", "int64"))
    (tmp_path / "tool.cwl").write_text(document(load("voxome.tools", "common.threshold").spec))
    (tmp_path / "train.toml").write_text('[[data]]\nraw = "train.zarr"\nlabels = "ids.zarr"\n')
    (tmp_path / "mark.cwl").write_text(WORKFLOW)
    return command


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "line"), LINES)
def test_json_follows_its_schema(volumes: Command, verb: str, line: str) -> None:
    if verb.startswith("train"):
        pytest.importorskip("torch", reason="training needs the extra voxome[train]")
    result = volumes(*line.split(), "--json")
    assert result.status == 0, result.err
    jsonschema.validate(result.json, SCHEMAS[verb])


@pytest.mark.slow
def test_json_of_a_phantom_and_its_run_follows_its_schema(volumes: Command) -> None:
    files = volumes("phantom", "p", "--shape", "24,32,40", "--json").json
    assert volumes("run", *MARK.split(), "--json").status == 0
    cleaned = volumes("clean", "o", "--json").json
    jsonschema.validate(cleaned, SCHEMAS["clean"])
    tables = ("--truth", files["synapses"], "--result", files["synapses"])
    jsonschema.validate(volumes("score", "detections", *tables, "--json").json, SCHEMAS["score detections"])
    jsonschema.validate(volumes("score", "cells", *tables, "--json").json, SCHEMAS["score cells"])
    faces = ("--border", "ignore", "--volume", files["labels"], "--tolerance-um", "0.1")
    jsonschema.validate(volumes("score", "cells", *tables, *faces, "--json").json, SCHEMAS["score cells"])
    tables = ("--truth", files["connectome"], "--result", files["connectome"])
    labels = ("--truth-labels", files["labels"], "--result-labels", files["labels"])
    jsonschema.validate(volumes("score", "graph", *tables, *labels, "--json").json, SCHEMAS["score graph"])


ALWAYS_JSON = {"cwl-runner"}
"""Verbs that print nothing but JSON; its keys are the outputs of the process."""


def test_every_verb_has_json_and_a_schema() -> None:
    verbs = {" ".join(path): verb for path, verb in VERBS.items() if not hasattr(verb, "commands")}
    verbs = {name: verb for name, verb in verbs.items() if name not in ALWAYS_JSON}
    for name, verb in verbs.items():
        assert any("--json" in option.opts for option in verb.params), name
        tool = name.startswith("tool ")
        assert tool or name in SCHEMAS, name


COMMON = re.compile(
    r"shape|start|axes|dtype|bytes|.*_(nm|s|bytes)|box|domain|uri|source|destination|disk|workers|warnings|changes"
    r"|problems|name|version|key|store|engines|command|program|workflow"
)
"""Keys of several verbs; others belong to what one verb is about."""


def test_a_common_key_has_one_type_in_all_verbs() -> None:
    types: dict[str, set[str]] = {}
    for schema in SCHEMAS.values():
        for name, values in keys_of(schema).items():
            for value in values:
                kind = value.get("type", "any")
                types.setdefault(name, set()).add(kind[0] if isinstance(kind, list) else kind)
    common = {name: kinds for name, kinds in types.items() if COMMON.fullmatch(name)}
    assert len(common) > 30
    assert {name: kinds for name, kinds in common.items() if len(kinds) > 1} == {}


def test_every_key_is_documented() -> None:
    text = Path(__file__).parents[2].joinpath("docs/command-line.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", text.partition("## JSON")[2].partition("\n## ")[0]))
    keys = {name for schema in SCHEMAS.values() for name in schema.get("properties", {})}
    assert keys - documented == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("info none.zarr", 1),
        ("get raw.zarr out.xyz", 1),
        ("plan mark.cwl", 1),
        ("info", 2),
        ("plan mark.cwl --level x", 2),
    ],
)
def test_an_error_leaves_standard_output_empty(volumes: Command, line: str, status: int) -> None:
    result = volumes(*line.split(), "--json")
    assert (result.status, result.out) == (status, "")
    assert result.err


@pytest.mark.slow
def test_paths_and_sizes_of_parts_are_those_of_what_was_written(volumes: Command) -> None:
    part = volumes("get", "raw.zarr", "part.zarr", "--box", "1:3,:,2:", "--json").json
    whole = volumes("info", "part.zarr", "--json").json
    assert {name: part[name] for name in ("shape", "start", "dtype", "bytes", "voxel_size_nm", "offset_nm")} == {
        name: whole[name] for name in ("shape", "start", "dtype", "bytes", "voxel_size_nm", "offset_nm")
    }
