"""How cwltool is called: as its command line, with our tools, executor and folders."""

from __future__ import annotations

import gc
import hashlib
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from cwl_utils.sandboxjs import set_js_engine
from cwltool import main as cwltool_main
from cwltool.context import LoadingContext, RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.workflow import default_make_tool
from schema_salad.exceptions import SchemaSaladException

from voxome.contracts.json_text import json_text
from voxome.errors import InvalidInput
from voxome.redaction import redact
from voxome.workflow.documents import DocumentFetcher, may_fetch, refuse_recursion
from voxome.workflow.foreign.files import InputMapper, LocalFiles
from voxome.workflow.foreign.javascript import EVALUATOR, has_javascript
from voxome.workflow.foreign.job import require_finite
from voxome.workflow.foreign.results import JobFolders
from voxome.workflow.foreign.tool import ForeignTool
from voxome.workflow.foreign.workflow import ForeignWorkflow

_INPUTS = "/inputs.json"
"""Path by which cwltool knows the inputs that it is given; there is no such file."""
_COLLECTION = 50_000
"""Number of new objects after which garbage is collected."""
_UNHANDLED, _DEBUG = "Unhandled error", ", try again with --debug for more information"
"""Beginning of the message in which cwltool logs an error that it does not know, and its advice."""
MakeTool = Callable[[Any, Any], Any]
"""Makes the object of a process from its document and the loading context."""


@dataclass(frozen=True)
class CwlCall:
    """A call of cwltool.

    Attributes
    ----------
    process, job : str, sequence of str
        Document and inputs, as on the command line.
    out : path
        Folder for the outputs.
    run : str
        Id of the run.
    environment : str
        ``NAME[?option=value&…]`` of where commands run.
    quiet : bool
        Whether to log problems only.
    tmpdir_prefix : str or None
        Beginning of the paths of temporary folders.
    inputs : mapping of str to JSON values, optional
        The input object, in place of `job`; nothing writes it, as it may have secrets.
    """

    process: str
    job: tuple[str, ...]
    out: Path
    run: str
    environment: str
    quiet: bool
    tmpdir_prefix: str | None
    inputs: Mapping[str, Any] | None = None


def call_cwltool(
    call: CwlCall,
    executor: Any,
    folders: JobFolders,
    stdout: IO[str],
    *,
    construct: MakeTool | None = None,
    block_runner: object = None,
) -> int:
    """Run a process with cwltool and an executor of ours; return the exit status.

    Parameters
    ----------
    call : CwlCall
        What to run.
    executor : ForeignExecutor
        Runs the jobs.
    folders : JobFolders
        Folders of the jobs.
    stdout : text stream
        Where the output object is printed.
    construct : function, optional
        Makes the objects of processes; `make_tool` if None.
    block_runner : object, optional
        What runs the tools that it takes over.

    Raises
    ------
    InvalidInput
        If there is no such document.
    OSError, VoxomeError
        If a disk or a store failed.
    """
    loading = LoadingContext(
        {
            "relax_path_checks": True,
            "construct_tool_object": refuse_recursion(construct or make_tool),
            "do_validate": True,
        }
    )
    job = call.job if call.inputs is None else (_INPUTS,)
    texts = {} if call.inputs is None else {f"file://{_INPUTS}": json_text(call.inputs, "the inputs")}
    loading.fetcher_constructor = partial(
        DocumentFetcher, allow_network=may_fetch(call.process), texts=texts, imports={}
    )
    runtime = RuntimeContext(
        {"use_container": False, "outdir": str(call.out), "rm_tmpdir": False, "move_outputs": "copy"}
    )
    runtime.job_folders, runtime.environment, runtime.run_id = folders, call.environment, call.run
    runtime.images, runtime.block_runner, runtime.step_path, runtime.scatter_indices = {}, block_runner, "", ()
    runtime.tmpdir_prefix = call.tmpdir_prefix or runtime.tmpdir_prefix
    runtime.tmp_outdir_prefix = f"{folders.scratch()}/"
    runtime.select_resources = select_resources
    runtime.make_fs_access, runtime.path_mapper = LocalFiles, InputMapper
    arguments = [*(["--quiet"] if call.quiet else []), "--disable-color", "--no-container", "--relax-path-checks"]
    arguments += [] if has_javascript() else ["--disable-js-validation"]
    before = os.environ.pop("CWLTOOL_OPTIONS", None)
    handler = _Forward(block_runner is not None, executor)
    loggers = [logging.getLogger(name) for name in ("cwltool", "salad")]
    propagated = [logger.propagate for logger in loggers]
    evaluator = logging.getLogger("cwl_utils")
    is_disabled, evaluator.disabled = evaluator.disabled, True  # it prints what cwltool logs, with a traceback
    set_js_engine(EVALUATOR)
    for logger in loggers:
        logger.propagate = False
    try:
        with _few_collections():
            status = cwltool_main.main(
                [*arguments, call.process, *job],
                executor=executor,
                custom_schema_callback=_keep_schemas,
                loadingContext=loading,
                runtimeContext=runtime,
                stdout=stdout,
                logger_handler=handler,
            )
        if executor.error is not None:
            raise executor.error
        return int(status)
    except SchemaSaladException as error:  # cwltool handles others
        raise InvalidInput(f"Cannot read the process {redact(call.process)}: {error}") from error
    finally:
        evaluator.disabled = is_disabled
        for logger, propagate in zip(loggers, propagated, strict=True):
            logger.propagate = propagate
        if before is not None:
            os.environ["CWLTOOL_OPTIONS"] = before


def run_id(folder: Path) -> str:
    """Return the id of the runs of a folder, of which there is one at a time."""
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


@contextmanager
def _few_collections() -> Iterator[None]:
    """Collect garbage more rarely: a document has hundreds of thousands of objects, and hardly any garbage."""
    before = gc.get_threshold()
    gc.set_threshold(_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Forward(logging.Handler):
    """Gives what cwltool logs to the handlers of this process; cwltool sets its level.

    Warnings about the document are left out if it was checked before, as they name hints of voxome, which cwltool does
    not know; so are errors of the executor, which are raised, and advice to use an option of cwltool.
    """

    def __init__(self, is_checked: bool, executor: Any) -> None:
        super().__init__()
        self._is_checked, self._executor = is_checked, executor

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, but not the traceback of a job's failure, whose reason is logged when the job ends."""
        if self._is_checked and record.name == "salad" and record.levelno < logging.ERROR:
            return
        if record.exc_info and isinstance(record.exc_info[1], WorkflowException | SchemaSaladException):
            return
        if str(record.msg).startswith(_UNHANDLED) and self._executor.error is not None:
            return
        if record.args and isinstance(record.args, tuple) and record.args[0] == _DEBUG:
            record.args = ("", *record.args[1:])
        logging.getLogger().callHandlers(record)


def select_resources(request: Mapping[str, float], context: object) -> dict[str, float]:
    """Return the resources that expressions see: the least that the tool declares.

    Raises
    ------
    WorkflowException
        If one is not finite.
    """
    require_finite(request)
    return {
        "cores": request["coresMin"],
        **{name: math.ceil(request[f"{name.removesuffix('Size')}Min"]) for name in ("ram", "tmpdirSize", "outdirSize")},
        **{name.removesuffix("Min"): value for name, value in request.items() if name == "cudaDeviceCountMin"},
    }


def _keep_schemas() -> None:
    """Keep the schemas of CWL that this process has loaded, which cwltool would load again for every call."""


def make_tool(document: Any, context: Any) -> Any:
    """Make the object of a process: ours of a CommandLineTool or Workflow, else cwltool's."""
    ours = {"CommandLineTool": ForeignTool, "Workflow": ForeignWorkflow}
    make = ours.get(document.get("class", ""), default_make_tool) if isinstance(document, dict) else default_make_tool
    return make(document, context)
