"""Results of other runs."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from voxome.errors import InvalidInput, StoreError
from voxome.workflow.foreign import cache
from voxome.workflow.foreign.runner import run_process

SCATTER = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {p: "string[]"}
outputs: {all: {type: "File[]", outputSource: one/out}}
steps:
  one:
    scatter: p
    in: {p: p}
    out: [out]
    run:
      class: CommandLineTool
      requirements:
        InitialWorkDirRequirement: {listing: [{entryname: NAME, entry: "p=$(inputs.p)"}]}
      baseCommand: [sh, -c, "cat *"]
      inputs: {p: string}
      stdout: out.txt
      outputs: {out: stdout}
"""
COPY = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [cat]
inputs: {f: {type: File, inputBinding: {}}}
stdout: out.txt
outputs: {out: stdout}
"""
TREE = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "cd $0 && find . | sort && cat *"]
inputs: {d: {type: Directory, inputBinding: {}}}
stdout: out.txt
outputs: {out: stdout}
"""


WITH_FAILURE = """
cwlVersion: v1.2
class: Workflow
inputs: {f: File}
outputs: {o: {type: File, outputSource: good/o}}
steps:
  good:
    in: {f: f}
    out: [o]
    run:
TOOL
  bad:
    in: {o: good/o}
    out: []
    run: {class: CommandLineTool, baseCommand: [sh, -c, exit 1], inputs: {o: File}, outputs: {}}
"""


def text(call) -> str:
    return Path(call.outputs["out"]["path"]).read_text()


@pytest.mark.slow
def test_texts_of_the_work_folder_are_part_of_the_key(call, tmp_path: Path) -> None:
    inputs, cache = {"p": ["one", "two", "three"]}, tmp_path / "cache"
    first = call(SCATTER.replace("NAME", "p.txt"), inputs, "a", cache=cache)
    assert [Path(one["path"]).read_text() for one in first.outputs["all"]] == ["p=one", "p=two", "p=three"]
    assert len(first.jobs("job ended")) == 3
    second = call(SCATTER.replace("NAME", "p.txt"), inputs, "b", cache=cache)
    assert [Path(one["path"]).read_text() for one in second.outputs["all"]] == ["p=one", "p=two", "p=three"]
    assert second.jobs("job started") == []
    assert len(call(SCATTER.replace("NAME", "q.txt"), inputs, "c", cache=cache).jobs("job ended")) == 3


@pytest.mark.slow
def test_the_content_of_a_file_is_part_of_the_key_whatever_its_times(call, tmp_path: Path) -> None:
    file, cache = tmp_path / "f", tmp_path / "cache"
    inputs = {"f": {"class": "File", "path": str(file)}}
    file.write_text("one")
    before = file.stat()
    assert text(call(COPY, inputs, "a", cache=cache)) == "one"
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert text(call(COPY, inputs, "b", cache=cache)) == "two"
    os.utime(file, (time.time() + 86400,) * 2)
    assert call(COPY, inputs, "c", cache=cache).jobs("job started") == []


@pytest.mark.slow
@pytest.mark.parametrize("change", ["content", "add", "rename", "remove"])
def test_the_content_of_a_folder_is_part_of_the_key(change: str, call, tmp_path: Path) -> None:
    folder, cache = tmp_path / "d", tmp_path / "cache"
    folder.mkdir()
    (folder / "x").write_text("first ")
    (folder / "y").write_text("other ")
    inputs = {"d": {"class": "Directory", "path": str(folder)}}
    before = text(call(TREE, inputs, "a", cache=cache))
    assert call(TREE, inputs, "b", cache=cache).jobs("job started") == []
    if change == "content":
        (folder / "x").write_text("second")
    elif change == "add":
        (folder / "z").write_text("")
    elif change == "rename":
        (folder / "x").rename(folder / "w")
    else:
        (folder / "y").unlink()
    after = call(TREE, inputs, "c", cache=cache)
    assert len(after.jobs("job ended")) == 1
    assert text(after) != before


@pytest.mark.parametrize(("name", "literal"), [("outdir", "/work"), ("tmpdir", "/tmp")])
def test_folders_of_a_job_are_not_mistaken_for_others(name: str, literal: str, call, tmp_path: Path) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [echo]
arguments: [WHERE]
inputs: {}
stdout: out.txt
outputs: {out: stdout}
"""
    call(document.replace("WHERE", f"$(runtime.{name})"), out="a", cache=tmp_path / "cache")
    assert text(call(document.replace("WHERE", literal), out="b", cache=tmp_path / "cache")) == f"{literal}\n"


LIMITED = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  ResourceRequirement: {coresMin: CORES, ramMin: 64, ramMax: RAM}
  ToolTimeLimit: {timelimit: TIME}
baseCommand: [echo]
arguments: [ARGUMENT]
inputs: {}
stdout: out.txt
outputs:
  out: stdout
  n: {type: Any, outputBinding: {outputEval: OUTPUT}}
"""


def limited(**values: object) -> str:
    chosen = {"CORES": 1, "RAM": 256, "TIME": 100, "ARGUMENT": "one", "OUTPUT": "$(runtime.outdir)"} | values
    document = LIMITED
    for name, value in chosen.items():
        document = document.replace(name, str(value))
    return document


@pytest.mark.slow
def test_limits_are_no_part_of_the_key(call, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    call(limited(), out="a", cache=cache)
    assert call(limited(CORES=2, RAM=512, TIME=200), out="b", cache=cache).jobs("job started") == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["ARGUMENT", "OUTPUT"])
def test_limits_that_an_expression_uses_are_part_of_the_key(place: str, call, tmp_path: Path) -> None:
    cache, uses = tmp_path / "cache", {place: "$(runtime.cores)"}
    call(limited(**uses), out="a", cache=cache)
    assert call(limited(TIME=200, **uses), out="b", cache=cache).jobs("job started") == []
    assert len(call(limited(CORES=2, **uses), out="c", cache=cache).jobs("job ended")) == 1


def test_another_place_or_name_of_the_document_finds_the_result(call, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one")
    inputs = {"f": {"class": "File", "path": str(tmp_path / "f")}}
    call(COPY, inputs, "a", cache=tmp_path / "cache")
    (tmp_path / "other").mkdir()
    moved = tmp_path / "other" / "tool.cwl"
    moved.write_text(COPY)
    assert call(moved, inputs, "b", cache=tmp_path / "cache").jobs("job started") == []


def test_an_output_that_gives_an_input_a_format_is_cached(call, tmp_path: Path) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: "true"
inputs: {f: File}
outputs: {out: {type: File, format: "http://example.com/format", outputBinding: {outputEval: $(inputs.f)}}}
"""
    (tmp_path / "f").touch()
    inputs = {"f": {"class": "File", "path": str(tmp_path / "f")}}
    call(document, inputs, "a", cache=tmp_path / "cache")
    assert call(document, inputs, "b", cache=tmp_path / "cache").jobs("job started") == []


def test_delivered_files_are_not_those_of_the_cache(call, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one")
    inputs, cache = {"f": {"class": "File", "path": str(tmp_path / "f")}}, tmp_path / "cache"
    for out in ("a", "b"):
        delivered = Path(call(COPY, inputs, out, cache=cache).outputs["out"]["path"])
        assert not delivered.is_symlink()
        delivered.write_text("changed")
    third = call(COPY, inputs, "c", cache=cache)
    assert third.jobs("job started") == []
    assert text(third) == "one"


@pytest.mark.slow
def test_a_damaged_entry_is_computed_again(call, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one")
    inputs, cache = {"f": {"class": "File", "path": str(tmp_path / "f")}}, tmp_path / "cache"
    call(COPY, inputs, "a", cache=cache)
    (damaged,) = cache.rglob("out.txt")
    damaged.write_text("two")
    assert text(call(COPY, inputs, "b", cache=cache)) == "one"
    assert call(COPY, inputs, "c", cache=cache).jobs("job started") == []


def test_a_tool_that_forbids_reuse_runs_again(call, tmp_path: Path) -> None:
    document = COPY.replace("baseCommand", "requirements: {WorkReuse: {enableReuse: false}}\nbaseCommand")
    (tmp_path / "f").write_text("one")
    inputs = {"f": {"class": "File", "path": str(tmp_path / "f")}}
    for out in ("a", "b"):
        assert len(call(document, inputs, out, cache=tmp_path / "cache").jobs("job ended")) == 1


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), StoreError("the disk is full")])
def test_a_cache_that_cannot_be_written_fails_no_run(
    error: Exception, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise error

    (tmp_path / "f").write_text("one")
    inputs, folder = {"f": {"class": "File", "path": str(tmp_path / "f")}}, tmp_path / "cache"
    monkeypatch.setattr(cache.ResultCache, "store", fail)
    assert text(call(COPY, inputs, "a", cache=folder)) == "one"
    assert "is not in the cache, which cannot be written" in caplog.text


@pytest.mark.slow
def test_results_that_a_resumed_run_takes_are_cached(call, tmp_path: Path) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
requirements: {SubworkflowFeatureRequirement: {}}
inputs: {wanted: string}
outputs: {}
steps:
  one:
    in: {}
    out: [out]
    run: {class: CommandLineTool, baseCommand: [echo, one], inputs: {}, stdout: o, outputs: {out: stdout}}
  two:
    in: {before: one/out, wanted: wanted}
    out: []
    run:
      class: CommandLineTool
      baseCommand: [test, -e]
      inputs: {before: File, wanted: {type: string, inputBinding: {}}}
      outputs: {}
"""
    inputs, folder = {"wanted": str(tmp_path / "wanted")}, tmp_path / "cache"
    assert call(document, inputs, "a", cache=folder).status == 1
    shutil.rmtree(folder)  # as if the run had been killed before it stored its first result
    (tmp_path / "wanted").touch()
    resumed = call(document, inputs, "a", cache=folder)
    assert (resumed.status, len(resumed.jobs("job reused"))) == (0, 1)
    assert call(document, inputs, "b", cache=folder).jobs("job started") == []


@pytest.mark.parametrize("where", ["out", "cache"])
def test_addresses_are_no_folders(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=r"s3://bucket/x is an address; expected a folder of this machine"):
        run_process("tool.cwl", **{where: "s3://bucket/x"})
    assert list(tmp_path.iterdir()) == []


def test_changed_globs_are_not_answered_with_old_results(call, tmp_path: Path) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "echo a > a.txt; echo b > b.txt"]
inputs: {}
outputs: {out: {type: File, outputBinding: {glob: a.txt}}}
"""
    assert text(call(document, {}, "a", cache=tmp_path / "cache")) == "a\n"
    assert text(call(document.replace("glob: a", "glob: b"), {}, "b", cache=tmp_path / "cache")) == "b\n"


@pytest.mark.parametrize("argument", ["{}", "--script={}"])
def test_the_content_of_a_script_of_this_machine_is_part_of_the_key(argument: str, call, tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("1")
    document = f"""
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [echo, {argument.format(tmp_path / "tool")}]
inputs: {{}}
outputs: {{}}
"""
    assert call(document, out="a", cache=tmp_path / "cache").jobs("job ended")
    assert call(document, out="b", cache=tmp_path / "cache").jobs("job reused")
    (tmp_path / "tool").write_text("2")
    assert call(document, out="c", cache=tmp_path / "cache").jobs("job ended")


def test_variables_that_are_passed_are_part_of_the_key(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (
        "{cwlVersion: v1.2, class: CommandLineTool, baseCommand: env, inputs: {}, stdout: o, outputs: {o: stdout}}"
    )
    for value in ("one", "two"):
        monkeypatch.setenv("MODEL", value)
        ended = call(document, out=value, cache=tmp_path / "cache", environment="native?variables=MODEL")
        assert f"MODEL={value}\n" in (ended.out / "o").read_text()


def test_the_result_of_an_input_that_changes_meanwhile_is_not_kept(call, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("1")
    document = f"""
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, 'cat $0; test ! -e $1 || echo 2 > $1']
inputs:
  f: {{type: File, inputBinding: {{position: 1}}}}
arguments: [{{position: 2, valueFrom: {tmp_path}/more}}]
stdout: o
outputs: {{o: stdout}}
"""
    inputs = {"f": {"class": "File", "path": str(tmp_path / "input")}}
    (tmp_path / "more").symlink_to("input")
    assert call(document, inputs, out="a", cache=tmp_path / "cache").status == 0
    assert not list((tmp_path / "cache").rglob("result.json"))
    (tmp_path / "more").unlink()
    assert call(document, inputs, out="b", cache=tmp_path / "cache").status == 0
    assert len(list((tmp_path / "cache").rglob("result.json"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("is_cached", [False, True])
def test_the_result_of_an_input_that_is_changed_and_restored_is_not_kept(is_cached: bool, call, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("1\n")
    (tmp_path / "script").write_text(
        f"cd {tmp_path}; test ! -e edit || echo 2 > input; cat $1; test ! -e edit || echo 1 > input"
    )
    document = f"""
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, {tmp_path}/script]
inputs: {{f: {{type: File, inputBinding: {{}}}}}}
stdout: o
outputs: {{o: stdout}}
"""
    options = {"cache": tmp_path / "cache"} if is_cached else {}
    failing = WITH_FAILURE.replace("TOOL", "".join(f"      {line}\n" for line in document.strip().splitlines()))
    inputs = {"f": {"class": "File", "path": str(tmp_path / "input")}}
    (tmp_path / "edit").touch()
    assert call(failing, inputs, **options).status == 1
    (tmp_path / "edit").unlink()
    ended = call(failing.replace("exit 1", "exit 0"), inputs, **options)
    assert Path(ended.outputs["o"]["path"]).read_text() == "1\n"


def test_a_program_in_the_work_folder_is_reused(call, tmp_path: Path) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  InitialWorkDirRequirement: {listing: [{class: File, location: LOCATION, basename: run}]}
baseCommand: [./run]
inputs: {}
outputs: {}
"""
    (tmp_path / "program").write_text("#!/bin/sh\n")
    (tmp_path / "program").chmod(0o755)
    document = document.replace("LOCATION", str(tmp_path / "program"))
    assert call(document, out="a", cache=tmp_path / "cache").jobs("job ended")
    assert call(document, out="b", cache=tmp_path / "cache").jobs("job reused")


def test_results_are_taken_but_not_removed_where_files_cannot_be_locked(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / "f").write_text("one")
    inputs, folder = {"f": {"class": "File", "path": str(tmp_path / "f")}}, tmp_path / "cache"
    call(COPY, inputs, "a", cache=folder)
    monkeypatch.setattr(cache, "fcntl", SimpleNamespace(flock=fail, LOCK_EX=2, LOCK_NB=4, LOCK_SH=1))
    assert call(COPY, inputs, "b", cache=folder).jobs("job started") == []
    (entry,) = cache.cache_entries(folder)
    assert not entry.remove()
    assert entry.path.exists()


def test_entries_are_locked_for_removal_as_nfs_demands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lock(file: IO[bytes], how: int) -> None:
        if how & fcntl.LOCK_EX and not file.writable():
            raise OSError(errno.EBADF, "Bad file descriptor")

    (tmp_path / "ab" / "abc").mkdir(parents=True)
    (tmp_path / "ab" / "abc" / "result.json").write_text("{}")
    monkeypatch.setattr(fcntl, "flock", lock)
    (entry,) = cache.cache_entries(tmp_path)
    assert entry.remove()
    assert not entry.path.exists()


def test_leftovers_go_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ab" / ".abc.1234.part" / "work" / "file"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(1000))
    os.utime(file, (0, 0))
    assert list(cache.cache_entries(tmp_path)) == []
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600)
    (leftover,) = cache.cache_entries(tmp_path)
    assert (leftover.path, leftover.nbytes) == (tmp_path / "ab" / ".abc.1234.part", 1000)
    assert leftover.remove()
    assert list((tmp_path / "ab").iterdir()) == []
