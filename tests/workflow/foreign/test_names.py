"""Names of files that no file can have, and those that would leave the folders of a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FILE = {"class": "File", "basename": "written.txt", "contents": "text"}
TOOL = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  InlineJavascriptRequirement: {}
  InitialWorkDirRequirement: {listing: LISTING}
baseCommand: [cat]
inputs: {given: "Any?"}
arguments: [$(inputs.given.path)]
stdout: out.txt
outputs: {out: stdout}
"""
EXPRESSION = """
cwlVersion: v1.2
class: ExpressionTool
requirements: {InlineJavascriptRequirement: {}}
inputs: {given: Any}
outputs: {out: Any}
expression: "$({'out': inputs.given})"
"""


def tool(listing: Any = ()) -> str:
    """Return a tool with what is to be in its work folder."""
    return TOOL.replace("LISTING", json.dumps(list(listing)))


def returned(entry: dict[str, Any]) -> str:
    """Return an expression for what is to be in the work folder."""
    return "${ return [" + json.dumps(entry).replace('"', "'") + "]; }"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a\0b", "has a character that no path can have"),
        ("a\ud800b", "has a character that no path can have"),
        ("é" * 128, "is not the name of a file; expected at most 255 bytes"),
    ],
)
@pytest.mark.parametrize("where", ["input", "folder", "entry", "stdout", "glob"])
def test_names_that_no_file_can_have_are_named(
    call, where: str, name: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    document, inputs = tool(), dict[str, Any](given=FILE)
    match where:
        case "input":
            inputs = {"given": {**FILE, "basename": name}}
        case "folder":
            inputs = {"given": {"class": "Directory", "basename": "d", "listing": [{**FILE, "basename": name}]}}
        case "entry":
            document = tool([{"entryname": name, "entry": "text"}])
        case "stdout":
            document = document.replace("stdout: out.txt", f"stdout: {json.dumps(name)}")
        case _:
            binding = {"type": "File", "outputBinding": {"glob": name}}
            document = document.replace("out: stdout", f"out: {json.dumps(binding)}")
    ended = call(document, inputs)
    assert ended.status == 1
    text = " ".join(caplog.text.split())
    assert problem in text or (where == "glob" and "Did not find output file" in text)
    assert "Unhandled" not in text


def test_an_address_with_nul_is_named(call, caplog: pytest.LogCaptureFixture) -> None:
    assert call(tool(), {"given": {"class": "File", "location": "file:///a%00b"}}).status == 1
    assert "has a character that no path can have" in caplog.text


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Empty folder that is none of a run."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def test_where_a_file_of_the_input_object_says_to_be_is_ignored(call, outside: Path) -> None:
    inner = {**FILE, "dirname": str(outside)}
    for number, value in enumerate((inner, {"class": "Directory", "basename": "d", "listing": [inner]})):
        call(tool(), {"given": value}, out=f"out{number}")
    call(EXPRESSION, {"given": inner}, out="delivered")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("document", [tool(), EXPRESSION], ids=["staged", "delivered"])
@pytest.mark.parametrize("depth", [0, 1])
def test_no_name_leads_out_of_the_folders_of_a_job(
    call, document: str, depth: int, outside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    value: dict[str, Any] = {**FILE, "basename": f"{'../' * 20}{outside.relative_to('/')}/written.txt"}
    if depth:
        value = {"class": "Directory", "basename": "d", "listing": [value]}
    assert call(document, {"given": value}).status == 1
    assert "is not the name of a file" in caplog.text
    assert not list(outside.iterdir())


def test_nothing_that_a_listing_names_is_staged_elsewhere(
    call, outside: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("text")
    inner = {"class": "Directory", "basename": "e", "listing": [], "dirname": str(outside)}
    climbing = {**FILE, "basename": f"{'../' * 20}{outside.relative_to('/')}/written.txt"}
    listings = (
        returned({"class": "File", "location": kept.as_uri(), "dirname": str(outside)}),
        returned({"class": "Directory", "basename": "d", "listing": [inner]}),
        returned({"class": "Directory", "basename": "d", "listing": [climbing]}),
    )
    for number, listing in enumerate(listings):
        call(TOOL.replace("LISTING", json.dumps(listing)), {"given": FILE}, out=f"out{number}")
    assert not list(outside.iterdir())
    into_input = [{"entryname": "d", "entry": "$(inputs.given)"}, {"entryname": "d/written.txt", "entry": "text"}]
    ended = call(tool(into_input), {"given": {"class": "Directory", "location": outside.as_uri()}})
    assert ended.status == 1
    assert "or in an input" in caplog.text
    assert not list(outside.iterdir())
