"""The commands of Slurm: submit an array, list and cancel elements, look up limits and how an element ended."""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxome.engines.job_arrays import Refusal
from voxome.errors import InvalidInput, StoreError

_TIMEOUT_S = 60.0
_AT_ONCE = 200
"""Elements that one call of scancel names."""
_PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "SLURM_CONF")
_LIMIT = re.compile(r"(?i)job submit limit|submit ?limit|QOSMaxSubmit|AssocMaxSubmit|AssocGrpSubmit|too many|max.*jobs")
_TEMPORARY = re.compile(
    r"(?i)timed out|unable to contact|connect(ion)? (failure|refused|reset|timed)|zero bytes|temporarily|try again|"
    r"communication|unexpected message|authentication|munge"
)
_ENDINGS = (
    (("scontrol", "--oneliner", "show", "job"), r"ArrayTaskId=(\d+)\s.*?JobState=(\w+).*?ExitCode=(\S+)"),
    (
        ("sacct", "--noheader", "--allocations", "--parsable2", "--format=JobID,State,ExitCode", "--jobs"),
        r"(?m)^\d+_(\d+)\|(\w+)[^|]*\|(\S+)",
    ),
)
"""Commands that know how elements ended: the controller for some minutes, then accounting where there is any."""


@dataclass
class Element:
    """A queued or running element of an array: the ids of its Slurm jobs, and why it does not run."""

    ids: set[str] = field(default_factory=set)
    reason: str = ""


Queue = Mapping[str, Mapping[int, Element]]
"""Array's name → index → element."""


def job_environment(further: Collection[str]) -> dict[str, str]:
    """Return the variables of this process that jobs get: a list of names, so that no secret and no ``SLURM_*`` is one.

    Parameters
    ----------
    further : collection of str
        Names that the user adds.

    Raises
    ------
    InvalidInput
        If a variable that the user adds is not set.
    """
    for name in further:
        if name not in os.environ:
            raise InvalidInput(f"env names {name}, which is not set; set it, or leave it out")
    names = [name for name in os.environ if name in _PASSED or name in further or name.startswith("LC_")]
    return {name: os.environ[name] for name in names}


def read_limits() -> tuple[int, int]:
    """Return the number of elements that an array may have, and the number of jobs that the site takes.

    Raises
    ------
    StoreError, InvalidInput
        If the controller does not answer, or the site has no arrays.
    """
    try:
        text = _run(["scontrol", "show", "config"])
    except Refusal as error:
        raise StoreError(f"Slurm does not answer: {error}; run this where `sinfo` works, or try later") from error
    found = {name: int(value) for name, value in re.findall(r"(?m)^(MaxArraySize|MaxJobCount)\s*=\s*(\d+)", text)}
    elements = found.get("MaxArraySize", 1001)
    if elements < 1:
        raise InvalidInput("This site's Slurm allows no job arrays (MaxArraySize is 0); use another engine")
    return elements, found.get("MaxJobCount", 10_000)


def read_capacity(options: Sequence[str]) -> tuple[int | None, int | None]:
    """Return the cores and the memory in MiB of the largest nodes; None where Slurm does not say.

    Parameters
    ----------
    options : sequence of str
        Options of sinfo that choose nodes, such as ``--partition=gpu``.
    """
    try:
        text = _run(["sinfo", "--noheader", "--exact", "--format=%c|%m", *options])
    except (Refusal, InvalidInput):
        return None, None
    nodes = [(int(cpus), int(memory)) for cpus, memory in re.findall(r"(?m)^(\d+)\|(\d+)\s*$", text)]
    memories = [memory for _, memory in nodes if memory > 1]  # that of a node whose memory is not configured is 1
    return max((cpus for cpus, _ in nodes), default=None), max(memories, default=None)


def submit_array(
    script: Path, name: str, elements: int, throttle: int, options: Sequence[str], environment: Mapping[str, str]
) -> str:
    """Submit an array and return its id.

    Parameters
    ----------
    script : path
        What each element runs, in the folder of the script, where its log is too.
    name : str
        Unique name, by which the array is found if the answer gets lost.
    elements, throttle : int
        Number of elements, and how many run at once.
    options : sequence of str
        Further options of sbatch.
    environment : mapping
        Environment of sbatch and of the elements.

    Raises
    ------
    Refusal
    """
    command = ["sbatch", "--parsable", f"--array=0-{elements - 1}%{throttle}", f"--job-name={name}", "--export=ALL"]
    command += ["--no-requeue", "--open-mode=append", "--output=%a.log", "--input=/dev/null", "--nodes=1", "--ntasks=1"]
    answer = _run([*command, f"--chdir={script.parent}", *options, str(script)], environment)
    number = answer.strip().partition(";")[0]
    if not number.isdigit():
        raise _refusal(f"unexpected message of sbatch: {answer.strip()!r}; expected the id of a job")
    return number


def list_elements(names: Collection[str]) -> Queue:
    """Return the elements of arrays that are queued or running.

    Raises
    ------
    Refusal
        If the controller does not answer: then nothing is known.
    """
    if not names:
        return {}
    queue: dict[str, dict[int, Element]] = defaultdict(lambda: defaultdict(Element))
    command = ["squeue", "--noheader", "--array", f"--name={','.join(sorted(names))}", "--format=%F|%K|%j|%r"]
    for line in _run(command).splitlines():
        number, index, name, reason = (line.strip().split("|", 3) + [""] * 3)[:4]
        if number.isdigit() and index.isdigit():
            element = queue[name][int(index)]
            element.ids.add(number)
            element.reason = reason
    return queue


def cancel_elements(elements: Sequence[str]) -> None:
    """Cancel elements ``ARRAY_INDEX``; one that has ended is none of our concern.

    Raises
    ------
    Refusal
    """
    for start in range(0, len(elements), _AT_ONCE):
        _run(["scancel", "--quiet", *elements[start : start + _AT_ONCE]])


def set_throttle(array: str, throttle: int) -> None:
    """Change how many elements of an array run at once.

    Raises
    ------
    Refusal
    """
    _run(["scontrol", "update", f"JobId={array}", f"ArrayTaskThrottle={throttle}"])


def find_ends(ids: Collection[str]) -> dict[int, tuple[str, str]]:
    """Return state and exit status of the elements of arrays by index, of those that Slurm has not forgotten.

    Elements that are queued or running are among them. Later arrays go before earlier ones.
    """
    found: dict[int, tuple[str, str]] = {}
    for command, pattern in reversed(_ENDINGS):
        for number in sorted(ids, key=int):
            try:
                text = _run([*command, number])
            except (Refusal, InvalidInput):
                continue
            found |= {int(index): (state, code) for index, state, code in re.findall(pattern, text)}
    return found


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Return what a command prints."""
    inherited = job_environment(()) if environment is None else environment
    try:
        ended = subprocess.run(
            command,
            env=dict(inherited),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise InvalidInput(
            f"{command[0]} is not on the path; the engine slurm needs the commands of Slurm: run this on a login node"
        ) from None
    except subprocess.TimeoutExpired:
        raise _refusal(f"{command[0]} timed out after {_TIMEOUT_S:g} s") from None
    if ended.returncode:
        message = " ".join((ended.stderr or ended.stdout).split())
        raise _refusal(f"{command[0]} ended with status {ended.returncode}: {message}")
    return ended.stdout


def _refusal(message: str) -> Refusal:
    """Return what a message of a command means; unless it names a limit, Slurm may have done what was requested."""
    limit = _LIMIT.search(message) is not None
    temporary = limit or _TEMPORARY.search(message) is not None
    return Refusal(message, temporary=temporary, unsure=temporary and not limit, limit=limit)
