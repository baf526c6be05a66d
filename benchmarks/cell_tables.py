"""Candidate cells of many blocks merged into one table, and the best of each cell kept: time and memory.

``python benchmarks/cell_tables.py [--blocks 1000] [--rows 1000]``. Parts are written as blocks write them; merging them
and ``common.blobs`` run in this process. CPU seconds, and the peak of the memory that each adds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from voxome.blocks.memory import peak_bytes, reset_peak
from voxome.kinds.merge import ROWS_AT_ONCE, merge_parts
from voxome.resources.table import TableFile, write_table
from voxome.storage.find import storage_at
from voxome.tools.common.blob_peaks import PEAKS
from voxome.tools.common.blobs import blobs
from voxome.tools.common.scale_space.suppression import keep_best


def write_part(path: Path, index: int, edge: int, rows: int) -> None:
    """Write the peaks of one of the blocks of 200³ voxels of 1 µm."""
    rng = np.random.default_rng(index)
    start = 200 * np.array([index // edge**2, index // edge % edge, index % edge])
    voxels = start + rng.integers(0, 200, (rows, 3))
    columns = dict(zip("zyx", voxels.T, strict=True))
    places = dict(zip(("z_nm", "y_nm", "x_nm"), 1000.0 * voxels.T, strict=True))
    flags = {name: np.zeros(rows, bool) for name in ("touches_face", "at_range_end")}
    values = {"radius_nm": rng.uniform(4000, 9000, rows), "score": rng.uniform(20, 90, rows)}
    folded = PEAKS.folding.apply({**columns, **places, **values, **flags})
    write_table(storage_at(str(path)), folded, PEAKS.columns, row_group=ROWS_AT_ONCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1000, help="rows of a block")
    arguments = parser.parse_args()
    keep_best(np.zeros((1, 3)), np.ones(1), np.ones(1), 1.0)
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / f"{index}.parquet" for index in range(arguments.blocks)]
        for index, part in enumerate(parts):
            write_part(part, index, round(arguments.blocks ** (1 / 3)), arguments.rows)
        target = f"{folder}/merged.parquet"
        reset_peak()
        before, start = peak_bytes(), time.process_time()
        merge_parts(map(str, parts), target, storage_at(f"{folder}/scratch"), PEAKS.folding)
        seconds, memory = time.process_time() - start, peak_bytes() - before
        print(f"merged {len(TableFile(target)):,} rows: {seconds:.1f} s, {memory / 1e6:.0f} MB")
        reset_peak()
        before, start = peak_bytes(), time.process_time()
        kept = blobs(TableFile(target))
        seconds, memory = time.process_time() - start, peak_bytes() - before
        print(f"kept {len(kept['id']):,}: {seconds:.1f} s, {memory / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
