"""Requests that Schemathesis makes from the OpenAPI document of a relay: ``python -m relay.fuzz.described``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from relay.serving import serving, stored

from voxome.relay.sources import Sources

PROGRAM = Path(__file__).parents[3] / ".venv" / "fuzz" / "bin" / "schemathesis"
_ID = 720575940602398473


def check(examples: int, seed: int) -> subprocess.CompletedProcess[str]:
    """Let Schemathesis send requests to a relay whose source is that of the document's examples.

    Parameters
    ----------
    examples : int
        Most requests of each kind to each operation.
    seed : int
        Seed of the requests.
    """
    voxels = np.full((64, 64, 64), _ID, "uint64")
    voxels[:8] = 0
    sources = Sources()
    sources.add("lab/em", stored(voxels, kind="labels", voxel_size_nm=(40, 4, 4)))
    with tempfile.TemporaryDirectory() as folder, serving(sources, ["api", "raw"], allow_origins=["*"]) as url:
        return subprocess.run(
            [
                str(PROGRAM), "run", f"{url}/api/openapi.json", "--url", url, "--max-examples", str(examples),
                "--seed", str(seed), "--request-timeout", "20", "--no-color",
                "--exclude-checks", "positive_data_acceptance",  # a box that is well formed may be outside the volume
            ],
            cwd=folder, env={**os.environ, "HYPOTHESIS_PROFILE": "default"}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip


def main() -> None:
    """Send requests, and print what Schemathesis reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ran = check(options.examples, options.seed)
    print(ran.stdout, ran.stderr)
    sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
