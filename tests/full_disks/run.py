"""Every command that writes, on disks that get full: ``python -m full_disks.run [--tries N] [VERB …]`` from ``tests/``.

A try runs a command on a disk of 1 to 20 MiB, on which a share of what it needs is free, and then again after the disk
was freed. It must succeed with the right result, or end with one message that names the disk and the cause, and leave
nothing that opens with other contents; the second call must succeed, and leave the files of a call that nothing
disturbed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from full_disks.child import Ended, call, import_libraries, run
from full_disks.disk import MIB, files, fill, free, small_disk, used_bytes
from full_disks.verbs import VERBS, Verb, write_inputs
from voxome.errors import VoxomeError
from voxome.storage.temporary_names import OWNER

_ABOUT_SPACE = re.compile(r"[Nn]o space|free|full|disk", re.ASCII)
_TEMPORARY = re.compile(rf"(^|/)\.{OWNER.pattern}-")
_VARYING = re.compile(r"[0-9a-f]{8,}|\d+")


class Expected(NamedTuple):
    """What a command does on an empty disk: digest of its result, its files, and the bytes that they take."""

    digest: str
    names: list[str]
    nbytes: int


def words_of(verb: Verb, inputs: Path, disk: Path) -> list[str]:
    return [one.replace("DISK", str(disk)).replace("IN/", f"{inputs}/") for one in verb.words.split()]


def prepare(verb: Verb, inputs: Path, disk: Path) -> None:
    """Copy to the disk what the command changes or replaces."""
    for name, source in verb.before.items():
        if (inputs / source).is_dir():
            shutil.copytree(inputs / source, disk / name)
        else:
            shutil.copy(inputs / source, disk / name)


def digest(verb: Verb, disk: Path) -> str | None:
    """Return the digest of the result; None if there is none that can be read."""

    def read() -> str | None:
        try:
            return verb.read(disk / verb.result)
        except (VoxomeError, FileNotFoundError):
            return None

    found: str | None = call(read, disk.parent)
    return found


def expect(verb: Verb, inputs: Path, folder: Path) -> Expected:
    """Run a command on a disk that is large enough."""
    with small_disk(folder / "disk", 64 * MIB) as disk:
        os.environ["VOXOME_STATE"] = str(disk / "state")
        prepare(verb, inputs, disk)
        before = used_bytes(disk)
        ended = run(words_of(verb, inputs, disk), folder)
        found = digest(verb, disk)
        if ended.status or found is None:
            raise RuntimeError(f"{verb.words} fails without any need: {ended}")
        return Expected(found, _shapes(disk), used_bytes(disk) - before)


def attempt(verb: Verb, expected: Expected, inputs: Path, folder: Path, random: Random) -> tuple[str, list[str]]:
    """Run a command on a disk that gets full, and once more; return how it ended, and what is wrong."""
    size = random.randrange(1, 21) * MIB
    left = int(expected.nbytes * random.uniform(0, 1.1))
    with small_disk(folder / "disk", max(size, 2 * expected.nbytes + 4 * MIB)) as disk:
        os.environ["VOXOME_STATE"] = str(disk / "state")
        prepare(verb, inputs, disk)
        old = digest(verb, disk)
        fill(disk, left)
        words = words_of(verb, inputs, disk)
        ended = run(words, folder)
        problems = [f"{left:,} bytes free: {one}" for one in _problems(verb, expected, ended, disk, old)]
        free(disk)
        again = run(words, folder) if ended.status else ended
        if again.status:
            problems.append(f"{left:,} bytes free at first: the second call fails: {again}")
        elif digest(verb, disk) != expected.digest:
            problems.append(f"{left:,} bytes free at first: the second call has another result")
        elif _shapes(disk) != expected.names:
            more, less = Counter(_shapes(disk)), Counter(expected.names)
            problems.append(
                f"{left:,} bytes free at first: files {list(more - less)} too many, {list(less - more)} too few"
            )
    return "done" if ended.status == 0 else "refused", problems


def _problems(verb: Verb, expected: Expected, ended: Ended, disk: Path, old: str | None) -> Iterator[str]:
    found = digest(verb, disk)
    if ended.status == 0:
        if found != expected.digest:
            yield "status 0, but the result is not right"
        return
    if ended.status != 1 or "internal error" in ended.error or "Traceback" in ended.error:
        yield f"ended badly: {ended}"
    elif str(disk) not in ended.error or not _ABOUT_SPACE.search(ended.error.replace(str(disk), "")):
        yield f"the message does not tell the place or the cause: {ended.error}"
    if found not in (None, old, expected.digest):
        yield f"something else is read as the result, after {ended.error}"
    if old is not None and found is None:
        yield f"what was there cannot be read any more, after {ended.error}"
    left = [one for one in files(disk) if one.endswith(".part") or _TEMPORARY.search(one)]
    if left:
        yield f"temporary files are left: {left[:5]}"


def _shapes(disk: Path) -> list[str]:
    """Return the names of the files on a disk, without logs, numbers and random letters."""
    return sorted(_VARYING.sub("#", one) for one in files(disk) if not one.endswith(".log"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verbs", nargs="*", metavar="VERB", help=", ".join(VERBS))
    parser.add_argument("--tries", type=int, default=200, help="number of tries, of all verbs together")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    names, found = given.verbs or list(VERBS), 0
    print("| verb | bytes | tries | done | refused | problems |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        (folder / "config.toml").touch()
        os.environ["VOXOME_CONFIG"] = str(folder / "config.toml")
        inputs = folder / "in"
        inputs.mkdir()
        import_libraries()
        call(lambda: write_inputs(inputs), folder)
        for place, name in enumerate(names):
            tries = len(range(place, given.tries, len(names)))
            expected = expect(VERBS[name], inputs, folder)
            ends = Counter[str]()
            problems = []
            for number in range(tries):
                end, new = attempt(VERBS[name], expected, inputs, folder, Random(f"{name}/{given.seed}/{number}"))
                ends[end] += 1
                problems += new
            found += len(problems)
            print(
                f"| {name} | {expected.nbytes:,} | {tries} | {ends['done']} | {ends['refused']} | {len(problems)} |",
                flush=True,
            )
            for one in problems:
                print(f"  {one}", flush=True)
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
