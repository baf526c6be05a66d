"""The command line: verbs, options, errors."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.verbs import VERBS

import voxome
from voxome.cli.main import main
from voxome.registry import load
from voxome.workflow.describe import document

WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], at: double?, store: string}
outputs:
  mask: {type: File, outputSource: mark/result}
steps:
  mark: {run: tool.cwl, in: {image: raw, at: at, store: store}, out: [result]}
"""


class Result:
    """What a command left."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def voxome_(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a command in a fresh folder that has a volume and a workflow."""
    monkeypatch.chdir(tmp_path)
    spec = voxome.VolumeSpec.of((20, 16, 12), "uint8", voxel_size_nm=(10, 8, 8))
    volume = np.random.default_rng(2).integers(0, 255, (20, 16, 12))
    voxome.create("zarr://raw.zarr", spec)[...] = volume
    (tmp_path / "tool.cwl").write_text(document(load("voxome.tools", "common.threshold").spec))
    (tmp_path / "mark.cwl").write_text(WORKFLOW)

    def run(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help(voxome_: Any, verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    result = voxome_(*verb, "--help")
    assert result.status == 0
    assert f"voxome {' '.join(verb)}" in result.out
    help_texts = [VERBS[verb].help, *(getattr(one, "help", None) for one in VERBS[verb].params)]
    words = " ".join(result.out.split())
    assert all(" ".join(text.split()) in words for text in help_texts if text)


@pytest.mark.parametrize(("words", "usage"), [([], "voxome [OPTIONS] COMMAND"), (["get"], "voxome get")])
def test_help_is_a_verb(words: list[str], usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["help", *words])
    assert stop.value.code == 0
    assert f"Usage: {usage}" in capsys.readouterr().out


def test_help_lists_every_verb(voxome_: Any) -> None:
    result = voxome_("--help")
    assert result.status == 0
    assert all(verb[0] in result.out for verb in VERBS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["info"],
        ["info", "raw.zarr", "--jsn"],
        ["run", "mark.cwl"],
        ["run", "mark.cwl", "--out", "out", "--workers", "0"],
        ["plan", "mark.cwl", "--block", "8,8"],
        ["plan", "mark.cwl", "--block", "mark=8,8,0"],
        ["plan", "mark.cwl", "--voxel-size", "8,8,nan"],
        ["plan", "mark.cwl", "--set", "raw"],
        ["plan", "mark.cwl", "--set", "raw=a", "--set", "raw=b"],
        ["tool", "common.threshold", "--image", "raw.zarr"],
        ["tool", "common.threshold", "--image", "raw.zarr", "--out", "s", "--heigt", "3"],
        ["tool", "common.threshold", "--image", "raw.zarr", "--out", "s", "--workers", "0"],
        ["score", "segmentation", "--truth", "raw.zarr"],
        ["phantom", "made", "--shape", "8"],
    ],
)
def test_wrong_usage_ends_with_2(voxome_: Any, arguments: list[str]) -> None:
    result = voxome_(*arguments)
    assert result.status == 2
    assert result.out == ""
    assert result.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "none.zarr"], "none.zarr"),
        (["info", "nothing://x"], "Unknown scheme 'nothing'"),
        (["plan", "none.cwl", "--set", "raw=raw.zarr"], "none.cwl does not exist"),
        (["plan", "mark.cwl"], "needs the input 'raw'"),
        (["plan", "mark.cwl", "--set", "raw=none.zarr"], "none.zarr"),
        (["plan", "mark.cwl", "--set", "raw=raw.zarr", "--set", "att=3"], "did you mean 'at'?"),
        (["plan", "mark.cwl", "--set", "raw=raw.zarr", "--set", "at=x"], "the input 'at' of the workflow is 'x'"),
        (["plan", "mark.cwl", "--set", "raw=raw.zarr", "--block", "mork=8,8,8"], "did you mean 'mark'?"),
        (["plan", "mark.cwl", "--set", "raw=raw.zarr", "--box", "0:8"], "0:8"),
        (["tool", "common.threshold", "--image", "none.zarr", "--out", "s"], "none.zarr"),
        (["score", "detections", "--truth", "a.parquet", "--result", "b.parquet"], "a.parquet"),
        (["score", "segmentation", "--truth", "none.zarr", "--result", "raw.zarr"], "none.zarr"),
        (["clean", "."], "is not a run folder"),
    ],
)
def test_errors_end_with_1_and_one_message(voxome_: Any, arguments: list[str], message: str) -> None:
    result = voxome_(*arguments)
    assert result.status == 1
    assert result.err.startswith("voxome: ")
    assert message in result.err
    assert result.out == ""


@pytest.mark.slow
def test_info_shows_metadata(voxome_: Any) -> None:
    facts = voxome_("info", "raw.zarr", "--json").json
    assert facts["shape"] == [20, 16, 12]
    assert (facts["dtype"], facts["kind"], facts["format"]) == ("uint8", "image", "zarr")
    assert facts["voxel_size_nm"] == [10, 8, 8]
    assert facts["axes"] == ["z", "y", "x"]
    result = voxome_("info", "raw.zarr")
    assert all(any(name in line and value in line for line in result.out.splitlines()) for name, value in [
        ("shape", "20,16,12"), ("voxel size (nm)", "10,8,8"), ("dtype", "uint8"), ("levels", "20,16,12")
    ])  # fmt: skip


@pytest.mark.slow
def test_plan_tells_the_run_and_run_does_it(voxome_: Any, tmp_path: Path) -> None:
    arguments = ["mark.cwl", "--set", "raw=raw.zarr", "--set", "at=99", "--block", "8,8,8"]
    plan = voxome_("plan", *arguments, "--json").json
    assert [(step["name"], step["blocks"]) for step in plan["steps"]] == [("mark", 12)]
    result = voxome_("plan", *arguments)
    assert "common.threshold" in result.out
    first = voxome_("run", *arguments, "--out", "out", "--workers", "2", "--json")
    assert first.status == 0
    assert first.json["steps"][0]["blocks"] == {"total": 12, "run": 12, "reused": 0}
    assert "mark: 12 blocks" in first.err
    again = voxome_("run", *arguments, "--out", "out")
    assert again.out == ""
    assert "12 of them reused" in again.err
    mask = voxome.open("out/mask.zarr")[...]
    np.testing.assert_array_equal(mask, np.where(np.asarray(voxome.open("raw.zarr")) > 99, 255, 0))
    assert voxome_("run", *arguments, "--box", "0:8,0:8,0:8", "--out", "out").status == 0
    assert voxome_("clean", "out").status == 0


@pytest.mark.slow
def test_an_empty_setting_is_as_not_given(voxome_: Any) -> None:
    arguments = ["plan", "mark.cwl", "--set", "raw=raw.zarr", "--set", "at=", "--json"]
    assert voxome_(*arguments).json["steps"][0]["parameters"] == {"at": 0.5}


@pytest.mark.slow
def test_a_tool_leaves_handles(voxome_: Any, tmp_path: Path) -> None:
    arguments = ["tool", "common.threshold", "--image", "raw.zarr", "--at=99", "--out", "store", "--block", "8,8,8"]
    result = voxome_(*arguments)
    assert (result.status, result.out) == (0, "")
    assert "handle in result.handle.json" in result.err
    handle = json.loads((tmp_path / "result.handle.json").read_text())
    assert voxome_(*arguments, "--json").json == {"result": handle}
    assert handle["uri"].startswith(f"zarr://{tmp_path}/store/common.threshold-")
    counts = ["tool", "common.statistics", "--image", "result.handle.json", "--out", "store", "--json"]
    assert voxome_(*counts).json["result"]["type"] == "table"
    assert "--at" in voxome_("tool", "common.threshold", "--help").out


def test_help_of_a_tool_names_choices_and_says_all(voxome_: Any) -> None:
    result = " ".join(voxome_("tool", "em.agglomerate", "--help").out.split())
    assert "--method mean|waterz|mutex" in result
    assert "IEEE TPAMI 41:1669), or by the mutex watershed on the region graph." in result


@pytest.mark.slow
def test_tools_are_listed(voxome_: Any) -> None:
    tools = {tool["name"]: tool for tool in voxome_("tools", "--json").json}
    assert tools["common.threshold"]["inputs"] == ["image"]
    assert tools["common.threshold"]["parameters"] == ["at"]
    assert "common.threshold" in voxome_("tools").out


@pytest.mark.slow
def test_scores_of_instances_are_printed_for_each_threshold(voxome_: Any) -> None:
    spec = voxome.VolumeSpec.of((4, 5, 6), "uint64")
    voxome.create("zarr://truth.zarr", spec)[...] = 1
    arguments = ("score", "instances", "--truth", "truth.zarr", "--result", "truth.zarr")
    assert len(voxome_(*arguments, "--json").json["thresholds"]) == 10
    lines = voxome_(*arguments, "--iou", "0.5").out.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["iou", "average_precision"],
        ["0.5000", "1.0000"],
        ["average_precision", "1.0000"],
    ]


@pytest.mark.slow
def test_scores_are_printed(voxome_: Any) -> None:
    labels = np.arange(4 * 4 * 4).reshape(4, 4, 4) // 8 + 1
    voxome.create("zarr://truth.zarr", voxome.VolumeSpec.of((4, 4, 4), "uint64"))[...] = labels
    result = voxome_("score", "segmentation", "--truth", "truth.zarr", "--result", "truth.zarr", "--json")
    assert result.json == {"voi_split": 0, "voi_merge": 0, "adapted_rand_error": 0}
    assert "voi_split" in voxome_("score", "segmentation", "--truth", "truth.zarr", "--result", "truth.zarr").out


@pytest.mark.slow
def test_a_phantom_is_not_overwritten(voxome_: Any) -> None:
    arguments = ["phantom", "made", "--shape", "24,32,40", "--seed", "7"]
    assert voxome_(*arguments).status == 0
    assert voxome_("info", "made/labels.zarr", "--json").json["shape"] == [24, 32, 40]
    again = voxome_(*arguments)
    assert again.status == 1
    assert "already contains raw.zarr" in again.err


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_help_is_quick_and_loads_nothing_heavy() -> None:
    heavy = ["scipy", "numba", "onnxruntime", "h5py", "torch", "pyarrow", "tensorstore", "cwltool", "sqlalchemy"]
    code = f"""
import sys
from voxome.cli.main import main
try:
    main(["--help"])
except SystemExit:
    pass
print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    done = _python("-c", f"{code}\nimport time\nprint(time.process_time())")
    assert done.stderr.strip() == "[]"
    assert float(done.stdout.split()[-1]) < 5


@pytest.mark.slow
def test_the_exit_status_of_the_installed_command() -> None:
    command = Path(sys.executable).with_name("voxome")
    done = subprocess.run([command, "info", "none.zarr"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("voxome: ")
    assert subprocess.run([command, "nothing"], capture_output=True, check=False).returncode == 2


def test_an_interruption_ends_with_130_and_a_sentence(voxome_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("voxome.services.describe.info", stop)
    result = voxome_("info", "raw.zarr")
    assert (result.status, result.out, result.err) == (130, "", "Interrupted\n")
    monkeypatch.setattr("voxome.services.transfer.run.transfer", lambda *_, **__: stop())
    result = voxome_("transfer", "raw.zarr", "zarr://b.zarr")
    assert (result.status, result.err) == (130, "Interrupted; rerun the same command to resume\n")


class Stubborn:
    """Interrupted where no exception gets out."""

    def __del__(self) -> None:
        raise KeyboardInterrupt


def test_an_interruption_is_never_lost(voxome_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: object) -> None:
        Stubborn()
        time.sleep(200)

    monkeypatch.setattr("voxome.services.describe.info", work)
    began, before = time.monotonic(), sys.unraisablehook
    result = voxome_("info", "raw.zarr")
    assert (result.status, result.err) == (130, "Interrupted\n")
    assert time.monotonic() - began < 100
    assert sys.unraisablehook is before


def test_a_full_disk_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "out")

    monkeypatch.setattr("voxome.services.describe.info", full)
    with pytest.raises(SystemExit) as ended:
        main(["info", "raw.zarr"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "voxome: No space left on device: out; check the path, its permissions and the free disk space\n"
    )


@pytest.mark.slow
def test_every_verb_takes_boxes_without_some_ends(voxome_: Any) -> None:
    text, box = "3:,:,2:9", "3:20,0:16,2:9"
    assert voxome_("get", "raw.zarr", "crop.npy", "--box", text, "--json").json["box"] == box
    assert voxome_("transfer", "raw.zarr", "zarr://crop.zarr", "--box", text).status == 0
    assert voxome_("info", "crop.zarr", "--json").json["shape"] == [17, 16, 7]
    plan = voxome_("plan", "mark.cwl", "--set", "raw=raw.zarr", "--box", text, "--json").json
    assert plan["steps"][0]["frame"]["box"] == box
    threshold = voxome_("tool", "common.threshold", "--image", "raw.zarr", "--out", "o", "--box", text, "--json").json
    assert threshold["result"]["box"] == box
    labels = voxome.VolumeSpec.of((4, 4, 4), "uint64")
    voxome.create("zarr://truth.zarr", labels)[...] = 1
    assert (
        voxome_("score", "segmentation", "--truth", "truth.zarr", "--result", "truth.zarr", "--box", ":,1:,:2").status
        == 0
    )


@pytest.mark.slow
def test_a_job_file_has_the_inputs_and_set_overrides_them(voxome_: Any, tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text("raw: {class: File, path: raw.zarr}\nat: 99\n")
    plan = voxome_("plan", "mark.cwl", "job.yml", "--json").json
    assert plan["steps"][0]["parameters"] == {"at": 99}
    assert voxome_("plan", "mark.cwl", "job.yml", "--set", "at=7", "--json").json["steps"][0]["parameters"] == {"at": 7}
    assert voxome_("plan", "mark.cwl", "job.yml", "--set", "at=", "--json").json["steps"][0]["parameters"] == {
        "at": 0.5
    }
    (tmp_path / "job.yml").write_text("row: raw.zarr\n")
    result = voxome_("run", "mark.cwl", "job.yml", "--out", "o")
    assert result.status == 1
    assert "Unknown workflow input 'row'; did you mean 'raw'?" in result.err
    assert not Path("o").exists()


@pytest.mark.slow
def test_a_run_says_at_once_what_it_does(voxome_: Any) -> None:
    result = voxome_("run", "mark.cwl", "--set", "raw=raw.zarr", "--out", "o", "--workers", "1")
    first, second, *_ = result.err.splitlines()
    assert first == "Checking mark.cwl"
    assert second == "Running mark: 1 step, 1 block into o; --workers 1"


@pytest.mark.slow
def test_images_are_not_scored_as_segmentations(voxome_: Any) -> None:
    result = voxome_("score", "segmentation", "--truth", "raw.zarr", "--result", "raw.zarr")
    assert result.status == 1
    assert "raw.zarr is image data of uint8; expected a label volume" in result.err


def test_plan_and_run_differ_by_the_verb_alone() -> None:
    options = {
        verb: {option for one in VERBS[verb,].params for option in (*one.opts, *one.secondary_opts)}
        for verb in ("plan", "run")
    }
    assert options["plan"] == options["run"]


@pytest.mark.slow
def test_plan_takes_the_arguments_of_a_run_and_writes_nothing(voxome_: Any, tmp_path: Path) -> None:
    line = "mark.cwl --set raw=raw.zarr --out o --store kept --workers 1 --engine threads --records sqlite"
    planned = voxome_("plan", *line.split(), "--json").json
    steps = {step["name"]: step["written_bytes"] for step in planned["steps"]}
    assert (planned["workers"], planned["written_bytes"], steps["mark"]) == (1, sum(steps.values()), 20 * 16 * 12)
    assert planned["disk"]["folder"] == str(tmp_path)
    assert planned["changes"] == []
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / "kept").exists()
    assert voxome_("run", *line.split()).status == 0
    changed = voxome_("plan", *line.split(), "--set", "at=3", "--json").json
    assert changed["changes"] == ["step mark runs again: parameter at changed from 0.5 to 3.0"]
    assert changed["changes"][0] in voxome_("plan", *line.split(), "--set", "at=3").err
    assert "names no scorer" in voxome_("plan", *line.split(), "--truth", ".").err
    assert "Unknown engine 'thread'" in voxome_("plan", "mark.cwl", "--set", "raw=raw.zarr", "--engine", "thread").err


@pytest.mark.slow
def test_a_job_file_for_other_cwl_runners_is_used_as_it_is(voxome_: Any, tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text("cwl:tool: mark.cwl\nraw: raw.zarr\nstore: kept\nworkers: 1\nblock: 8,8,8\n")
    result = voxome_("run", "mark.cwl", "job.yml", "--out", "o", "--json")
    assert result.json["steps"][0]["blocks"]["total"] == 12
    assert result.json["engines"][0]["workers"] == 1
    assert (tmp_path / "kept" / "mask.zarr").exists()
    planned = voxome_("plan", "mark.cwl", "job.yml", "--block", "20,16,12", "--workers", "2", "--json").json
    assert (planned["steps"][0]["blocks"], planned["workers"]) == (1, 2)
    for setting in ("store=kept", "workers=2"):
        result = voxome_("plan", "mark.cwl", "--set", "raw=raw.zarr", "--set", setting)
        assert result.status == 1
        assert f"give --{setting.partition('=')[0]}" in result.err
