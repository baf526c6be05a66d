"""A worker of transfers: ``python -m voxome.services.transfer.worker``, as `voxome.blocks.worker` is one of tools."""

from __future__ import annotations

from voxome.blocks.worker import main
from voxome.services.transfer.job import run_job

if __name__ == "__main__":
    main(run_job)
