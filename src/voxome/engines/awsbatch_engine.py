"""Arrays of jobs of AWS Batch, with jobs and results on S3; each child of an array performs jobs of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from voxome.contracts.engine import Capacity, Job, JobStatus
from voxome.contracts.formats import PRIVATE
from voxome.engines.array_engine import ArrayEngine
from voxome.engines.awsbatch_api import ENDED, LARGEST_ARRAY, BatchClient, State
from voxome.engines.awsbatch_arrays import BatchArray, listed_results
from voxome.engines.awsbatch_options import BatchOptions, requirements
from voxome.engines.job_arrays import Ending, Place, Refusal
from voxome.engines.worker_environment import worker_environment
from voxome.errors import InvalidInput, StoreError, VoxomeError
from voxome.storage.path import StoragePath

_T = TypeVar("_T")
_ATTEMPTS = 5
"""Attempts at a request that may be repeated."""
_REASON = "cancelled by voxome"
_MOST_MEMORY_BYTES = 32 << 40
"""Memory of the largest instance of EC2, u7inh-32tb.480xlarge."""

Elements = Mapping[str, tuple[BatchArray, set[int]]]
"""Name of an array → the array, and indexes of its children."""


class BatchEngine(ArrayEngine[BatchArray]):
    """Runs jobs as children of arrays of AWS Batch.

    Parameters
    ----------
    workers : int
        Children that are queued or run in AWS Batch at once.
    log : path
        Lists the log streams of jobs that failed; the folder ``awsbatch`` beside it lists all arrays.
    folder : StoragePath
        Folder on S3 for jobs and results.
    options : BatchOptions
        Options.

    Raises
    ------
    StoreError, InvalidInput
        If AWS Batch does not answer, or the queue takes no jobs.
    """

    name = "awsbatch"
    _system = "AWS Batch"
    _scan_s = 2.0

    def __init__(self, *, workers: int, log: Path, folder: StoragePath, options: BatchOptions) -> None:
        self._options = options
        self._batch = BatchClient(options.region)
        self._definition = self._prepare()
        super().__init__(workers=workers, log=log, options=options)
        self._folder = folder / PRIVATE / "awsbatch" / self._run

    @cached_property
    def _capacity(self) -> Capacity:
        try:
            cpus = self._patiently(lambda: self._batch.most_cpus(self._options.queue))
        except Refusal:  # whoever may submit jobs may not see this
            cpus = None
        return Capacity(cpus, _MOST_MEMORY_BYTES)

    def capacity(self) -> Capacity:
        """Return the cores of the largest compute environment of the queue; AWS Batch does not know the memory."""
        return self._capacity

    def close(self) -> None:
        """Terminate everything, wait until it is gone, and remove the folder on S3."""
        super().close()
        with suppress(VoxomeError):
            self._folder.delete()

    def _prepare(self) -> str:
        """Check the queue, and return the job definition."""
        try:
            problem = self._patiently(lambda: self._batch.queue_problem(self._options.queue))
            if problem:
                raise InvalidInput(
                    f"The job queue {self._options.queue} {problem} in {self._batch.region}; give one that takes jobs "
                    "(awsbatch?queue=NAME&region=REGION)"
                )
            return self._patiently(lambda: self._batch.register(self._options.definition(self._batch.region)))
        except Refusal as error:
            raise StoreError(f"AWS Batch cannot be used: {error}; check region, credentials and permissions") from error

    def _patiently(self, request: Callable[[], _T], attempts: int = _ATTEMPTS) -> _T:
        """Make a request that may be repeated, several times if that may help.

        Raises
        ------
        Refusal
        """
        for attempt in range(attempts):
            try:
                return request()
            except Refusal as error:
                if not error.temporary or attempt + 1 == attempts:
                    raise
                time.sleep(min(self._back_off_s[0] * 2**attempt, self._back_off_s[1]))
        raise AssertionError("unreachable")

    def _read_left(self) -> list[BatchArray]:
        return BatchArray.read_all(self._records)

    def _free(self) -> int:
        return self._workers - sum(len(array.elements()) for array in self._arrays)

    def _room(self) -> int:
        return min(self._free(), LARGEST_ARRAY)

    def _write_array(self, groups: Sequence[Sequence[Job]]) -> BatchArray:
        return BatchArray.write(self._records, self._run, self._options.queue, self._folder, groups)

    def _find(self, array: BatchArray) -> bool:
        found = self._batch.find(array.queue, array.name)
        if found:
            array.accept(found)
        return bool(found)

    def _send(self, array: BatchArray) -> None:
        resources = next(iter(array.jobs.values())).resources
        environment = worker_environment(resources.cpus)
        identifier = self._batch.submit(
            len(array.sizes),
            jobName=array.name,
            jobQueue=array.queue,
            jobDefinition=self._definition,
            parameters={
                "folder": array.folder.address,
                "array": array.unique,
                "places": str(max(array.sizes)),
            },
            containerOverrides={
                "resourceRequirements": requirements(resources, self._options.memory_mib),
                "environment": [{"name": name, "value": value} for name, value in environment.items()],
            },
        )
        array.accept(identifier)

    def _scan(self) -> list[tuple[BatchArray, dict[Place, JobStatus]]]:
        arrays = {array.unique: array for array in self._arrays}
        listed: dict[str, list[Place]] = {}
        for folder in {array.folder.address: array.folder for array in self._arrays}.values():
            for unique, place in listed_results(folder):
                listed.setdefault(unique, []).append(place)
        return [(arrays[name], arrays[name].read_statuses(places)) for name, places in listed.items() if name in arrays]

    def _ended_elements(self, arrays: Sequence[BatchArray]) -> dict[str, set[int]]:
        states = self._batch.states([array.id for array in arrays])
        return {array.name: self._ended_children(array, states.get(array.id)) for array in arrays}

    def _ended_children(self, array: BatchArray, state: State | None) -> set[int]:
        """Return the children with unreported jobs that have ended.

        Raises
        ------
        Refusal
        """
        now, unreported = time.monotonic(), set(array.elements())
        if state is None:
            since = self._unknown_s.setdefault((array.name, 0), now)
            return unreported if now - since >= self._options.grace_s else set()
        self._unknown_s.pop((array.name, 0), None)
        if state.status in ENDED:
            return unreported
        if state.reason:
            self._warn(f"AWS Batch keeps jobs waiting: {state.reason}")
        ended: set[int] = set()
        for status in reversed(ENDED):
            if state.ended > len(ended | (set(range(len(array.sizes))) - unreported)):
                ended |= set(self._batch.children(array.id, status)) & unreported
        return ended

    def _endings(self, elements: Elements) -> dict[tuple[str, int], Ending]:
        states = self._batch.states([array.child(one) for array, indexes in elements.values() for one in indexes])
        return {
            (name, index): self._ending(states.get(array.child(index)))
            for name, (array, indexes) in elements.items()
            for index in indexes
        }

    def _ending(self, state: State | None) -> Ending:
        """Return how a child ended that left no result."""
        if state is None:
            return Ending("AWS Batch does not know its job (any more), and it left no result")
        if state.timed_out:
            limit = f"it ran longer than {self._options.limit_s} s, the limit of the engine's option limit_s"
            return Ending(f"{limit}, and was stopped", "TimeoutError")
        if state.image_is_missing:
            text = f"the image {self._options.image} cannot be had: its job {state.describe()}"
            return Ending(text, "NotFound", retryable=False)
        return Ending(f"its job {state.describe()}, without a result")

    def _logs(self, elements: Elements) -> dict[tuple[str, int], str]:
        children = {
            (name, index): array.child(index) for name, (array, indexes) in elements.items() for index in indexes
        }
        try:
            states = self._batch.states(list(children.values()))
        except Refusal:
            return {}
        group = self._options.logs or "/aws/batch/job"
        return {
            key: f"the log stream {states[child].stream} of the log group {group} in {self._batch.region}"
            for key, child in children.items()
            if child in states and states[child].stream
        }

    def _stop(self, elements: Elements) -> None:
        for array, indexes in elements.values():
            if not array.id and array.unsure:
                self._patiently(partial(self._find, array))
            if array.id:
                whole = indexes == set(array.elements())
                stopped = [array.id] if whole else [array.child(index) for index in sorted(indexes)]
                for one in stopped:
                    self._patiently(partial(self._batch.terminate, [one], _REASON))

    def _running(self, elements: Elements) -> bool:
        children = [array.child(index) for array, indexes in elements.values() if array.id for index in indexes]
        return any(state.status not in ENDED for state in self._batch.states(children).values())
