"""Progress of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class StepReport:
    """Progress and cost of a step, counted in blocks; `block_bytes` is the size of one where bytes are reported."""

    name: str
    tool: str
    key: str
    total: int
    run: int = 0
    reused: int = 0
    wall_s: float = 0.0
    worker_s: float = 0.0
    peak_bytes: int = 0
    ended: bool = False
    block_bytes: int = 0
    retries: int = 0

    def count_retry(self) -> None:
        """Count a job that has failed or was lost, and is tried again."""
        self.retries += 1


Progress = Callable[[StepReport], None]
"""What is called with the report of a step whenever a job ends."""
