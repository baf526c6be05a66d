"""The rows of one run in a ledger that several runs may share."""

from __future__ import annotations

import hashlib

from voxome.contracts.records import Ledger, RecordStore


class ScopedLedger:
    """A ledger in which only the jobs of one run are visible.

    Parameters
    ----------
    ledger : Ledger
        Ledger that runs may share: equal steps of two runs have equal keys, but write into different arrays.
    run : str
        Id of the run.
    """

    def __init__(self, ledger: Ledger, run: str) -> None:
        self._ledger, self._run = ledger, hashlib.sha256(run.encode()).hexdigest()[:12]

    def job_done(self, step_key: str, phase: int, job: int, seconds: float, peak_bytes: int) -> None:
        """Record that a job is done."""
        self._ledger.job_done(self._key(step_key), phase, job, seconds, peak_bytes)

    def jobs_done(self, step_key: str, phase: int) -> set[int]:
        """Return the finished jobs of a phase."""
        return self._ledger.jobs_done(self._key(step_key), phase)

    def forget(self, step_key: str) -> None:
        """Delete the jobs of a step."""
        self._ledger.forget(self._key(step_key))

    def usage(self, step_key: str) -> tuple[float, int]:
        """Return the seconds of all jobs of a step and the largest peak memory of one, in bytes."""
        return self._ledger.usage(self._key(step_key))

    def _key(self, step_key: str) -> str:
        return f"{step_key}-{self._run}"


def ledger_of(records: RecordStore, run: str) -> Ledger:
    """Return the ledger of a run: only its own rows of records that are shared."""
    return ScopedLedger(records, run) if records.shared else records
