"""Documents of workflows are of a plausible size, and come from the network only if that is allowed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxome
from voxome.errors import InvalidInput, VoxomeError
from voxome.workflow import documents
from voxome.workflow.cwl import load
from voxome.workflow.documents import may_fetch, require_bounded
from voxome.workflow.job_file import read_job

WORKFLOW = "cwlVersion: v1.2\nclass: Workflow\ninputs: {}\noutputs: {}\nsteps: {}\n"
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


PIECES = [*"[]{}-?:,a\n *&'\"", "- ", ": ", "\n  ", "? ", "\r", "\x85", "&a ", "*a"]


def test_aliases_of_aliases_are_counted() -> None:
    with pytest.raises(InvalidInput, match=r"more than 1,000,000 values"):
        require_bounded(BOMB, "a.yml")
    require_bounded("a: &a [1, 2]\nb: [*a, *a]\n", "a.yml")


def test_a_value_that_contains_itself_is_refused() -> None:
    with pytest.raises(InvalidInput, match="values"):
        require_bounded("a: &a [*a]\n", "a.yml")


def test_levels_and_characters_are_limited() -> None:
    with pytest.raises(InvalidInput, match="200 levels"):
        require_bounded("[" * 300 + "]" * 300, "a.yml")
    with pytest.raises(InvalidInput, match="characters"):
        require_bounded(" " * (1 << 25), "a.yml")


@pytest.mark.slow
@given(
    st.lists(st.sampled_from([*"[]{}-?:,a\n *&'\"", "- ", ": ", "\n  ", "? ", "\r", "\x85", "&a ", "*a"]), max_size=60)
)
def test_what_seems_to_be_bounded_by_its_characters_is(parts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(documents, "_DEEPEST", 12)
        patched.setattr(documents, "_MOST_VALUES", 15)
        if documents._is_plainly_bounded(text := "".join(parts)):
            patched.setattr(documents, "_is_plainly_bounded", lambda _: False)
            require_bounded(text, "a.yml")


def test_a_large_document_is_looked_at_in_no_time() -> None:
    begin = time.thread_time()
    for line in ("- {a: 1, b: [2]}\n", "- a: 1\n", "# x\n", "- 'x'\n"):
        require_bounded(line * 100_000, "a.yml")
    require_bounded(json.dumps([{"a": [1, 2], "b": {}}] * 50_000), "a.json")
    assert time.thread_time() - begin < 10


def test_text_that_is_not_yaml_is_left_to_its_reader() -> None:
    require_bounded("a: [", "a.yml")


def test_workflows_and_job_files_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.cwl").write_text(BOMB + WORKFLOW)
    with pytest.raises(InvalidInput, match=r"a\.cwl has more than"):
        load(tmp_path / "a.cwl")
    (tmp_path / "b.cwl").write_text(WORKFLOW)
    (tmp_path / "b.yml").write_text(BOMB)
    with pytest.raises(InvalidInput, match=r"b\.yml has more than"):
        read_job(tmp_path / "b.yml", tmp_path / "b.cwl", load(tmp_path / "b.cwl"))


@pytest.mark.parametrize("reference", ["steps: {s: {run: 'http://127.0.0.1:9/a.cwl', in: {}, out: []}}", "$import"])
def test_nothing_is_fetched_from_the_network_unless_that_is_allowed(tmp_path: Path, reference: str) -> None:
    text = WORKFLOW.replace("steps: {}", reference)
    if reference == "$import":
        text = WORKFLOW.replace("inputs: {}", json.dumps({"inputs": {"$import": "http://127.0.0.1:9/a.yml"}})[1:-1])
    (tmp_path / "a.cwl").write_text(text)
    with pytest.raises(InvalidInput, match="with --allow-network only"):
        load(tmp_path / "a.cwl")
    voxome.configure(allow_network=True)
    try:
        with pytest.raises(InvalidInput, match=r"undefined reference|Error fetching|cannot connect|refused"):
            load(tmp_path / "a.cwl")
    finally:
        voxome.configure(allow_network=None)


@pytest.mark.parametrize(
    "spelling", ["{}", "file://{}", "FILE://{}", "file:{}", "file://localhost{}", "file://{}#main"]
)
def test_no_spelling_of_a_path_opens_the_network(tmp_path: Path, spelling: str) -> None:
    file = tmp_path / "a.cwl"
    file.write_text(
        WORKFLOW.replace("steps: {}", "steps: {s: {run: 'http://127.0.0.1:9/a.cwl', in: {}, out: []}}").replace(
            "class: Workflow", "class: Workflow\nid: main"
        )
    )
    address = spelling.format(file)
    assert not may_fetch(address)
    with pytest.raises(VoxomeError) as raised:
        load(address)
    assert "cannot connect" not in str(raised.value)
    assert "Connection" not in str(raised.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.cwl", "HTTPS://127.0.0.1:9/a.cwl"])
def test_a_process_on_the_network_may_refer_to_others_there(address: str) -> None:
    assert may_fetch(address)


@pytest.mark.parametrize("file", ["device", "pipe", "large"])
def test_documents_that_a_workflow_names_are_files_of_a_plausible_size(tmp_path: Path, file: str) -> None:
    path = Path("/dev/zero") if file == "device" else tmp_path / file
    if file == "pipe":
        os.mkfifo(path)
    elif file == "large":
        with path.open("wb") as sparse:
            sparse.truncate(1 << 25)
    (tmp_path / "a.cwl").write_text(WORKFLOW.replace("inputs: {}", f"doc: {{$include: '{path}'}}\ninputs: {{}}"))
    with pytest.raises(InvalidInput, match="the most of a workflow" if file == "large" else "a pipe or a device"):
        load(tmp_path / "a.cwl")


@pytest.mark.parametrize("key", ["$import", "$mixin", '"$\\x69mport"'])
def test_a_document_that_imports_itself_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "a.cwl").write_text(WORKFLOW.replace("inputs: {}", f"inputs: [{{{key}: b.yml}}]"))
    (tmp_path / "b.yml").write_text(f"[{{{key}: c/../b.yml#main}}]\n")
    with pytest.raises(InvalidInput, match=r"b\.yml imports itself"):
        load(tmp_path / "a.cwl")
    (tmp_path / "b.yml").write_text(f"[&a a.cwl, {{{key}: *a}}]\n")
    with pytest.raises(InvalidInput, match=r"imports itself"):
        load(tmp_path / "a.cwl")


def test_a_document_may_be_imported_twice(tmp_path: Path) -> None:
    inputs = "inputs: {a: {type: {$import: b.yml}}, b: {type: {$import: b.yml}}}"
    (tmp_path / "a.cwl").write_text(WORKFLOW.replace("inputs: {}", inputs))
    (tmp_path / "b.yml").write_text("type: array\nitems: string\n")
    load(tmp_path / "a.cwl")
