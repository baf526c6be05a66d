"""The files of job arrays: what each element runs, and what it left, in a folder that all nodes see.

An array has a folder, with ``array.json`` while it has jobs that are not reported, and for job P of element E the
files ``E-P.json`` (the job), ``E-P.started``, ``E-P.result.json`` (its status, written last) and ``E-P.lost`` (exit
status of a worker that left no status). ``E.log`` is what the element printed.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from voxome.contracts.engine import WORKER_MODULE, Job, JobStatus
from voxome.storage.atomic import replacing, storing

_MANIFEST = "array.json"
_SCRIPT = """#!/bin/sh
# One element of a job array of voxome: its jobs, one after the other, each in a process of its own.
place=0
while [ "$place" -lt {places} ]; do
  job="$SLURM_ARRAY_TASK_ID-$place"
  place=$((place + 1))
  if [ -e "$job.json" ] && [ ! -e "$job.result.json" ]; then
    : > "$job.started"
    {python} -m {module} --job "$job.json" --result "$job.result.json"
    code=$?
    [ -e "$job.result.json" ] || echo "$code" > "$job.lost"
  fi
done
"""


@dataclass(frozen=True)
class Place:
    """Where a job is: element, and place in it."""

    element: int
    place: int

    def __str__(self) -> str:
        return f"{self.element}-{self.place}"


@dataclass
class JobArray:
    """A job array.

    Attributes
    ----------
    folder : path
        Its folder.
    name : str
        Name of the Slurm jobs, which no other array has.
    throttle : int
        How many elements run at once.
    ids : set of str
        Ids in Slurm; empty while it is not known whether the array was submitted.
    jobs : mapping of Place to Job
        Jobs that are not reported.
    accepted : bool
        Whether Slurm has it, as far as is known.
    """

    folder: Path
    name: str
    throttle: int
    ids: set[str] = field(default_factory=set)
    jobs: dict[Place, Job] = field(default_factory=dict)
    accepted: bool = False

    @classmethod
    def write(cls, spool: Path, run: str, groups: Sequence[Sequence[Job]], throttle: int) -> JobArray:
        """Write the files of an array whose elements run a group of jobs each."""
        unique = uuid4().hex[:12]
        array = cls(spool / unique, f"{run}-{unique}", throttle)
        with storing(array.folder):
            array.folder.mkdir(parents=True)
            for element, group in enumerate(groups):
                for place, job in enumerate(group):
                    array.jobs[Place(element, place)] = job
                    array._file(Place(element, place), "json").write_text(json.dumps(job.to_json()), encoding="utf-8")
            python, places = shlex.quote(sys.executable), max(map(len, groups))
            text = _SCRIPT.format(places=places, python=python, module=WORKER_MODULE)
            array.script.write_text(text, encoding="utf-8")
        with replacing(array.folder / _MANIFEST) as partial:
            partial.write_text(json.dumps({"name": array.name, "throttle": throttle}), encoding="utf-8")
        return array

    @classmethod
    def read_all(cls, spool: Path) -> Iterator[JobArray]:
        """Yield the arrays of an interrupted run that have jobs which are not reported."""
        for manifest in sorted(spool.glob(f"*/{_MANIFEST}")):
            stored = json.loads(manifest.read_text(encoding="utf-8"))
            array = cls(manifest.parent, stored["name"], stored["throttle"], accepted=True)
            for place in array._unreported():
                text = array._file(place, "json").read_text(encoding="utf-8")
                array.jobs[place] = Job.from_json(json.loads(text))
            yield array

    @property
    def script(self) -> Path:
        """What each element runs."""
        return self.folder / "element.sh"

    @property
    def size(self) -> int:
        """Number of elements up to the last one that has jobs."""
        return max(place.element for place in self.jobs) + 1

    def elements(self) -> dict[int, list[Place]]:
        """Return the places of unreported jobs by element."""
        found: dict[int, list[Place]] = defaultdict(list)
        for place in self.jobs:
            found[place.element].append(place)
        return found

    def log(self, element: int) -> Path:
        """Return the log of an element."""
        return self.folder / f"{element}.log"

    def list_names(self) -> set[str]:
        """Return the names in the folder, as this machine sees them now: those missing may appear late."""
        try:
            return {path.name for path in self.folder.iterdir()}
        except FileNotFoundError:
            return set()

    def has_started(self, place: Place) -> bool:
        """Whether a job was started."""
        return self._file(place, "started").exists()

    def read_status(self, place: Place) -> JobStatus | None:
        """Return the status of a job from its file; None if there is none."""
        job = self.jobs[place]
        try:
            status = JobStatus.from_json(json.loads(self._file(place, "result.json").read_text(encoding="utf-8")))
        except OSError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            return JobStatus(job.id, "lost", error=f"its status file is damaged: {error}")
        return status if status.id == job.id else None

    def read_exit(self, place: Place) -> str:
        """Return how the worker of a job ended that left no status; empty if it may yet write one."""
        try:
            code = int(self._file(place, "lost").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return ""
        ending = f"was killed by signal {code - 128}" if code > 128 else f"exited with status {code}"
        return f"its worker {ending}"

    def forget(self, place: Place) -> None:
        """Remove the files of a job that is reported or cancelled, and of the array after its last job."""
        self.jobs.pop(place, None)
        for ending in ("json", "result.json", "started", "lost"):
            self._remove(self._file(place, ending))
        if not self.jobs and not any(self._unreported()):
            self._remove(self.folder / _MANIFEST)
            self._remove(self.script)

    def _unreported(self) -> Iterator[Place]:
        """Yield the places whose job files are there: two objects may share the folder of an adopted array."""
        for path in self.folder.glob("*-*.json"):
            element, _, place = path.stem.partition("-")
            if element.isdigit() and place.isdigit():
                yield Place(int(element), int(place))

    def _file(self, place: Place, ending: str) -> Path:
        return self.folder / f"{place}.{ending}"

    @staticmethod
    def _remove(path: Path) -> None:
        with suppress(OSError):
            path.unlink()
