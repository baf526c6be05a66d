"""The key of a job: a digest of all that decides its result, the same in every run and folder."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from voxome.blocks.command.program import file_arguments
from voxome.contracts.environment import Environment
from voxome.registry import factory
from voxome.workflow.foreign.digests import Digests
from voxome.workflow.foreign.results import local_path

_FORMAT = 2
_WORK, _TEMPORARY, _INPUT = "\0work", "\0tmp", "\0input"
"""Names of the folders of a job; no path of this machine begins like them."""
_WHERE = frozenset({"location", "path", "dirname", "nameroot", "nameext", "listing", "checksum", "size"})
"""Fields of a File or Directory that say where it is, or that its content and name determine."""
_LIMITS = ("ResourceRequirement", "ToolTimeLimit", "TimeLimit")
"""Ends of the classes of requirements that limit or reserve; commands and texts that use them have the values."""
_READS_RESOURCES = re.compile(r"\bruntime\b(?!\.(outdir|tmpdir|exitCode)\b)")
"""Expression that may use reserved cores, memory or disk."""


def job_key(job: Any, image: str | None, digests: Digests, secrets: Mapping[str, str]) -> str:
    """Return the key of a job.

    It covers the command with its environment, the program and scripts among its arguments, what is staged under which
    name with which content, the input object, the image, and how outputs are found. Limits and reservations of time,
    memory, cores and disk count where expressions use them: a result does not depend on others. Folders of the job are
    replaced by names that no argument can have: whatever shows them otherwise, such as an expression that counts their
    letters, gives another key in each run.

    Parameters
    ----------
    job : ForeignJob
        Job that is not staged yet.
    image : str or None
        Digest of the image that it runs in; None without.
    digests : Digests
        Knows the contents of files.
    secrets : mapping of str to str
        Placeholders of secrets → their digests.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    content = json.dumps(_content(job, image, digests, secrets), sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def targets(job: Any) -> dict[str, tuple[str, Any]]:
    """Return what is staged for a job, as name without folders of the job → location and entry of the path mapper."""
    replace = _replacer(job, {})
    return {replace(entry.target): (location, entry) for location, entry in job.pathmapper.items()}


def _content(job: Any, image: str | None, digests: Digests, secrets: Mapping[str, str]) -> dict[str, Any]:
    replace = _replacer(job, secrets)
    staged = {location: replace(entry.target) for location, entry in job.pathmapper.items()}
    tool = job.process.tool
    return {
        "format": _FORMAT,
        "version": job.process.metadata.get("http://commonwl.org/cwltool#original_cwlVersion"),
        "argv": [replace(str(word)) for word in job.command_line],
        "program": None if image else _programs(job, replace, digests),
        "variables": {name: replace(value) for name, value in job.environment.items()},
        "passed": _passed(job.run_in),
        "stdin": _stdin(job, replace),
        "stdout": job.stdout,
        "stderr": job.stderr,
        "staged": [[staged[at], *_entry(entry, replace, digests)] for at, entry in job.pathmapper.items()],
        "folder": [_described(one, staged, replace) for one in job.generatefiles["listing"]],
        "folder contents": [_content_of(one, replace, digests) for one in _files(job.generatefiles["listing"])],
        "inputs": _described(job.inputs, staged, replace),
        "resources": _used_resources(job),
        "requirements": [_plain(one) for one in [*job.requirements, *job.hints] if not _is_left_out(one)],
        "network, in place, MPI": [job.networkaccess, job.inplace_update, job.mpi_procs],
        "exit statuses": [list(job.successCodes), list(job.temporaryFailCodes), list(job.permanentFailCodes)],
        "outputs": _plain(tool["outputs"]),
        "image": image,
    }


def _is_left_out(requirement: Mapping[str, Any]) -> bool:
    """Return whether a requirement is a limit, or one whose files are in the key anyway, with paths of a job."""
    name = str(requirement["class"]).rpartition("#")[2].rpartition(":")[2]
    return name in _LIMITS or name == "InitialWorkDirRequirement"


def _used_resources(job: Any) -> dict[str, Any]:
    """Return what a job reserves if expressions that are evaluated after the command may use it."""
    functions = job.get_requirement("InlineJavascriptRequirement")[0] or {}
    texts = json.dumps([job.process.tool["outputs"], functions.get("expressionLib")], default=str)
    if not _READS_RESOURCES.search(texts):
        return {}
    return {name: size for name, size in job.builder.resources.items() if name != "exitCode"}


def _replacer(job: Any, secrets: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that replaces the folders of a job, and secrets, in a text."""
    folders = dict(secrets)
    for number, (_, entry) in enumerate(job.pathmapper.items()):
        folder = str(Path(entry.target).parent)
        if folder.startswith(job.builder.stagedir):
            folders.setdefault(folder, f"{_INPUT}/{number}")
    folders |= {job.builder.outdir: _WORK, job.builder.tmpdir: _TEMPORARY, job.builder.stagedir: _INPUT}
    folders |= {job.outdir: _WORK, job.tmpdir: _TEMPORARY, job.stagedir: _INPUT}
    ordered = sorted(((old, new) for old, new in folders.items() if old), key=lambda pair: -len(pair[0]))

    def replace(text: str) -> str:
        for old, new in ordered:
            text = text.replace(old, new)
        return text

    return replace


def _programs(job: Any, replace: Callable[[str], str], digests: Digests) -> list[str]:
    """Return the digests of a program of this machine, and of the files of this machine among its arguments.

    A program in the work folder is one of the files that are staged there.
    """
    words = [str(word) for word in job.command_line]
    if not words:
        return []
    path = str(Path(job.outdir, words[0])) if "/" in words[0] else words[0]
    found = shutil.which(path, path=job.environment.get("PATH")) if replace(path) == path else None
    others = file_arguments(word for word in words[1:] if replace(word) == word)
    return [digests.file(one) for one in ([found] if found else []) + [*others]]


def _passed(environment: str) -> dict[str, str]:
    """Return what a command sees of the variables of this process."""
    opened: Environment = factory("voxome.environments", environment)()
    return dict(opened.passed_variables())


def _stdin(job: Any, replace: Callable[[str], str]) -> str | None:
    return None if job.stdin is None else replace(job.stdin)


def _entry(entry: Any, replace: Callable[[str], str], digests: Digests) -> list[Any]:
    """Return how something is staged, and its content."""
    if entry.type.startswith("Create"):
        return [entry.type, replace(entry.resolved)]
    if entry.resolved.startswith("_:"):
        return [entry.type, None]
    return [entry.type, digests.tree(entry.resolved)]


def _described(value: Any, staged: Mapping[str, str], replace: Callable[[str], str]) -> Any:
    """Return a value with names of what is staged in place of locations."""
    if isinstance(value, Mapping):
        if value.get("class") not in ("File", "Directory"):
            return {str(name): _described(one, staged, replace) for name, one in value.items()}
        rest = {name: one for name, one in value.items() if name not in _WHERE}
        described = {name: _described(one, staged, replace) for name, one in rest.items()}
        return {**described, "staged as": staged.get(str(value.get("location")))}
    if isinstance(value, list | tuple):
        return [_described(one, staged, replace) for one in value]
    return replace(value) if isinstance(value, str) else value


def _files(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the files and folders in a value, folders without what is in them if they exist."""
    if isinstance(value, Mapping):
        if value.get("class") in ("File", "Directory"):
            yield value
        for name, one in value.items():
            if name != "listing" or not local_path(value.get("location")):
                yield from _files(one)
    elif isinstance(value, list):
        for one in value:
            yield from _files(one)


def _content_of(value: Mapping[str, Any], replace: Callable[[str], str], digests: Digests) -> Any:
    path = local_path(value.get("location"))
    if path is not None:
        return [value.get("basename"), digests.tree(path)]
    return [value.get("basename"), replace(value.get("contents") or "")]


def _plain(value: Any) -> Any:
    """Return a part of a document as JSON values, with ids that do not depend on where the document is."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str) and value.startswith("file://") and "#" in value:
        return urldefrag(value).fragment
    return value


__all__ = ["job_key", "targets"]
