"""Command lines of foreign tools, evaluated by cwltool before anything runs: they are the same for all blocks."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from voxome.blocks.command.formats import ARRAY_FORMATS
from voxome.blocks.command.tool import CommandTool, input_path
from voxome.contracts.command_tool import FILES, SCRATCH, WORK, CommandDefinition, CommandLine
from voxome.environments.lock import ImageLock
from voxome.errors import PlanError
from voxome.workflow.cwl_subset import at, short
from voxome.workflow.placement import placed

_MIB = 1 << 20
_SIZES = (b"0", b"00")
"""Contents that stand for the files of two blocks: a command line that shows which is not that of all blocks."""


@dataclass(frozen=True)
class CommandTemplate:
    """A CommandLineTool with the hint ``voxome:Blocks``.

    Attributes
    ----------
    definition : CommandDefinition
        What the block runner knows of it.
    process : cwltool's CommandLineTool
        The tool, to evaluate its command line.
    """

    definition: CommandDefinition
    process: Any = field(compare=False, repr=False)

    @property
    def tool(self) -> CommandTool:
        """The tool without its command line, for its spec."""
        return CommandTool(self.definition)

    def bind(
        self, parameters: Mapping[str, Any], inputs: Mapping[str, object], environment: str | None = None
    ) -> CommandTool:
        """Return the tool with the command line for these parameters, and with the digest of its program.

        Parameters
        ----------
        parameters : mapping
            All parameters.
        inputs : mapping of str to object
            Volume inputs that are bound.
        environment : str, optional
            Where the program runs; that of the settings if None.

        Raises
        ------
        PlanError
            If the command line cannot be evaluated, or depends on the content of a block.
        NotFound, InvalidInput
            If the program or image is not on this machine, or the image is not the one in the lock file; if there is no
            engine of containers.
        """
        lines = [evaluate(self, parameters, inputs, content) for content in _SIZES]
        if lines[0] != lines[1]:
            raise PlanError(
                [
                    at(
                        self.process.tool,
                        "class",
                        f"the command line of {self.definition.name} depends on the size or content of a file of a "
                        "block; expected one that is the same for all blocks",
                    )
                ]
            )
        document = unquote(urlsplit(str(self.process.tool["id"])).path)
        definition = placed(replace(self.definition, line=lines[0]), ImageLock.find(document), environment)
        return CommandTool(CommandDefinition.from_json(definition.to_json()))


def evaluate(
    template: CommandTemplate, parameters: Mapping[str, Any], inputs: Mapping[str, object], content: bytes
) -> CommandLine:
    """Return the command line of a block whose files have this content."""
    from cwltool.command_line_tool import CommandLineTool
    from cwltool.context import RuntimeContext
    from cwltool.errors import WorkflowException
    from schema_salad.exceptions import SchemaSaladException

    definition, process = template.definition, template.process
    with tempfile.TemporaryDirectory(prefix="voxome-plan-") as name:
        folder = Path(name).resolve()
        targets: dict[str, str] = {}
        files: dict[str, str] = {}
        order: dict[str, Any] = {}
        for port, file in definition.inputs.items():
            if port in inputs:
                target = input_path(port, ARRAY_FORMATS[file.format].suffix)
                order[port] = _stand_in(folder, port, target, content, file.format == "zarr")
                targets[order[port]["location"]] = target
        for port, one in definition.parameters.items():
            value = parameters[port]
            if one.type != "File" or value is None:
                order[port] = _as_written(value)
                continue
            target = f"{FILES}/{port}/{Path(value).name}"
            order[port] = _stand_in(folder, port, target, b"", is_folder=False)
            targets[order[port]["location"]] = target
            files[target] = value
        context = RuntimeContext(
            {
                "use_container": True,
                "default_container": "voxome",
                "docker_outdir": WORK,
                "docker_tmpdir": SCRATCH,
                "basedir": str(folder),
                "outdir": str(folder / "outdir"),
                "tmpdir_prefix": f"{folder}/tmp-",
                "tmp_outdir_prefix": f"{folder}/out-",
            }
        )
        context.path_mapper = _mapper(targets)
        try:
            job = next(CommandLineTool.job(process, order, lambda *_: None, context))
            return _line(template, job, files)
        except (WorkflowException, SchemaSaladException) as error:
            raise PlanError([f"the command line of {definition.name} cannot be evaluated: {error}"]) from error


def _as_written(value: Any) -> Any:
    """Return the value of a parameter as cwltool reads it from YAML: only such numbers keep all digits in arguments."""
    from ruamel.yaml import YAML

    if isinstance(value, tuple):
        return [_as_written(one) for one in value]
    return YAML().load(repr(value)) if isinstance(value, float) and math.isfinite(value) else value


def _stand_in(folder: Path, port: str, target: str, content: bytes, is_folder: bool) -> dict[str, str]:
    """Return a CWL File or Directory that stands for an input, at its name."""
    path = folder / "inputs" / port / Path(target).name
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_folder:
        path.mkdir(exist_ok=True)
    else:
        path.write_bytes(content)
    return {"class": "Directory" if is_folder else "File", "location": path.as_uri(), "basename": path.name}


def _mapper(targets: Mapping[str, str]) -> Any:
    """Return cwltool's class of mappers with the paths at which the program sees its inputs."""
    from cwltool.pathmapper import MapperEnt, PathMapper

    class BlockPathMapper(PathMapper):
        """Paths of the files of a block."""

        def setup(self, referenced_files: Any, basedir: str) -> None:
            super().setup(referenced_files, basedir)
            for location, target in targets.items():
                if location in self._pathmap:
                    entry = self._pathmap[location]
                    self._pathmap[location] = MapperEnt(entry.resolved, target, entry.type, entry.staged)

    return BlockPathMapper


def _line(template: CommandTemplate, job: Any, files: dict[str, str]) -> CommandLine:
    from voxome.workflow.foreign.files import require_name, require_text

    builder, process = job.builder, template.process
    variables, _ = process.get_requirement("EnvVarRequirement")
    resources, _ = process.get_requirement("ResourceRequirement")
    most, cpus = (None if resources is None else builder.do_eval(resources.get(one)) for one in ("ramMax", "coresMax"))
    globs = {short(port["id"]): tuple(_globs(builder, port)) for port in process.tool["outputs"]}
    texts = dict(_texts(process.tool, job.generatefiles["listing"]))
    for name in texts:
        require_name(name)
    for path in (*(one for patterns in globs.values() for one in patterns), job.stdout or "", job.stderr or ""):
        require_text(path)
    return CommandLine(
        argv=tuple(str(one) for one in job.command_line),
        variables={
            str(one["envName"]): str(builder.do_eval(one["envValue"])) for one in (variables or {}).get("envDef", ())
        },
        stdin=job.stdin or None,
        stdout=job.stdout or None,
        stderr=job.stderr or None,
        globs=globs,
        texts=texts,
        files=files,
        success_codes=tuple(process.tool.get("successCodes", ())) or (0,),
        limit_s=job.timelimit or None,
        network=bool(job.networkaccess),
        memory_bytes=None if most is None else int(most * _MIB),
        cpus=None if cpus is None else float(cpus),
    )


def _globs(builder: Any, port: Any) -> Iterator[str]:
    patterns = port.get("outputBinding", {}).get("glob", [])
    for pattern in patterns if isinstance(patterns, list) else [patterns]:
        value = builder.do_eval(pattern)
        for one in value if isinstance(value, list) else [value]:
            path = PurePosixPath(str(one).removeprefix(f"{WORK}/"))
            if path.is_absolute() or ".." in path.parts:
                raise PlanError([at(port, "outputBinding", f"the glob {one!r} leaves the work folder")])
            yield str(path)


def _texts(tool: Any, listing: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and content of the files that the tool wants in its work folder."""
    for one in listing:
        name = str(one["basename"])
        if one["class"] != "File" or "contents" not in one or "/" in name or name in ("", ".", ".."):
            raise PlanError(
                [
                    at(
                        tool,
                        "class",
                        f"InitialWorkDirRequirement puts {name!r} into the work folder; for a tool of blocks, expected "
                        "texts with plain names",
                    )
                ]
            )
        yield name, str(one["contents"])
