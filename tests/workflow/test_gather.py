"""Results are written under their names, for CWL runners that do not name them."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from peers.s3 import Bucket
from ruamel.yaml import YAML
from workflow.pipeline import CONNECTOME

import voxome
from voxome.cli.main import main
from voxome.contracts.handle import Handle
from voxome.errors import AlreadyExists, InvalidInput, NotFound, StoreError, UnknownName
from voxome.reports.em_connectome import ConnectomeReport
from voxome.workflow.cwl import load
from voxome.workflow.gather import gather
from voxome.workflow.graph import FromStep

RESULTS = CONNECTOME.with_name("results.cwl")
PIPELINES = CONNECTOME.parents[1]
LABELS = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


def write_handle(folder: Path, name: str, handle: Handle) -> str:
    path = folder / f"{name}.handle.json"
    path.write_text(json.dumps(handle.to_json()), encoding="utf-8")
    return str(path)


@pytest.fixture
def results(tmp_path: Path) -> dict[str, str]:
    """Handle files of labels and a table in a store."""
    store = tmp_path / "store" / "common.relabel-0123"
    store.mkdir(parents=True)
    volume = voxome.create(f"zarr://{store}/result.zarr", voxome.VolumeSpec.of(LABELS.shape, "uint8"))
    volume[...] = LABELS
    pq.write_table(pa.table({"id": [1, 2]}), store / "rows.parquet")
    return {
        "neurons": write_handle(tmp_path, "result", Handle("volume", volume.uri)),
        "neurons_table": write_handle(tmp_path, "rows", Handle("table", str(store / "rows.parquet"))),
    }


def test_results_have_their_names_and_are_not_stored_twice(results: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    files = gather(results, names={"neurons_table": "neurons"}, folder=out)
    assert files == {"neurons": out / "neurons.zarr", "neurons_table": out / "neurons.parquet"}
    np.testing.assert_array_equal(voxome.open(out / "neurons.zarr", expect=voxome.Volume)[...], LABELS)
    assert (out / "neurons.parquet").samefile(tmp_path / "store" / "common.relabel-0123" / "rows.parquet")


def test_a_report_that_fails_leaves_the_results_and_a_page_with_the_reason(
    results: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConnectomeReport, "check", lambda *_: [])
    monkeypatch.setattr(ConnectomeReport, "write", lambda *_: 1 / 0)
    files = gather(results, report="em.connectome", folder=tmp_path / "out")
    assert (tmp_path / "out" / "neurons.zarr").exists()
    assert "failed: ZeroDivisionError" in files["report"].read_text(encoding="utf-8")


def test_elements_of_an_array_have_their_indices(results: dict[str, str], tmp_path: Path) -> None:
    both = {"masks": [results["neurons"]] * 2, "neurons_table": results["neurons_table"]}
    files = gather(both, names={"masks": "mask"}, folder=tmp_path / "out")
    assert {name: path.name for name, path in files.items()} == {
        "masks_0": "mask_0.zarr",
        "masks_1": "mask_1.zarr",
        "neurons_table": "neurons_table.parquet",
    }
    with pytest.raises(InvalidInput, match="two results are called masks_0"):
        gather({**both, "masks_0": results["neurons"]}, folder=tmp_path / "other")


def test_arguments_name_elements_in_order(results: dict[str, str], tmp_path: Path) -> None:
    elements = [f"--array=all={path}" for path in results.values()]
    with pytest.raises(SystemExit) as ended:
        main(["gather", *elements, "--out", str(tmp_path / "out")])
    assert ended.value.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["all_0.zarr", "all_1.parquet"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--result=a=x", "--result=a=y"], "--result a is given twice"),
        (["--result=a=x", "--array=a=y"], "a is given with --result and with --array"),
        ([], "there is no result to gather"),
    ],
)
def test_wrong_results_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["gather", *arguments])
    assert ended.value.code == 1
    assert message in capsys.readouterr().err


def test_a_result_without_data_and_a_file_that_is_there_are_refused(results: dict[str, str], tmp_path: Path) -> None:
    names = {"neurons_table": "neurons"}
    gather(results, names=names, folder=tmp_path)
    with pytest.raises(AlreadyExists, match=r"neurons\.zarr exists already"):
        gather(results, names=names, folder=tmp_path)
    lost = write_handle(tmp_path, "lost", Handle("table", str(tmp_path / "none.parquet")))
    with pytest.raises(NotFound, match=r"none\.parquet does not exist"):
        gather({"lost": lost}, folder=tmp_path)


@pytest.mark.parametrize("failing", ["result.zarr", "rows.parquet"])
def test_a_full_disk_leaves_no_result(results: dict[str, str], tmp_path: Path, failing: str) -> None:
    def no_link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def copy(source: str, target: str) -> None:
        Path(target).write_bytes(b"part")
        if failing in source:
            raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", no_link)
        patch.setattr(shutil, "copyfile", copy)
        with pytest.raises(StoreError, match=r"^cannot write .*: (\[Errno 28\] )?No space left on device$"):
            gather(results, folder=out)
    assert not list(out.iterdir())
    assert len(gather(results, folder=out)) == 2


def test_names_that_lead_elsewhere_or_are_of_none_or_of_two_are_refused(
    results: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out"
    with pytest.raises(InvalidInput, match=r"'\.\./x' is not a name for a result"):
        gather(results, names={"neurons": "../x"}, folder=out)
    with pytest.raises(InvalidInput, match="neuron is given a name, but is not a result; expected neurons, "):
        gather(results, names={"neuron": "x"}, folder=out)
    twice = {"one": results["neurons_table"], "two": results["neurons_table"]}
    with pytest.raises(InvalidInput, match=r"one and two would both be x\.parquet"):
        gather(twice, names=dict.fromkeys(twice, "x"), folder=out)
    assert not out.exists()
    gather(twice, folder=out)
    assert sorted(path.name for path in out.iterdir()) == ["one.parquet", "two.parquet"]


def test_a_report_that_is_unknown_or_lacks_results_is_refused(results: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"em\.connectome"):
        gather(results, report="em.conectome", folder=tmp_path)
    with pytest.raises(InvalidInput, match="'synapses', which the workflow does not have"):
        gather(results, report="em.connectome", folder=tmp_path)
    assert not (tmp_path / "neurons.zarr").exists()


@pytest.mark.slow
def test_of_another_store_files_are_copied_and_arrays_stay(
    results: dict[str, str], bucket: Bucket, tmp_path: Path
) -> None:
    bucket.upload(tmp_path / "store" / "common.relabel-0123", "gathered")
    handles = {
        "labels": Handle("volume", f"zarr://{bucket.uri('gathered/result.zarr')}"),
        "rows": Handle("table", bucket.uri("gathered/rows.parquet")),
    }
    out = tmp_path / "out"
    out.mkdir()
    gather({name: write_handle(tmp_path, name, one) for name, one in handles.items()}, folder=out)
    assert sorted(path.name for path in out.iterdir()) == ["labels.handle.json", "rows.parquet"]
    assert json.loads((out / "labels.handle.json").read_text(encoding="utf-8")) == handles["labels"].to_json()
    assert pq.read_table(out / "rows.parquet").to_pydict() == {"id": [1, 2]}  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "pipeline",
    [
        pytest.param("em/connectome.cwl", marks=pytest.mark.slow),
        pytest.param("xrm/cells_vessels.cwl", marks=pytest.mark.slow),
        "lm/cells.cwl",
        "common/pixels.cwl",
        "common/instances.cwl",
    ],
)
def test_the_last_step_of_a_pipeline_is_skipped_by_voxome_and_has_its_names(pipeline: str) -> None:
    path = PIPELINES / pipeline
    graph = load(path)
    last = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["steps"]["results"]
    tool = YAML(typ="safe").load(path.with_name(last["run"]).read_text(encoding="utf-8"))
    assert all(isinstance(one, FromStep) for one in graph.outputs.values())
    report = graph.hint.report
    assert set(tool["outputs"]) == {*graph.outputs, *(["report"] if report else [])}
    assert "results" not in {node.name for node in graph.steps}
    words = tool["arguments"]
    expected = [("--workflow", graph.name)]
    expected += [("--report", report)] if report else []
    expected += [("--name", f"{name}={file}") for name, file in graph.hint.results.items()]
    assert list(zip(words[::2], words[1::2], strict=True)) == expected
    for name, output in tool["outputs"].items():
        first = output["outputBinding"]["glob"]
        assert (first if isinstance(first, str) else first[0]).partition(".")[0] == graph.hint.file_name(name)


def test_a_step_that_does_something_else_is_refused(tmp_path: Path) -> None:
    for path in (CONNECTOME, RESULTS):
        text = path.read_text(encoding="utf-8").replace("[voxome, gather]", "[python, -c]")
        text = text.replace("../tools/", f"{CONNECTOME.parents[1]}/tools/")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    for name in ("membranes", "neurons", "synapses"):
        text = CONNECTOME.with_name(f"{name}.cwl").read_text(encoding="utf-8")
        (tmp_path / f"{name}.cwl").write_text(text.replace("../tools/", f"{CONNECTOME.parents[1]}/tools/"), "utf-8")
    with pytest.raises(InvalidInput, match=r"results\.cwl:\d+.*has another baseCommand"):
        load(tmp_path / CONNECTOME.name)
