"""A CommandLineTool with its inputs, as cwltool evaluates it and a task runs it."""

from __future__ import annotations

import copy
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from cwltool.errors import WorkflowException
from cwltool.job import CommandLineJob, relink_initialworkdir
from cwltool.process import shortname, stage_files
from cwltool.utils import adjustFileObjs, bytes2str_in_dicts
from schema_salad.exceptions import SchemaSaladException

from voxome.config.variables import RUN, STEP
from voxome.contracts.engine import MIB, JobResult, Resources
from voxome.contracts.environment import Command, Mount
from voxome.environments.call import describe_status
from voxome.storage.bounded_file import read_end
from voxome.workflow.cwl_subset import TOOL_HINT, tool_name
from voxome.workflow.foreign.digests import Digests
from voxome.workflow.foreign.files import OutputFiles, require_contained, require_name, require_own, require_text
from voxome.workflow.foreign.key import job_key, targets
from voxome.workflow.foreign.results import JobFolder, Result, file_location, local_path, map_locations, paths_of
from voxome.workflow.foreign.secrets import secret_files
from voxome.workflow.foreign.task import EXIT_STATUS, TIMED_OUT

_log = logging.getLogger("cwltool")
WORK, INPUT = "work:", "input:"
"""Beginnings of locations in a result: in the work folder, and among what was staged."""
_LOG_LINES = 20
_LOG_BYTES = 1 << 16


class ForeignJob(CommandLineJob):
    """One job: staged by this process, run by a task, its outputs collected by this process.

    Parameters
    ----------
    process : ForeignTool
        The tool.
    environment : str
        ``NAME[?option=value&…]`` of where the command runs.
    image : str or None
        Digest of the image in which it runs.
    *arguments
        As cwltool gives them to its jobs.
    """

    folder: JobFolder
    step: str
    pathmapper: Any
    inputs: Any
    """Input object, before expressions of outputs change it."""
    repeat: Callable[..., Iterator[ForeignJob]]
    """Evaluates the tool with the same inputs once more, for a job in a new folder, or in a given one."""

    def __init__(self, process: Any, environment: str, image: str | None, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.process, self.run_in, self.image = process, environment, image
        self._unstaged: Any = None
        self._secret_files: list[Path] = []

    def run(self, runtimeContext: Any, tmpdir_lock: Any = None) -> None:
        """Refuse: the executor of voxome runs a job."""
        raise NotImplementedError("jobs are run by the executor of voxome")

    def key(self, digests: Digests, secrets: Mapping[str, str]) -> str:
        """Return the key of the job, as its inputs are now; see `job_key`."""
        staged = self.pathmapper
        if self._unstaged is not None:
            self.pathmapper = self._unstaged
        try:
            return job_key(self, self.image, digests, secrets)
        finally:
            self.pathmapper = staged

    @property
    def document(self) -> str:
        """Name of the tool, or of its document; that of the step if it is inline."""
        return tool_name(self.process.tool, self.step or self.name)

    def memory_limit(self) -> int | None:
        """Return the memory in bytes that the tool may use, None without a limit."""
        return self._memory("ramMax")

    def resources(self) -> Resources:
        """Return what the job reserves."""
        return reserved(self.builder.resources["cores"], self._declared("ramMin"))

    def requires_resources(self) -> bool:
        """Return whether the job cannot do with less than what it reserves: it is no hint."""
        return bool(self.get_requirement("ResourceRequirement")[1])

    def _memory(self, field: str) -> int | None:
        value = self._declared(field)
        require_finite({field: value or 0})
        return None if value is None else int(value * MIB)

    def _declared(self, field: str) -> float | None:
        """Return a number of the ResourceRequirement, None without."""
        requirement, _ = self.get_requirement("ResourceRequirement")
        value = None if requirement is None else requirement.get(field)
        if isinstance(value, str):
            value = self.builder.do_eval(value)
        return value if isinstance(value, int | float) else None

    def is_reusable(self) -> bool:
        """Return whether other runs may take the result: all of it has to be in files of the job."""
        if any(hint["class"] == TOOL_HINT for hint in self.hints):  # a handle, whose data are in a store
            return False
        requirement, _ = self.get_requirement("WorkReuse")
        allowed = True if requirement is None else requirement.get("enableReuse", True)
        if isinstance(allowed, str):
            allowed = self.builder.do_eval(allowed)
        return bool(allowed) and not self.inplace_update

    def another_attempt(self) -> ForeignJob:
        """Return the job for another attempt, in another folder: this one is lost, and may still write to its own."""
        self.forget_secrets()
        return self._repeated(None, self.name)

    def in_folder(self, folder: JobFolder, name: str) -> ForeignJob:
        """Return the job with the folder and name of an attempt of an interrupted run, for `adopt`."""
        return self._repeated(folder, name)

    def _repeated(self, folder: JobFolder | None, name: str) -> ForeignJob:
        self._collected()
        (job,) = self.repeat(folder=folder)
        job.name = name
        return job

    def stage(self, context: Any) -> None:
        """Make the folders of the job, with all inputs."""
        self.folder.clear()
        self._prepare(context)
        require_contained(self.pathmapper, self.stagedir)
        stage_files(self.pathmapper, ignore_writable=True, symlink=True, secret_store=context.secret_store)
        if self.generatemapper is not None:
            self.stage_generated(context)

    def adopt(self, context: Any) -> None:
        """Take over the folders of the job as another process has staged them; the command may be under way."""
        self._prepare(context)
        _note_created(self.pathmapper)
        if self.generatemapper is not None:
            self.adopt_generated(context)
            _note_created(self.generatemapper)

    def adopt_generated(self, context: Any) -> None:
        """Take over what InitialWorkDirRequirement names."""

    def _prepare(self, context: Any) -> None:
        self._unstaged = copy.deepcopy(self.pathmapper)
        self._setup(context)
        self._secret_files = list(secret_files(self.generatemapper, context.secret_store, Path(self.outdir)))

    def stage_generated(self, context: Any) -> None:
        """Stage what InitialWorkDirRequirement names."""
        secrets = context.secret_store
        require_contained(self.generatemapper, self.outdir)
        stage_files(self.generatemapper, ignore_writable=self.inplace_update, symlink=True, secret_store=secrets)
        self._relink()

    def command_folder(self) -> str:
        """Return the work folder, as the command sees it."""
        return self.outdir

    def payload(self, context: Any) -> dict[str, Any]:
        """Return the payload of the task, after `stage`."""
        command = [str(word) for word in self.command_line]
        if not command:
            raise WorkflowException(
                f"The command of {self.name} is empty; set baseCommand, arguments or an inputBinding"
            )
        variables = dict(self.environment)
        if self.mpi_procs:
            mpi = context.mpi_config
            command = [mpi.runner, mpi.nproc_flag, str(self.mpi_procs), *mpi.extra_flags, *command]
            mpi.pass_through_env_vars(variables)
            mpi.set_env_vars(variables)
        if context.secret_store is not None:
            command, variables = (context.secret_store.retrieve(one) for one in (command, variables))
        return {
            "environment": self.run_in,
            "command": self._command(command, variables, context).to_json(),
            "stdin": self._stdin(),
            "stdout": self._stream(self.stdout),
            "stderr": self._stream(self.stderr),
            "log": str(self.folder.log),
            "limit_s": self.timelimit or None,
        }

    def _command(self, argv: list[str], variables: Mapping[str, str], context: Any) -> Command:
        """Return what is called; the environment knows the PATH of the machine that it is on."""
        return Command(
            tuple(argv),
            self.command_folder(),
            self.mounts(),
            {
                **{name: value for name, value in variables.items() if name != "PATH"},
                RUN: context.run_id,
                STEP: self.name,
            },
            network=self.networkaccess,
            image=self.image,
            memory_bytes=self.memory_limit(),
            cpus=self._declared("coresMax"),
            run=context.run_id,
        )

    def mounts(self) -> tuple[Mount, ...]:
        """Return what the command sees of this machine, after `stage`."""
        folders = ((self.outdir, True), (self.tmpdir, True), (self.stagedir, False))
        return tuple(Mount(one, one, is_writable) for one, is_writable in folders if Path(one).exists())

    def _stdin(self) -> str | None:
        if self.stdin is None:
            return None
        found = self.pathmapper.reversemap(self.stdin)
        if found is None:
            raise WorkflowException(f"stdin of {self.name} is {self.stdin}, which is not one of its files")
        return str(found[1])

    def _stream(self, name: str | None) -> str | None:
        if name is None:
            return None
        require_text(name)
        path = Path(self.outdir, name)
        for part in PurePath(name).parts:
            require_name(part)
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.outdir)):
            raise WorkflowException(
                f"{self.name} would write its stdout or stderr to {name}, which is an input in its work folder; "
                "expected another name: mend stdout, stderr or InitialWorkDirRequirement"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)

    def ended(self, result: JobResult) -> tuple[str, Mapping[str, Any], str]:
        """Return status, outputs and the reason of a failure of a command that has ended."""
        code = result.counts[EXIT_STATUS]
        if code in self.successCodes or (code == 0 and code not in self._failures()):
            try:
                return "success", self._collect(code), ""
            except WorkflowException as error:
                return "permanentFail", self.no_outputs(), str(error)
            except (SchemaSaladException, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
                return "permanentFail", self.no_outputs(), f"its outputs cannot be collected: {error}"
        status = "temporaryFail" if code in self.temporaryFailCodes else "permanentFail"
        reason = describe_status(code)
        if result.counts[TIMED_OUT]:
            reason = f"ended at its time limit of {self.timelimit} s"
        self._collected()
        return status, self.no_outputs(), reason

    def _failures(self) -> set[int]:
        return {*self.temporaryFailCodes, *self.permanentFailCodes}

    def no_outputs(self) -> dict[str, None]:
        """Return an output object of nulls."""
        return {shortname(port["id"]): None for port in self.process.tool["outputs"]}

    def log_tail(self) -> str:
        """Return the last lines that the command has printed."""
        try:
            lines = read_end(self.folder.log, _LOG_BYTES).splitlines()
        except OSError:
            return ""
        return "".join(f"\n  {line}" for line in lines[-_LOG_LINES:])

    def _collect(self, code: int) -> Mapping[str, Any]:
        if self.generatemapper is not None:
            self._relink()
        roots = list(self._own_roots())
        self.builder.make_fs_access = partial(OutputFiles, roots=roots)
        outputs: Mapping[str, Any] = bytes2str_in_dicts(self.collect_outputs(self.outdir, code))
        infinite = list(infinite_fields(outputs))
        if infinite:
            raise WorkflowException(f"{', '.join(infinite)} is not a finite number, which JSON cannot store")
        if not self.inplace_update:
            self._replace_links(outputs, roots)
        return outputs

    def _collected(self) -> None:
        """Tell cwltool's record of readers that the job does not need its inputs any more."""
        manager = self.builder.mutation_manager
        readers: Mapping[str, Any] = self.collect_outputs.keywords.get("readers") or {}
        if manager is not None:
            for one in readers.values():
                manager.release_reader(self.collect_outputs.keywords["jobname"], one)

    def _relink(self) -> None:
        relink_initialworkdir(self.generatemapper, self.outdir, self.builder.outdir, inplace_update=self.inplace_update)

    def forget_secrets(self) -> None:
        """Remove files with secrets that were made for the command, which no output can be."""
        root = os.path.realpath(self.folder.root) if self._secret_files else ""
        while self._secret_files:
            path = self._secret_files.pop()
            if Path(os.path.realpath(path.parent)).is_relative_to(root):  # else the command has put a link there
                path.unlink(missing_ok=True)

    def _own_roots(self) -> Iterator[str]:
        """Yield the files and folders to which outputs may lead: the work folder, and inputs."""
        own = JobFolder(Path(os.path.realpath(self.folder.root)))
        yield str(own.work)
        yield str(own.inputs)
        for entry in (*self.pathmapper, *(self.generatemapper or ())):
            if entry.resolved.startswith("/"):
                yield os.path.realpath(entry.resolved)

    def _replace_links(self, outputs: Mapping[str, Any], roots: list[str]) -> None:
        """Replace links to inputs among the outputs by copies; refuse links to anything else, and special files."""
        for path in list(paths_of(outputs, Path(self.outdir))):
            require_own(path, roots)
            if not path.is_file() and not path.is_dir():
                raise WorkflowException(f"The output {path} is neither a file nor a folder")
            real = Path(os.path.realpath(path))
            if not path.is_symlink() or real.is_relative_to(roots[0]):
                continue
            path.unlink()
            if real.is_dir():
                shutil.copytree(real, path)
            else:
                shutil.copy2(real, path)

    def result(self, key: str, outputs: Mapping[str, Any], used: JobResult, digests: Any) -> Result:
        """Return what is committed of a job that has ended well."""
        work = self.folder.work
        paths = list(paths_of(outputs, work))
        folders = sorted({str(path.relative_to(work)) for path in paths if path.is_dir()})
        files = {
            str(path.relative_to(work)): (path.stat().st_size, digests.file(path)) for path in paths if path.is_file()
        }
        inputs: dict[str, str] = {}
        for name, (location, entry) in targets(self).items():
            inputs.setdefault(location, name)
            inputs.setdefault(entry.resolved, name)
            inputs.setdefault(file_location(Path(entry.resolved)), name)

        def pack(location: str) -> str:
            path = local_path(location)
            if path is not None and path.is_relative_to(work):
                return f"{WORK}{path.relative_to(work)}"
            return f"{INPUT}{inputs[location]}" if location in inputs else location

        return Result(key, self.name, map_locations(outputs, pack), files, folders, used.seconds, used.peak_bytes)

    def restored(self, result: Result, work: Path) -> Mapping[str, Any]:
        """Return the outputs of a result whose files are in a work folder."""
        entries = targets(self)

        def unpack(location: str) -> str:
            if location.startswith(WORK):
                return file_location(work / location.removeprefix(WORK))
            if location.startswith(INPUT):
                found, entry = entries[location.removeprefix(INPUT)]
                return found if found.startswith("_:") else file_location(Path(entry.resolved))
            return location

        outputs: Mapping[str, Any] = map_locations(result.outputs, unpack)
        self._collected()
        if self.builder.mutation_manager is not None:
            adjustFileObjs(outputs, self.builder.mutation_manager.set_generation)
        return outputs


def reserved(cores: float | None, memory_mib: float | None) -> Resources:
    """Return what a job reserves that declares so many cores and MiB.

    Raises
    ------
    WorkflowException
        If one of them is not finite.
    """
    require_finite({"coresMin": cores or 0, "ramMin": memory_mib or 0})
    return Resources(max(1, int(cores or 1)), None if memory_mib is None else int(memory_mib * MIB))


def require_finite(request: Mapping[str, float]) -> None:
    """Check the numbers of a ResourceRequirement.

    Raises
    ------
    WorkflowException
        If one of them is not finite.
    """
    for name, value in request.items():
        if not math.isfinite(value):
            raise WorkflowException(f"{name} of ResourceRequirement is {value}; expected a finite number")


def _note_created(mapper: Any) -> None:
    """Have a path mapper know that files of texts exist, as staging does."""
    for location, entry in list(mapper.items_exclude_children()):
        if entry.staged and entry.type.startswith("Create"):
            mapper.update(location, entry.target, entry.target, entry.type, entry.staged)


def infinite_fields(value: Any, name: str = "") -> Iterator[str]:
    """Yield the names of numbers that JSON cannot store."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from infinite_fields(one, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from infinite_fields(one, f"{name}[{number}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield name


def is_portable(outputs: Any) -> bool:
    """Return whether a packed output object names nothing but files of its job and its inputs."""
    if isinstance(outputs, Mapping):
        if outputs.get("class") in ("File", "Directory"):
            location = str(outputs.get("location", ""))
            if not location.startswith((WORK, INPUT, "_:")):
                return False
        return all(is_portable(one) for one in outputs.values())
    return all(is_portable(one) for one in outputs) if isinstance(outputs, list) else True
