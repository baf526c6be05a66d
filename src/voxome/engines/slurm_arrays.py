"""The files of job arrays of Slurm: what each element performs, and what it left, in a folder that all nodes see.

An array has a folder, with ``array.json`` while it has jobs that are not reported, ``array.id`` once Slurm has given an
id, and for job P of element E the files ``E-P.json`` (the job) and ``E-P.result.json`` (its status, written last).
``E.log`` is what the element printed.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.job_arrays import JobArray, Place
from voxome.storage.atomic import replacing, storing

_MANIFEST, _ID = "array.json", "array.id"
_SCRIPT = """#!/bin/sh
# One element of a job array of voxome: its jobs, one after the other.
exec {python} -m voxome.engines.slurm_worker {places}
"""


@dataclass(kw_only=True)
class SlurmArray(JobArray):
    """A job array.

    Attributes
    ----------
    folder : path
        Its folder.
    throttle : int
        How many elements run at once.
    ids : set of str
        Ids in Slurm; empty while it is not known whether the array was submitted.
    """

    folder: Path
    throttle: int
    ids: set[str] = field(default_factory=set)

    @classmethod
    def write(cls, spool: Path, run: str, groups: Sequence[Sequence[Job]], throttle: int) -> SlurmArray:
        """Write the files of an array whose elements perform a group of jobs each.

        Raises
        ------
        StoreError
            If the disk fails.
        """
        unique = uuid4().hex[:12]
        array = cls(name=f"{run}-{unique}", folder=spool / unique, throttle=throttle)
        with storing(array.folder):
            array.folder.mkdir(parents=True)
            for element, group in enumerate(groups):
                for number, job in enumerate(group):
                    place = Place(element, number)
                    array.jobs[place] = job
                    array._file(place, "json").write_text(json.dumps(job.to_json()), encoding="utf-8")
            text = _SCRIPT.format(places=max(map(len, groups)), python=shlex.quote(sys.executable))
            array.script.write_text(text, encoding="utf-8")
        manifest = {"name": array.name, "throttle": throttle, "created_s": time.time()}
        with replacing(array.folder / _MANIFEST) as partial:
            partial.write_text(json.dumps(manifest), encoding="utf-8")
        return array

    @classmethod
    def read_all(cls, spool: Path) -> list[SlurmArray]:
        """Return the arrays of an interrupted run that have jobs which are not reported, in order of creation."""
        found: list[tuple[float, SlurmArray]] = []
        for manifest in spool.glob(f"*/{_MANIFEST}"):
            stored = json.loads(manifest.read_text(encoding="utf-8"))
            array = cls(
                name=stored["name"], folder=manifest.parent, throttle=stored["throttle"], unsure=True, adopted=True
            )
            with suppress(FileNotFoundError):
                array.ids |= set((array.folder / _ID).read_text(encoding="ascii").split())
            for place in array._unreported():
                text = array._file(place, "json").read_text(encoding="utf-8")
                array.jobs[place] = Job.from_json(json.loads(text))
            found.append((stored["created_s"], array))
        return [array for _, array in sorted(found, key=lambda one: one[0])]

    @property
    def accepted(self) -> bool:
        """Whether Slurm has it, as far as is known."""
        return bool(self.ids)

    @property
    def script(self) -> Path:
        """What each element runs."""
        return self.folder / "element.sh"

    @property
    def size(self) -> int:
        """Number of elements up to the last one that has jobs."""
        return max(place.element for place in self.jobs) + 1

    def accept(self, ids: Collection[str]) -> None:
        """Keep the ids that Slurm has given.

        Raises
        ------
        StoreError
            If the disk fails.
        """
        self.ids |= set(ids)
        with replacing(self.folder / _ID) as partial:
            partial.write_text("\n".join(sorted(self.ids)), encoding="ascii")

    def log(self, element: int) -> Path:
        """Return the log of an element."""
        return self.folder / f"{element}.log"

    def list_statuses(self) -> list[Place]:
        """Return the places whose status files this machine sees now: those missing may appear late."""
        names = self._list_names()
        return [place for place in self.jobs if f"{place}.result.json" in names]

    def read_statuses(self, places: Collection[Place]) -> dict[Place, JobStatus]:
        """Return the statuses of jobs from their files, after a fresh look at the folder, of those that have one."""
        self._list_names()
        found = {place: self._read_status(place) for place in places}
        return {place: status for place, status in found.items() if status is not None}

    def forget(self, places: Iterable[Place]) -> None:
        """Remove the files of jobs that are reported or cancelled, and of the array after its last job."""
        for place in places:
            self.jobs.pop(place, None)
            for ending in ("json", "result.json"):
                self._remove(self._file(place, ending))
        if not self.jobs and not any(self._unreported()):
            for path in (self.folder / _MANIFEST, self.folder / _ID, self.script):
                self._remove(path)

    def _read_status(self, place: Place) -> JobStatus | None:
        job = self.jobs[place]
        try:
            status = JobStatus.from_json(json.loads(self._file(place, "result.json").read_text(encoding="utf-8")))
        except OSError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            return JobStatus(job.id, "lost", error=f"its status file is damaged: {error}")
        return status if status.id == job.id else None

    def _list_names(self) -> set[str]:
        try:
            return {path.name for path in self.folder.iterdir()}
        except FileNotFoundError:
            return set()

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
