"""Run inputs ``START`` to ``STOP`` of a target in this process: ``python -m fuzz.child TARGET SEED START STOP FOLDER``.

Before each, its number is written to ``FOLDER/at``, so that the parent knows which one ended the process, or does not
end; at the end, it makes the file ``FOLDER/done``. A fault is one line of JSON in ``FOLDER/faults``. An input that
takes more than 2 s of CPU time is a fault, and so is one that asks for more memory than `HEADROOM`, or for stores
`STORE_HEADROOM`, above what the valid inputs took: none of these is decoded to a megabyte.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import TextIO

MEMORY = 2 << 30
HEADROOM = 96 << 20
STORE_HEADROOM = 256 << 20
"""More for stores: each further thread of tensorstore reserves 8 MiB of addresses, and the library for WKW reads the
index of a file as a whole, which has up to 128 MiB."""
LONGEST_S = 2.0


def main(name: str, seed: int, start: int, stop: int, folder: Path) -> None:
    from fuzz.stores import STORES
    from fuzz.targets import open_target

    warnings.simplefilter("ignore")
    attempt = open_target(name, folder)
    headroom = STORE_HEADROOM if name in STORES else HEADROOM
    limit = min(MEMORY, _mapped() + headroom)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with (
        (folder / "at").open("r+b") as file,
        mmap.mmap(file.fileno(), 8) as at,
        (folder / "faults").open("a", buffering=1) as faults,
    ):
        for number in range(start, stop):
            at[:] = number.to_bytes(8, "little")
            began = time.process_time()
            try:
                attempt(Random(f"{name}/{seed}/{number}"))
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                _report(faults, number, f"{type(error).__name__}: {error}", f"{where.filename}:{where.lineno}")
            if (cpu_s := time.process_time() - began) > LONGEST_S:
                _report(faults, number, f"slow: {cpu_s:.1f} s of CPU time", name)
    (folder / "done").touch()


def _mapped() -> int:
    """Return the bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _report(faults: TextIO, number: int, text: str, where: str) -> None:
    print(json.dumps([number, text[:300], where]), file=faults)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
