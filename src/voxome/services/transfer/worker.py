"""A worker of transfers: ``python -m voxome.services.transfer.worker``, as `voxome.blocks.worker` is one of tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxome.blocks.worker import main


def run_job(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Run one job; what it takes is imported then."""
    from voxome.services.transfer import job

    return job.run_job(payload)


if __name__ == "__main__":
    main(run_job)
