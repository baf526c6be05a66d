"""Run inputs ``START`` to ``STOP`` of a target in this process: ``python -m fuzz.child TARGET SEED START STOP FOLDER``.

Before each, its number is written to ``FOLDER/at``, so that the parent knows which one ended the process, or does not
end. A fault is one line of JSON on standard output.
"""

from __future__ import annotations

import json
import mmap
import resource
import sys
import traceback
import warnings
from pathlib import Path
from random import Random

MEMORY = 3 << 30


def main(name: str, seed: int, start: int, stop: int, folder: Path) -> None:
    from fuzz.targets import open_target

    warnings.simplefilter("ignore")
    attempt = open_target(name, folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with (folder / "at").open("r+b") as file, mmap.mmap(file.fileno(), 8) as at:
        for number in range(start, stop):
            at[:] = number.to_bytes(8, "little")
            try:
                attempt(Random(f"{name}/{seed}/{number}"))
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                text = f"{type(error).__name__}: {error}"
                print(json.dumps([number, text[:300], f"{where.filename}:{where.lineno}"]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
