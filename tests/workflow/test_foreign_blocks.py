"""Foreign programs over blocks: what they are given, what is made of their files, and what is refused."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from workflow.block_programs import COPY_STEP, SEGMENT, SEGMENT_STEP, balls, copy_tool, write_workflow

import voxome
from voxome.blocks.command import tool as command_tool
from voxome.contracts.engine import MIB, Capacity
from voxome.contracts.environment import Command
from voxome.engines.sequential import SequentialEngine
from voxome.environments.call import call
from voxome.errors import InvalidInput, PlanError, RunFailed
from voxome.resources.table import TableFile
from voxome.workflow.store import run_id
from voxome.workflow.verbs import plan, run

pytestmark = pytest.mark.slow
SIZE_NM = (10.0, 10.0, 10.0)


def labels_of(out: Path, name: str = "segments") -> NDArray[np.uint64]:
    return np.asarray(voxome.open(out / f"{name}.zarr")[...])


def as_partition(labels: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return labels numbered in the order of their first voxels, which is the same for equal objects."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].reshape(labels.shape)


def rows_of(out: Path) -> set[tuple[int, ...]]:
    rows = TableFile(str(out / "cells.parquet")).read()
    return set(zip(*(rows[name].tolist() for name in ("x", "y", "z", "value")), strict=True))


def copy_image(tmp_path: Path, tool: str, image: NDArray[Any], workflow: str = COPY_STEP) -> Path:
    np.save(tmp_path / "raw.npy", image)
    out = tmp_path / "out"
    path = write_workflow(tmp_path, workflow, tool)
    run(path, {"raw": tmp_path / "raw.npy"}, out=out, engine="sequential", voxel_size_nm=SIZE_NM)
    return out


@pytest.mark.parametrize("block", [(32, 32, 32), (24, 24, 24)], ids=["8 blocks", "27 blocks"])
def test_objects_of_many_blocks_are_those_of_the_whole(tmp_path: Path, block: tuple[int, int, int]) -> None:
    np.save(tmp_path / "raw.npy", balls(64))
    workflow = write_workflow(tmp_path, SEGMENT_STEP, SEGMENT)
    for out, shape in (("whole", (64, 64, 64)), ("blocks", block)):
        run(
            workflow,
            {"raw": tmp_path / "raw.npy"},
            out=tmp_path / out,
            engine="sequential",
            block=shape,
            voxel_size_nm=SIZE_NM,
        )
    whole, parts = labels_of(tmp_path / "whole"), labels_of(tmp_path / "blocks")
    assert len(np.unique(whole)) == 217
    np.testing.assert_array_equal(as_partition(parts), as_partition(whole))
    assert rows_of(tmp_path / "blocks") == rows_of(tmp_path / "whole")
    assert len(rows_of(tmp_path / "whole")) == 216


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("{format: npy, axes: xyz%s}", "out.npy"),
        ("{format: hdf5, axes: yzx, dataset: a/b%s}", "out.h5"),
        ("{format: tiff, axes: z1yx%s}", "out.tif"),
        ("{format: nifti, axes: xyz%s}", "out.nii"),
    ],
)
def test_files_have_the_format_and_axes_that_the_hint_says(tmp_path: Path, file: str, name: str) -> None:
    image = np.arange(9 * 10 * 11).reshape(9, 10, 11).astype(np.uint16)
    tool = copy_tool(f"[cp, $(inputs.image), {name}]", image=file % "", out=file % ", dtype: uint16", glob=name)
    out = copy_image(tmp_path, tool, image)
    np.testing.assert_array_equal(labels_of(out, "out"), image)


@pytest.mark.slow
def test_zarr_is_a_folder(tmp_path: Path) -> None:
    image = np.arange(9 * 10 * 11).reshape(9, 10, 11).astype(np.int32)
    tool = copy_tool(
        "[cp, -r, $(inputs.image), out]",
        image="{format: zarr, axes: xyz}",
        out="{format: zarr, axes: xyz, dtype: int32}",
        glob="out",
    ).replace("File", "Directory")
    out = copy_image(tmp_path, tool, image, COPY_STEP.replace("File", "Directory"))
    np.testing.assert_array_equal(labels_of(out, "out"), image)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint16"])
def test_ids_that_a_narrow_dtype_cannot_hold_come_back(tmp_path: Path, dtype: str) -> None:
    image = np.zeros((9, 9, 9), np.uint64)
    image[:3], image[3:6], image[6:] = 2**53, 2**53 + 1, 2**64 - 1
    tool = copy_tool(
        image=f"{{format: npy, axes: xyz, kind: labels, dtype: {dtype}}}",
        out=f"{{format: npy, axes: xyz, kind: labels, dtype: {dtype}, ids: image}}",
    )
    np.testing.assert_array_equal(labels_of(copy_image(tmp_path, tool, image), "out"), image)


def test_labels_that_touch_at_faces_of_blocks_are_joined(tmp_path: Path) -> None:
    image = np.zeros((16, 16, 16), np.uint8)
    image[2:14, 4, 4], image[2, 4:12, 4], image[12, 12, 1:15] = 1, 1, 2
    tool = copy_tool(
        hint="block: [8, 8, 8]",
        out="{format: npy, kind: labels, extent: write, stitch: {rule: touching}}",
    )
    labels = labels_of(copy_image(tmp_path, tool, image), "out")
    np.testing.assert_array_equal(as_partition(labels), as_partition(image.astype(np.uint64)))


@pytest.mark.slow
def test_labels_of_blocks_stay_apart_without_a_rule(tmp_path: Path) -> None:
    image = np.ones((16, 16, 16), np.uint8)
    tool = copy_tool(out="{format: npy, kind: labels, stitch: {rule: none}}")
    assert len(np.unique(labels_of(copy_image(tmp_path, tool, image), "out"))) == 8


FAULTS = [
    ('["true"]', {}, "without an error, but not with its output 'out' (out.npy); its work folder has: nothing"),
    ("[sh, -c, 'echo broken >&2; exit 3']", {}, "sh exited with status 3: broken"),
    ("[sh, -c, 'kill -9 $$']", {}, "was killed by signal 9"),
    ("[sh, -c, 'echo text > out.npy']", {}, "out.npy is not a .npy file"),
    ("[ln, -s, /dev/null, out.npy]", {}, "is a link to /dev/null, outside of the work folder"),
    ("[mkfifo, out.npy]", {}, "has out.npy, which is not a file or folder of the work folder"),
    (
        "[sh, -c, 'mkdir out; ln -s /dev/null out/0.0.0']",
        {"glob": "out", "out": "{format: zarr, dtype: uint8}"},
        "has out/0.0.0, which is not a file or folder of the work folder",
    ),
    ("[sh, -c, 'touch a.npy b.npy']", {"glob": "'*.npy'"}, "is 2 files; expected one: a.npy, b.npy"),
    ("[cp, $(inputs.image), out.npy]", {"out": "{format: npy, dtype: int8}"}, "is uint8, but the hint says int8"),
    (
        "[cp, $(inputs.image), out.npy]",
        {"out": "{format: npy, dtype: uint8, extent: write}"},
        "has shape (8, 8, 9) along zyx, but the write box of the block has (8, 8, 8)",
    ),
    ("[sleep, '60']", {"more": "requirements: {ToolTimeLimit: {timelimit: 1}}"}, "time limit of 1 s"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("argv", "changes", "message"), FAULTS, ids=[message[:30] for *_, message in FAULTS])
def test_what_a_program_does_wrong_is_named(tmp_path: Path, argv: str, changes: dict[str, str], message: str) -> None:
    with pytest.raises(RunFailed) as error:
        copy_image(tmp_path, copy_tool(argv, **changes), np.ones((8, 8, 9), np.uint8))
    assert message in str(error.value)


def test_commands_of_blocks_have_the_id_of_their_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def record(environment: Any, command: Command, **options: Any) -> int:
        runs.append(command.run)
        return call(environment, command, **options)

    monkeypatch.setattr(command_tool, "call", record)
    out = copy_image(tmp_path, copy_tool(hint="block: [16, 16, 16]"), np.ones((8, 8, 9), np.uint8))
    assert runs == [run_id(out)]


@pytest.mark.slow
def test_a_program_that_takes_too_long_is_not_tried_again(tmp_path: Path) -> None:
    more = "requirements: {ToolTimeLimit: {timelimit: 1}}"
    tool = copy_tool(f"[sh, -c, 'echo x >> {tmp_path}/starts; sleep 60']", hint="block: [16, 16, 16]", more=more)
    with pytest.raises(RunFailed, match="time limit of 1 s"):
        copy_image(tmp_path, tool, np.ones((8, 8, 9), np.uint8))
    assert (tmp_path / "starts").read_text() == "x\n"


@pytest.mark.slow
def test_pickles_are_refused_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "cells.pkl").write_bytes(b"\x80\x04N.")
    for file, message in (
        ("objects.npy", "has the dtype object: it is a Python pickle"),
        ("cells.pkl", "a Python pickle"),
    ):
        with pytest.raises(RunFailed, match=message):
            copy_image(tmp_path, copy_tool(f"[cp, {tmp_path / file}, out.npy]"), np.ones((8, 8, 9), np.uint8))


def test_a_dtype_that_a_format_cannot_store_is_named_before_anything_runs(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.ones((9, 9, 9), bool))
    tool = copy_tool(image="{format: nifti}", out="{format: nifti, dtype: uint8}")
    workflow = write_workflow(tmp_path, COPY_STEP, tool)
    with pytest.raises(PlanError, match="image is bool, which nifti cannot store"):
        plan(workflow, {"raw": tmp_path / "raw.npy"})


def test_a_missing_program_is_named_before_anything_runs(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.ones((9, 9, 9), np.uint8))
    workflow = write_workflow(tmp_path, COPY_STEP, copy_tool("[no-such-program, $(inputs.image)]"))
    with pytest.raises(PlanError, match="the program 'no-such-program' is not on this machine"):
        plan(workflow, {"raw": tmp_path / "raw.npy"})


@pytest.mark.parametrize(
    ("more", "glob", "problem"),
    [
        ("requirements: {InitialWorkDirRequirement: {listing: [{entryname: NAME, entry: x}]}}", "out.npy", "bytes"),
        (r'stdout: "a\0b"', "out.npy", "has a character that no path can have"),
        ("", r'"a\0b"', "has a character that no path can have"),
    ],
)
def test_names_that_no_file_can_have_are_refused_before_anything_runs(
    tmp_path: Path, more: str, glob: str, problem: str
) -> None:
    workflow = write_workflow(tmp_path, COPY_STEP, copy_tool(more=more.replace("NAME", "x" * 300), glob=glob))
    np.save(tmp_path / "raw.npy", np.ones((8, 8, 9), np.uint8))
    with pytest.raises(PlanError, match=problem):
        plan(workflow, {"raw": tmp_path / "raw.npy"}, voxel_size_nm=SIZE_NM)


@pytest.mark.parametrize(
    ("argv", "more"),
    [
        ("[cp, $(inputs.image), $(inputs.image.size)]", ""),
    ],
)
def test_a_command_line_that_depends_on_the_block_is_refused(tmp_path: Path, argv: str, more: str) -> None:
    np.save(tmp_path / "raw.npy", np.ones((9, 9, 9), np.uint8))
    workflow = write_workflow(tmp_path, COPY_STEP, copy_tool(argv, more=more))
    with pytest.raises(PlanError, match="depends on the size or content of a file of a block"):
        plan(workflow, {"raw": tmp_path / "raw.npy"})


@pytest.mark.slow
def test_an_edited_program_runs_again(tmp_path: Path) -> None:
    script = tmp_path / "copy.sh"
    script.write_text('cp "$1" out.npy\n')
    tool = copy_tool(f"[sh, {script}, $(inputs.image)]")
    image = np.ones((9, 9, 9), np.uint8)
    np.save(tmp_path / "raw.npy", image)
    workflow = write_workflow(tmp_path, COPY_STEP, tool)
    first = plan(workflow, {"raw": tmp_path / "raw.npy"}).key
    assert plan(workflow, {"raw": tmp_path / "raw.npy"}).key == first
    script.write_text('cp "$1"  out.npy\n')
    assert plan(workflow, {"raw": tmp_path / "raw.npy"}).key != first


@pytest.mark.slow
def test_environment_texts_and_streams_reach_the_program(tmp_path: Path) -> None:
    more = """
stdin: $(inputs.image.path)
stdout: out.npy
requirements:
  EnvVarRequirement: {envDef: {WHICH: fi}}
  InitialWorkDirRequirement: {listing: [{entryname: run.sh, entry: 'test "$WHICH$HOSTS" = fi && cat'}]}
"""
    tool = copy_tool("[sh, run.sh]", more=more)
    image = np.arange(729).reshape(9, 9, 9).astype(np.uint8)
    np.testing.assert_array_equal(labels_of(copy_image(tmp_path, tool, image), "out"), image)


@pytest.mark.slow
def test_a_text_in_the_work_folder_names_files_where_the_program_sees_them(tmp_path: Path) -> None:
    text = "requirements: {InitialWorkDirRequirement: {listing: [{entryname: names, entry: $(inputs.image.path)}]}}"
    tool = copy_tool("[sh, -c, 'cp $(cat names) out.npy']".replace("$(cat names)", "`cat names`"), more=text)
    image = np.arange(729).reshape(9, 9, 9).astype(np.uint8)
    np.testing.assert_array_equal(labels_of(copy_image(tmp_path, tool, image), "out"), image)


@pytest.mark.slow
def test_two_parameters_may_name_one_file(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.arange(729).reshape(9, 9, 9).astype(np.uint8))
    (tmp_path / "w").write_text("x")
    tool = copy_tool("[sh, -c, 'cat $1 $2 && cp $0 out.npy', $(inputs.image), $(inputs.a), $(inputs.b)]")
    tool = tool.replace("inputs: {image: File}", "inputs: {image: File, a: File, b: File}")
    workflow = write_workflow(
        tmp_path,
        COPY_STEP.replace("raw: File", "raw: File, w: File").replace("{image: raw}", "{image: raw, a: w, b: w}"),
        tool,
    )
    inputs = {"raw": tmp_path / "raw.npy", "w": tmp_path / "w"}
    run(workflow, inputs, out=tmp_path / "out", engine="sequential", voxel_size_nm=(10, 10, 10))
    np.testing.assert_array_equal(labels_of(tmp_path / "out", "out"), np.load(tmp_path / "raw.npy"))


@pytest.mark.slow
def test_big_endian_files_are_read(tmp_path: Path) -> None:
    swap = "import sys, numpy as n; a = n.load(sys.argv[1]); n.save(sys.argv[2], a.astype(a.dtype.newbyteorder()))"
    out = "{format: npy, dtype: uint16}"
    tool = copy_tool(f'[{sys.executable}, -c, "{swap}", $(inputs.image), out.npy]', out=out)
    image = np.arange(729).reshape(9, 9, 9).astype(np.uint16)
    np.testing.assert_array_equal(labels_of(copy_image(tmp_path, tool, image), "out"), image)


def test_problems_of_the_hint_have_file_and_line(tmp_path: Path) -> None:
    tool = copy_tool(
        hint="halo: [1, 2], blok: 3",
        image="{format: npi, axs: xyz}",
        out="{format: npy, kind: labels}",
    )
    workflow = write_workflow(tmp_path, COPY_STEP, tool)
    np.save(tmp_path / "raw.npy", np.ones((9, 9, 9), np.uint8))
    with pytest.raises(InvalidInput) as error:
        plan(workflow, {"raw": tmp_path / "raw.npy"})
    text = str(error.value)
    assert "tool.cwl:7" in text
    for part in ("halo is [1, 2]", "'blok'; did you mean 'block'?", "'axs'; did you mean 'axes'?", "'npi'"):
        assert part in text


def test_expressions_without_nodejs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").symlink_to("/bin/false")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    tool = copy_tool(glob="$('out' + '.npy')", more="requirements: {InlineJavascriptRequirement: {}}")
    workflow = write_workflow(tmp_path, COPY_STEP, tool)
    with pytest.raises(
        InvalidInput, match=r"expression \$\('out' \+ '.npy'\) needs JavaScript, and Node.js is missing"
    ):
        plan(workflow, {"raw": tmp_path / "raw.npy"})


def test_ports_may_be_called_like_options_of_voxome(tmp_path: Path) -> None:
    check = "[sh, -c, 'test $1-$2-$3 = 7-x-2.5 && cp $0 out.npy', $(inputs.image), $(inputs.block), $(inputs.store)"
    ports = "inputs: {image: File, block: {type: int, default: 7}, store: {type: string, default: x}, workers: float?}"
    tool = copy_tool(f"{check}, $(inputs.workers)]").replace("inputs: {image: File}", ports)
    workflow = COPY_STEP.replace("in: {image: raw}", "in: {image: raw, workers: {default: 2.5}}")
    image = np.arange(729).reshape(9, 9, 9).astype(np.uint8)
    np.testing.assert_array_equal(labels_of(copy_image(tmp_path, tool, image, workflow), "out"), image)


def test_rows_of_one_label_are_combined_over_blocks(tmp_path: Path) -> None:
    image = np.zeros((12, 12, 12), np.uint64)
    image[:5], image[5:9, :7] = 2**60, 2**60 + 1
    count = (
        "import sys, numpy as np; v = np.load(sys.argv[1]); assert v.dtype == np.float64; "
        "ids, n = np.unique(v[v > 0], return_counts=True); "
        "np.save('out.npy', np.stack([ids, n, n], axis=1))"
    )
    (tmp_path / "count.py").write_text(count)
    tool = copy_tool(
        f"[{sys.executable}, {tmp_path / 'count.py'}, $(inputs.image)]",
        hint="block: [8, 8, 8]",
        image="{format: npy, axes: xyz, kind: labels, dtype: float64}",
        out="{format: npy, kind: table, columns: {label: uint64, voxels: int64, most: int64}, ids: {label: image}, "
        "key: label, fold: {voxels: sum, most: max}}",
    )
    rows = TableFile(str(copy_image(tmp_path, tool, image) / "out.parquet")).read()
    assert rows["label"].tolist() == [2**60, 2**60 + 1]
    assert rows["voxels"].tolist() == [5 * 12 * 12, 4 * 7 * 12]
    assert rows["most"].tolist() == [5 * 8 * 8, 3 * 7 * 8]


def test_a_finished_step_may_have_reserved_more_than_the_engine_has_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: File}
outputs: {out: {type: File, outputSource: second/out}, first: {type: File, outputSource: first/out}}
steps:
  first: {run: tool.cwl, in: {image: raw}, out: [out]}
  second: {run: small.cwl, in: {image: first/out}, out: [out]}
"""
    np.save(tmp_path / "raw.npy", np.ones((8, 8, 9), np.uint8))
    (tmp_path / "small.cwl").write_text(copy_tool())
    large = copy_tool(more="requirements: {ResourceRequirement: {ramMin: 64}}")
    workflow, given = write_workflow(tmp_path, steps, large), {"raw": tmp_path / "raw.npy"}
    options: dict[str, Any] = {"out": tmp_path / "out", "engine": "sequential", "voxel_size_nm": SIZE_NM}
    run(workflow, given, **options)
    monkeypatch.setattr(SequentialEngine, "capacity", lambda _: Capacity(memory_bytes=MIB), raising=False)
    shutil.rmtree(tmp_path / "out" / "out.zarr")
    assert [one["blocks"]["reused"] for one in run(workflow, given, **options)["steps"]] == [2, 0]
    shutil.rmtree(tmp_path / "out" / "first.zarr")
    with pytest.raises(PlanError, match="step first cannot run: it needs 64 MiB"):
        run(workflow, given, **options)
