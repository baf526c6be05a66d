"""A foreign program, called on one block."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voxome.blocks.command.program import program_digest
from voxome.blocks.command.tool import BlockFolders, CommandTool, run_program
from voxome.contracts.command_tool import (
    FILES,
    INPUTS,
    CommandDefinition,
    CommandLine,
    CommandParameter,
    HaloNm,
    VolumeFile,
    VolumeOutput,
)
from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.errors import NotFound
from voxome.geometry import Box

DOMAIN = Box.of_shape((10, 10, 10))
BLOCK = BlockContext(Box.parse("2:4,2:5,2:6"), Box.parse("1:5,0:7,2:9"), Frame(DOMAIN, DOMAIN, None, (0.0, 0.0, 0.0)))
IMAGE = np.arange(4 * 7 * 7, dtype=np.uint16).reshape(4, 7, 7)


def tool_of(*argv: str, **line: object) -> CommandTool:
    return CommandTool(
        CommandDefinition(
            name="demo",
            inputs={"image": VolumeFile(format="npy", axes="xyz")},
            volumes={"out": VolumeOutput(format="npy", axes="xyz", dtype="uint16")},
            parameters={"model": CommandParameter(type="File", optional=True)},
            line=CommandLine(argv=argv, globs={"out": ("out.npy",)}, **line),
        )
    )


def test_the_voxels_of_the_write_box_come_back() -> None:
    tool = tool_of("cp", f"{INPUTS}/image/image.npy", "out.npy")
    results = tool.call({"image": IMAGE}, {"model": None}, BLOCK)
    np.testing.assert_array_equal(results["out"], IMAGE[1:3, 2:5, 0:4])


def test_a_file_of_the_user_is_seen_where_the_command_line_says(tmp_path: Path) -> None:
    np.save(tmp_path / "model.npy", IMAGE.transpose() + 1)
    target = f"{FILES}/model/model.npy"
    tool = tool_of("cp", target, "out.npy", files={target: str(tmp_path / "model.npy")})
    results = tool.call({"image": IMAGE}, {"model": str(tmp_path / "model.npy")}, BLOCK)
    np.testing.assert_array_equal(results["out"], IMAGE[1:3, 2:5, 0:4] + 1)
    (tmp_path / "model.npy").unlink()
    with pytest.raises(NotFound, match="it was there when the run was planned"):
        tool.call({"image": IMAGE}, {"model": str(tmp_path / "model.npy")}, BLOCK)


def test_the_digest_of_a_file_of_the_user_is_part_of_the_version(tmp_path: Path) -> None:
    spec = tool_of("true").spec
    (tmp_path / "model").write_text("1")
    first = spec.compute_version({"model": str(tmp_path / "model")})
    (tmp_path / "model").write_text("2")
    assert spec.compute_version({"model": str(tmp_path / "model")}) != first
    with pytest.raises(NotFound, match="model of demo"):
        spec.compute_version({"model": str(tmp_path / "gone")})


def test_limits_are_not_part_of_the_version_as_a_program_that_exceeds_them_has_no_result() -> None:
    first = tool_of("true").digest
    assert tool_of("true", limit_s=60.0, memory_bytes=10**9, cpus=2.0).digest == first
    assert tool_of("true", success_codes=(0, 1)).digest != first


def test_a_halo_in_nm_is_rounded_up_to_voxels() -> None:
    definition = replace(tool_of("true").definition, halo=HaloNm(nm=(80.0, 10.0, 0.0)))
    assert CommandTool(definition).spec.compute_halo({}, (40.0, 4.0, 4.0)) == ((2, 3, 0), (2, 3, 0))


def test_the_digest_of_a_program_covers_its_scripts(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("true")
    line = CommandLine(argv=("sh", str(script)))
    first = program_digest(line, {})
    assert program_digest(line, {"LD_LIBRARY_PATH": "/opt"}) != first
    script.write_text("exit")
    assert program_digest(line, {}) != first
    with pytest.raises(NotFound, match="'no-such-program' is not on this machine"):
        program_digest(CommandLine(argv=("no-such-program",)), {})


def test_the_digest_of_a_program_covers_files_after_equal_signs(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("1")
    line = CommandLine(argv=("true", f"--weights={tmp_path}/weights"))
    first = program_digest(line, {})
    (tmp_path / "weights").write_text("2")
    assert program_digest(line, {}) != first


def test_standard_output_and_error_may_be_one_file(tmp_path: Path) -> None:
    tool = tool_of(
        "sh", "-c", "cat $0; echo 1 >&2; echo 2", f"{INPUTS}/image/image.npy", stdout="out.npy", stderr="out.npy"
    )
    folders = BlockFolders(tmp_path)
    folders.host(f"{INPUTS}/image").mkdir()
    folders.host(f"{INPUTS}/image/image.npy").write_text("0\n")
    assert tool.definition.line is not None
    run_program(tool.definition, tool.definition.line, folders)
    assert folders.find_output("out", ("out.npy",)).read_text() == "0\n1\n2\n"
