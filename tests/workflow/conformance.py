"""Conformance tests of CWL: each in a process of its own, forked from one that has imported cwltool.

``python -m workflow.conformance ARCHIVE [--tag TAG] [--id ID] [--cache]`` runs those of a packed suite and prints what
fails; with a cache each twice, the second time without executing what may be reused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from archives import unpack
from ruamel.yaml import YAML

UNSUPPORTED = 33
LIMIT_S = 600
_WHERE = frozenset({"path", "location", "contents", "listing", "secondaryFiles"})


class Unequal(Exception):
    """What a process returned is not what the test expects."""


def read_tests(folder: Path, tag: str | None = None) -> list[dict[str, Any]]:
    """Return the tests of a suite, those of all files that it imports."""
    return [test for test in _read(folder / "conformance_tests.yaml") if tag is None or tag in test.get("tags", ())]


def _read(path: Path) -> list[dict[str, Any]]:
    tests = []
    for entry in YAML(typ="safe").load(path.read_text(encoding="utf-8")):
        if "$import" in entry:
            tests += _read(path.parent / entry["$import"])
        else:
            tests.append({**entry, "folder": path.parent})
    return tests


def prepare() -> None:
    """Import what every test needs, and load the schemas of CWL."""
    from cwltool.process import get_schema

    import voxome.workflow.foreign.contexts
    import voxome.workflow.foreign.executor  # noqa: F401

    for version in ("v1.0", "v1.1", "v1.2"):
        get_schema(version)


def run_test(test: Mapping[str, Any], out: Path, **options: Any) -> tuple[str, str]:
    """Run a test in a forked process; return ``passed``, ``failed`` or ``unsupported``, and why."""
    from voxome.workflow.foreign.runner import run_process

    out.mkdir(parents=True, exist_ok=True)
    printed, log = out / "stdout.json", out / "stderr.log"
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            signal.alarm(LIMIT_S)
            os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
            os.chdir(test["folder"])
            with printed.open("w") as stream:
                job = [str(test["folder"] / test["job"])] if test.get("job") else []
                document = str(test["folder"] / test["tool"]) if "://" not in test["tool"] else test["tool"]
                code = run_process(document, job, out=out / "out", quiet=True, stdout=stream, **options)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == UNSUPPORTED:
        return "unsupported", log.read_text()[-300:]
    if test.get("should_fail"):
        return ("failed", "succeeds; expected a failure") if code in (0, 99) or code < 0 else ("passed", "")
    if code:
        return "failed", f"exit status {code}: {log.read_text()[-1500:]}"
    try:
        text = printed.read_text()
        compare(test.get("output"), json.loads(text) if text.strip() else {})
    except (Unequal, ValueError) as error:
        return "failed", str(error)
    return "passed", ""


def run_cold_and_warm(test: Mapping[str, Any], out: Path, **options: Any) -> tuple[str, str]:
    """Run a test twice with a cache; the second run has to do the same, and to execute nothing that may be reused."""
    cold = run_test(test, out / "cold", cache=out / "cache", **options)
    warm = run_test(test, out / "warm", cache=out / "cache", **options)
    if warm[0] != cold[0]:
        return "failed", f"{cold[0]}, and with a warm cache {warm[0]}: {warm[1]}"
    reusable = {key for key, details in events(out / "cold" / "out", "job ended") if details["reusable"]}
    started = {key for key, _ in events(out / "warm" / "out", "job started")}
    return ("failed", f"executes again: {started & reusable}") if started & reusable else cold


def events(folder: Path, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return key and details of the events of a kind in the records of a run."""
    file = folder / ".voxome" / "run.sqlite"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as records:
        rows = records.execute("SELECT details FROM events WHERE kind = ? ORDER BY id", (kind,)).fetchall()
    return [(details["key"], details) for details in (json.loads(text) for (text,) in rows)]


def compare(expected: Any, found: Any) -> None:
    """Compare an output object with the expected one, as cwltest does."""
    if expected == "Any":
        return
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping):
            raise Unequal(f"{found!r} is not {expected!r}")
        if expected.get("class") in ("File", "Directory"):
            _compare_file(expected, found)
            return
        for name in expected.keys() | found.keys():
            compare(expected.get(name), found.get(name))
    elif isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            raise Unequal(f"{found!r} is not {expected!r}")
        for one, other in zip(expected, found, strict=True):
            compare(one, other)
    elif expected != found:
        raise Unequal(f"{found!r} is not {expected!r}")


def _compare_file(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    path = Path(unquote(urlsplit(found.get("location", "")).path))
    for name in expected.keys() & {"path", "location"}:
        where = str(found.get(name)).rstrip("/")
        if expected[name] != "Any" and not f"/{where}".endswith(f"/{expected[name].rstrip('/')}"):
            raise Unequal(f"{name} is {where}, not {expected[name]}")
    for name in expected.keys() - _WHERE:
        compare(expected[name], found.get(name))
    if expected["class"] == "Directory":
        if not path.is_dir():
            raise Unequal(f"{path} is not a folder")
        _compare_listing(expected.get("listing", []), found.get("listing", []))
        return
    if path.is_symlink() or not path.is_file():
        raise Unequal(f"{path} is not a file")
    content = path.read_bytes()
    digest = f"sha1${hashlib.sha1(content).hexdigest()}"
    if found.get("checksum", digest) != digest or found.get("size", len(content)) != len(content):
        raise Unequal(f"{path} has not the checksum or size of the output object")
    if "contents" in expected and content.decode() != expected["contents"]:
        raise Unequal(f"{path} has not the expected content")
    _compare_listing(expected.get("secondaryFiles", []), found.get("secondaryFiles", []))


def _compare_listing(expected: list[Any], found: list[Any]) -> None:
    """Compare lists in any order."""
    if len(found) < len(expected):
        raise Unequal(f"{len(found)} entries, not {len(expected)}")
    for one in expected:
        for other in found:
            try:
                compare(one, other)
                break
            except Unequal as error:
                reason = error
        else:
            raise Unequal(f"no entry for {one}: {reason}")


def main() -> None:
    """Run a suite and print what does not pass."""
    parser = argparse.ArgumentParser("conformance", description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--tag")
    parser.add_argument("--id", action="append")
    parser.add_argument("--engine", default="local")
    parser.add_argument("--cache", action="store_true")
    options = parser.parse_args()
    prepare()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="cwl-") as out:
        suite = unpack(options.archive, Path(out) / "suite")
        for number, test in enumerate(read_tests(suite, options.tag)):
            if options.id and test["id"] not in options.id:
                continue
            folder = Path(out) / str(number)
            if options.cache:
                state, why = run_cold_and_warm(test, folder, engine=options.engine)
            else:
                state, why = run_test(test, folder, engine=options.engine)
            counts[state] += 1
            if state != "passed":
                print(f"{state}: {test['id']}: {why if state == 'failed' else ''}", flush=True)
    print(dict(counts))


if __name__ == "__main__":
    main()
