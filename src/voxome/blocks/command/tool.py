"""A foreign program as a tool of the block runner."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from voxome.blocks.command.formats import ARRAY_FORMATS
from voxome.blocks.command.labels import GivenLabels
from voxome.blocks.command.program import program_digest
from voxome.blocks.command.spec import spec_of
from voxome.blocks.command.tables import read_rows
from voxome.blocks.command.volumes import read_volume, write_volume
from voxome.blocks.memory import add_program
from voxome.contracts.command_tool import FILES, FOLDER, INPUTS, SCRATCH, WORK, CommandDefinition, CommandLine
from voxome.contracts.context import BlockContext, Context
from voxome.contracts.environment import Command, Mount
from voxome.contracts.kinds import Parameters
from voxome.contracts.tool import ToolSpec
from voxome.environments import open_environment
from voxome.environments.call import call, describe_status
from voxome.environments.supervisors import temporary_folder
from voxome.errors import InvalidInput, NotFound, ProgramFailed
from voxome.storage.bounded_file import read_end
from voxome.storage.find import storage_at

_LOG_SHOWN = 2000
"""Characters of the program's own output that a message has."""


@dataclass(frozen=True)
class CommandTool:
    """A program whose inputs are files of the read box, and whose outputs are files, too.

    Attributes
    ----------
    definition : CommandDefinition
        The program and its files; with its command line, which its spec does not need.
    """

    definition: CommandDefinition

    @cached_property
    def spec(self) -> ToolSpec:
        """Inputs, parameters and outputs."""
        return spec_of(self.definition)

    @cached_property
    def digest(self) -> str:
        """Digest of the image or program, its command line and the hint."""
        line = self.definition.line
        if line is None or self.definition.image is not None:
            return self.definition.key
        passed = open_environment(self.definition.environment).passed_variables()
        return replace(self.definition, digest=program_digest(line, passed)).key

    def call(self, inputs: Mapping[str, object], parameters: Parameters, context: Context | None) -> dict[str, Any]:
        """Run the program on one block; see `voxome.contracts.tool.Tool.call`.

        Raises
        ------
        ProgramFailed
            If the program fails.
        InvalidInput
            If its outputs are not what the hint says.
        """
        line = self.definition.line
        assert line is not None
        assert isinstance(context, BlockContext)
        with tempfile.TemporaryDirectory(prefix="block-", dir=temporary_folder(), ignore_cleanup_errors=True) as name:
            folders = BlockFolders(Path(name).resolve())
            given = self._write_inputs(inputs, folders)
            for target, address in line.files.items():
                folders.add_file(address, folders.host(target))
            for text_name, text in line.texts.items():
                spelled = folders.native(text) if self.definition.image is None else text
                folders.text_path(text_name).write_text(spelled, encoding="utf-8")
            run_program(self.definition, line, folders, context.run)
            return self._read_outputs(line, folders, context, given)

    def _write_inputs(self, inputs: Mapping[str, object], folders: BlockFolders) -> dict[str, GivenLabels]:
        given = {}
        for name, value in inputs.items():
            file = self.definition.inputs[name]
            path = folders.host(input_path(name, ARRAY_FORMATS[file.format].suffix))
            path.parent.mkdir(parents=True)
            labels = write_volume(np.asarray(value), file, path, name)
            if labels is not None:
                given[name] = labels
        return given

    def _read_outputs(
        self, line: CommandLine, folders: BlockFolders, block: BlockContext, given: dict[str, GivenLabels]
    ) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for name, output in self.definition.volumes.items():
            results |= read_volume(name, output, folders.find_output(name, line.globs[name]), block, given)
        for name, table in self.definition.tables.items():
            results[name] = read_rows(name, table, folders.find_output(name, line.globs[name]), block, given)
        return results


@dataclass(frozen=True)
class BlockFolders:
    """Folders of one block on this machine, below `root`, which stands for `FOLDER`."""

    root: Path

    def __post_init__(self) -> None:
        for name in (WORK, INPUTS, FILES, SCRATCH):
            self.host(name).mkdir()

    def host(self, path: str) -> Path:
        """Return where a path that begins with `FOLDER` is on this machine."""
        return Path(self.native(path))

    def native(self, text: str) -> str:
        """Return a text with the folder of this machine in place of `FOLDER`."""
        return text.replace(FOLDER, str(self.root))

    def add_file(self, address: str, path: Path) -> None:
        """Put a file of the user at a path; one of this machine is not copied if it can be linked.

        Raises
        ------
        NotFound
            If it does not exist.
        """
        path.parent.mkdir(parents=True)
        source = Path(address)
        if source.is_file():
            with suppress(OSError):
                os.link(source.resolve(), path)
                return
        content = storage_at(address).read_bytes()
        if content is None:
            raise NotFound(f"the file {address} does not exist; it was there when the run was planned")
        path.write_bytes(content)

    def text_path(self, name: str) -> Path:
        """Return the path of a file in the work folder, whose parent exists."""
        path = self.host(WORK) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def find_output(self, name: str, patterns: tuple[str, ...]) -> Path:
        """Return the only file in the work folder that one of the patterns matches.

        Raises
        ------
        InvalidInput
            If there is none, or more than one, or it is a link to somewhere else.
        """
        work = self.host(WORK)
        found = sorted({path for pattern in patterns for path in work.glob(pattern)})
        shown = " or ".join(patterns)
        if not found:
            present = ", ".join(sorted(path.name for path in work.iterdir())[:8]) or "nothing"
            raise InvalidInput(
                f"the program ended without an error, but not with its output {name!r} ({shown}); its work folder has: "
                f"{present}"
            )
        if len(found) > 1:
            raise InvalidInput(
                f"output {name!r} ({shown}) is {len(found)} files; expected one: {found[0].name}, {found[1].name}"
            )
        path = found[0].resolve()
        if not path.is_relative_to(work):
            raise InvalidInput(f"output {name!r} ({found[0].name}) is a link to {path}, outside of the work folder")
        for one in [path, *path.rglob("*")]:
            if not one.resolve().is_relative_to(work) or not (one.is_file() or one.is_dir()):
                raise InvalidInput(
                    f"output {name!r} has {one.relative_to(work)}, which is not a file or folder of the work folder"
                )
        return path


def input_path(name: str, suffix: str) -> str:
    """Return where the program finds a volume input."""
    return f"{INPUTS}/{name}/{name}{suffix}"


def run_program(definition: CommandDefinition, line: CommandLine, folders: BlockFolders, run: str = "") -> None:
    """Run the program of a block in its environment, whose container has the id of the `run`.

    Raises
    ------
    ProgramFailed
        If its exit status is not one of success; the message has the end of what it printed.
    """
    environment = open_environment(definition.environment)
    command = command_of(definition, line, folders, run)
    log = folders.root / "output.log"
    with ExitStack() as stack:
        printed = stack.enter_context(log.open("wb"))
        streams: dict[str, IO[bytes]] = {"stdout": printed, "stderr": printed}
        for name, path in (("stdout", line.stdout), ("stderr", line.stderr)):
            if path is not None:
                same = streams["stdout"] if name == "stderr" and path == line.stdout else None
                streams[name] = same or stack.enter_context(folders.text_path(path).open("wb"))
        stdin = None if line.stdin is None else stack.enter_context(folders.host(_absolute(line.stdin)).open("rb"))
        status = call(
            environment,
            command,
            stdin=stdin,
            stdout=streams["stdout"],
            stderr=streams["stderr"],
            limit_s=line.limit_s,
            scratch=folders.root,
            on_end=lambda end: add_program(end.peak_bytes),
        )
    text = read_end(log, 4 * _LOG_SHOWN)[-_LOG_SHOWN:]
    if status not in line.success_codes:
        shown = text.strip() or "it printed nothing"
        raise ProgramFailed(f"{definition.name}: {command.argv[0]} {describe_status(status)}: {shown}")
    print(text, end="", file=sys.stderr)


def command_of(definition: CommandDefinition, line: CommandLine, folders: BlockFolders, run: str = "") -> Command:
    """Return the command of a block; natively, paths are those of this machine."""
    spell = folders.native if definition.image is None else str
    mounts = [
        Mount(str(folders.host(INPUTS)), spell(INPUTS)),
        Mount(str(folders.host(FILES)), spell(FILES)),
        Mount(str(folders.host(WORK)), spell(WORK), is_writable=True),
        Mount(str(folders.host(SCRATCH)), spell(SCRATCH), is_writable=True),
    ]
    return Command(
        argv=tuple(spell(one) for one in line.argv),
        folder=spell(WORK),
        mounts=tuple(mounts),
        variables={name: spell(value) for name, value in line.variables.items()},
        image=None if definition.image is None else definition.digest,
        network=line.network,
        memory_bytes=line.memory_bytes,
        cpus=line.cpus,
        gpus=definition.gpus,
        run=run,
    )


def _absolute(path: str) -> str:
    return path if path.startswith(FOLDER) else f"{WORK}/{path}"
