"""Single commands: failures, links, names of folders, environment."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from voxome.errors import InvalidInput, RunLocked
from voxome.records.folder import lock_folder
from voxome.workflow.foreign import javascript

SCRIPT = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  ShellCommandRequirement: {{}}
  InlineJavascriptRequirement: {{}}
baseCommand: [sh, -c]
arguments: [{command}]
inputs: {inputs}
outputs: {outputs}
"""


def script(command: str, inputs: object = (), outputs: object = ()) -> str:
    """Return a tool that calls the shell."""
    texts = {"command": json.dumps(command), "inputs": json.dumps(inputs or {}), "outputs": json.dumps(outputs or {})}
    return SCRIPT.format(**texts).replace("  ShellCommandRequirement: {}\n", "")


OUT = {"result": {"type": "File", "outputBinding": {"glob": "out.txt"}}}
FOLDER = {"result": {"type": "Directory", "outputBinding": {"glob": "r"}}}


@pytest.mark.slow
def test_what_a_killed_command_has_written_is_no_output(call, tmp_path: Path) -> None:
    ended = call(script("echo part > out.txt; kill -9 $$", {}, OUT), cache=tmp_path / "cache")
    assert ended.status == 1
    assert ended.outputs == {"result": None}
    assert [path.name for path in ended.out.iterdir()] == [".voxome"]
    (failed,) = ended.details("job failed")
    assert "killed by signal 9" in failed["error"]
    assert not list((tmp_path / "cache").rglob("out.txt"))


def test_a_command_that_ended_well_without_its_output_has_failed(call) -> None:
    ended = call(script("true", {}, OUT))
    assert ended.status == 1
    assert "out.txt" in ended.details("job failed")[0]["error"]


def test_a_missing_program_is_named(call) -> None:
    ended = call("{cwlVersion: v1.2, class: CommandLineTool, baseCommand: no-such-program, inputs: {}, outputs: {}}")
    assert ended.status == 1
    assert "no-such-program" in ended.details("job failed")[0]["error"]


def test_a_time_limit_is_named(call) -> None:
    document = script("sleep 60").replace("requirements:", "requirements:\n  ToolTimeLimit: {timelimit: 1}")
    ended = call(document)
    assert ended.status == 1
    assert "time limit of 1 s" in ended.details("job failed")[0]["error"]


@pytest.mark.slow
def test_a_delivered_folder_has_no_links_to_what_is_removed(call, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("content")
    document = script("ls r", {"f": "File"}, FOLDER).replace(
        "requirements:",
        "requirements:\n  InitialWorkDirRequirement: {listing: [{entryname: r/f.txt, entry: $(inputs.f)}]}",
    )
    ended = call(document, {"f": {"class": "File", "path": str(tmp_path / "f.txt")}})
    assert ended.status == 0
    delivered = ended.out / "r" / "f.txt"
    assert not delivered.is_symlink()
    assert delivered.read_text() == "content"
    delivered.write_text("changed")
    assert (tmp_path / "f.txt").read_text() == "content"


@pytest.mark.slow
def test_files_that_an_expression_stages_are_inputs_too(call, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("content")
    literal = "$({'class': 'File', 'location': 'file://" + str(tmp_path / "f.txt") + "'})"
    document = script("test -e f.txt", {}, {"result": {"type": "Directory", "outputBinding": {"glob": "."}}}).replace(
        "requirements:", f'requirements:\n  InitialWorkDirRequirement: {{listing: ["{literal}"]}}'
    )
    ended = call(document)
    assert ended.status == 0
    (delivered,) = ended.out.rglob("f.txt")
    assert not delivered.is_symlink()
    assert delivered.read_text() == "content"


def test_a_link_to_anything_else_is_refused(call, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    ended = call(script(f"mkdir r; ln -s {tmp_path}/secret r/link", {}, FOLDER))
    assert ended.status == 1
    assert "neither in the work folder nor an input" in ended.details("job failed")[0]["error"]


@pytest.mark.slow
def test_a_file_that_is_a_link_to_anything_else_is_refused(call, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    ended = call(script(f"ln -s {tmp_path}/secret out.txt", {}, OUT))
    assert ended.status == 1
    assert "neither in the work folder nor an input" in ended.details("job failed")[0]["error"]


@pytest.mark.parametrize("name", ["out.txt", "cwl.output.json"])
def test_a_pipe_is_no_output(name: str, call, tmp_path: Path) -> None:
    ended = call(script(f"mkfifo {name}", {}, OUT))
    assert ended.status == 1
    assert "neither a file nor a folder" in ended.details("job failed")[0]["error"]


@pytest.mark.parametrize("pattern", ["sub/out.txt", "../../../../../secret/out.txt"])
def test_files_of_a_folder_elsewhere_are_no_outputs(
    pattern: str, call, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "out.txt").write_text("secret")
    outputs = {"result": {"type": "File", "outputBinding": {"glob": pattern}}}
    ended = call(script(f"ln -s {tmp_path}/secret sub", {}, outputs))
    assert ended.status == 1
    assert "neither in the work folder nor an input" in ended.details("job failed")[0]["error"]
    assert [one.message for one in caplog.records if one.exc_info] == []


@pytest.mark.parametrize(
    ("name", "binding"),
    [
        ("out.txt", {"glob": "out.txt", "loadContents": True, "outputEval": "$(self[0].contents)"}),
        ("cwl.output.json", {"glob": "*"}),
    ],
)
def test_the_content_of_a_file_elsewhere_is_no_output(name: str, binding: object, call, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"result": "secret"}')
    outputs = {"result": {"type": "string", "outputBinding": binding}}
    ended = call(script(f"ln -s {tmp_path}/secret {name}", {}, outputs))
    assert (ended.status, ended.outputs) == (1, {"result": None})
    assert "neither in the work folder nor an input" in ended.details("job failed")[0]["error"]


@pytest.mark.parametrize("text", ["{bad", "[1]", "3", '{"result": {"class": "File"}}', '{"result": {"class": 1}}'])
def test_an_output_object_that_is_none_is_a_failed_job(text: str, call) -> None:
    ended = call(script(f"echo '{text}' > cwl.output.json", {}, OUT))
    assert ended.status == 1
    assert len(ended.details("job failed")) == 1


def test_what_is_neither_file_nor_folder_is_no_output(call) -> None:
    ended = call(script("mkdir r; mkfifo r/pipe", {}, FOLDER))
    assert ended.status == 1
    assert "neither a file nor a folder" in ended.details("job failed")[0]["error"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("name", ["a.txt", "d/a.txt"])
def test_streams_are_not_written_over_inputs(stream: str, name: str, call, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for path in (tmp_path / "a.txt", tmp_path / "d" / "a.txt"):
        path.write_text("precious")
    document = f"""
cwlVersion: v1.2
class: CommandLineTool
requirements: {{InitialWorkDirRequirement: {{listing: [$(inputs.f), $(inputs.d)]}}}}
baseCommand: [echo, text]
{stream}: {name}
inputs: {{f: File, d: Directory}}
outputs: {{}}
"""
    inputs = {
        "f": {"class": "File", "path": str(tmp_path / "a.txt")},
        "d": {"class": "Directory", "path": str(tmp_path / "d")},
    }
    ended = call(document, inputs)
    assert (tmp_path / name).read_text() == "precious"
    assert ended.status == 1


def test_both_streams_may_be_one_file(call) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "echo 1; echo 2 >&2; echo 3"]
stdout: out.txt
stderr: out.txt
inputs: {}
outputs: {out: stdout}
"""
    assert (call(document).out / "out.txt").read_text() == "1\n2\n3\n"


@pytest.mark.slow
def test_names_may_have_any_characters(call, tmp_path: Path) -> None:
    file = tmp_path / "dä ü #%20 'q'" / "in put #1 %41.txt"
    file.parent.mkdir()
    file.write_text("content")
    document = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [cp]
inputs: {f: {type: File, inputBinding: {position: 1}}}
arguments: [{position: 2, valueFrom: "out ü #2 %41.txt"}]
outputs: {result: {type: File, outputBinding: {glob: "out*"}}}
"""
    for number, kind in enumerate(("job ended", "job reused")):
        ended = call(
            document,
            {"f": {"class": "File", "location": file.as_uri()}},
            out=f"ü #{number} %20",
            cache=tmp_path / "c # %41",
        )
        assert len(ended.jobs(kind)) == 1
        assert (ended.out / "out ü #2 %41.txt").read_text() == "content"


def test_a_folder_with_a_link_to_nowhere_is_an_input(call, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "link").symlink_to("nowhere")
    inputs = {"d": {"class": "Directory", "path": str(tmp_path / "d")}}
    assert call(script("true", {"d": "Directory"}), inputs).status == 0


def test_a_number_that_json_cannot_store_is_named(call) -> None:
    command = """echo '{"score": {"mean": NaN}}' > cwl.output.json"""
    ended = call(script(command, {}, {"score": "Any"}))
    assert ended.status == 1
    assert "score.mean is not a finite number" in ended.details("job failed")[0]["error"]


def test_numbers_reach_the_command_line_as_they_are(call) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs:
  small: {type: double, inputBinding: {position: 1}}
  large: {type: long, inputBinding: {position: 2}}
stdout: out.txt
outputs: {out: stdout}
"""
    ended = call(document, {"small": 9.999e-7, "large": 9007199254740993})
    assert (ended.out / "out.txt").read_text().split() == ["0.0000009999", "9007199254740993"]


@pytest.mark.slow
def test_a_folder_may_have_any_name(call) -> None:
    ended = call(script("echo a > out.txt", {}, OUT), out="a [1] b*")
    assert ended.status == 0
    assert (ended.out / "out.txt").read_text() == "a\n"


def test_a_command_sees_no_variables_of_this_process(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/evil")
    monkeypatch.setenv("SECRET_TOKEN", "canary")
    ended = call(script("env > out.txt", {}, OUT))
    names = {line.partition("=")[0] for line in (ended.out / "out.txt").read_text().splitlines()}
    ours = {"HOME", "TMPDIR", "PATH", "USER", "LOGNAME", "VOXOME_RUN", "VOXOME_STEP"}
    assert names <= {*ours, "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.slow
def test_files_of_one_name_are_all_delivered(call) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {n: "int[]"}
outputs: {all: {type: "File[]", outputSource: one/out}}
steps:
  one:
    scatter: n
    in: {n: n}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: echo
      arguments: [$(inputs.n)]
      inputs: {n: int}
      stdout: out.txt
      outputs: {out: stdout}
"""
    ended = call(document, {"n": list(range(12))})
    paths = [Path(one["path"]) for one in ended.outputs["all"]]
    assert [path.read_text() for path in paths] == [f"{n}\n" for n in range(12)]
    assert len(set(paths)) == 12


@pytest.mark.parametrize(
    ("argument", "status"),
    [("$(inputs.n)", 0), ("$(inputs.n + 1)", 33), ("${return inputs.n;}", 33), ("\\$(inputs)", 0)],
)
def test_expressions_without_nodejs_are_refused_before_anything_runs(
    argument: str, status: int, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "echo").symlink_to("/bin/echo")
    (tmp_path / "bin" / "docker").symlink_to("/bin/false")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    document = f"""
cwlVersion: v1.2
class: CommandLineTool
requirements: {{InlineJavascriptRequirement: {{}}}}
baseCommand: echo
arguments: ['{argument}']
inputs: {{n: int}}
outputs: {{}}
"""
    ended = call(document, {"n": 1})
    assert ended.status == status
    assert bool(ended.jobs("job started")) == (status == 0)


def test_an_expression_without_an_end_is_given_up(
    call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(javascript, "EXPRESSION_S", 0.2)
    document = script("true").replace("arguments: [", "arguments: ['${ while (true) {} }', ")
    assert call(document).status == 1
    assert "expression { while (true) {} } has no value within 0.2 s" in " ".join(caplog.text.split())


def test_limits_that_are_not_kept_are_recorded_and_those_not_declared_are_none(call) -> None:
    limit = "requirements:\n  ResourceRequirement: {ramMin: 16, ramMax: 64, coresMax: 2}"
    (started,) = call(script("true").replace("requirements:", limit), out="a").details("job started")
    assert "memory of at most 67108864 bytes" in started["unkept"][0]
    assert "at most 2 cores" in started["unkept"][1]
    (started,) = call(script("true"), out="b").details("job started")
    assert not any("memory" in one or "cores" in one for one in started["unkept"])


TWO_STEPS = """
cwlVersion: v1.2
class: Workflow
requirements: {{InlineJavascriptRequirement: {{}}}}
inputs: {{}}
outputs: {{}}
steps:
  first: {{in: {{}}, out: [], run: {{class: CommandLineTool, baseCommand: "true", inputs: {{}}, outputs: {{}}}}}}
  second:
    in: {{}}
    out: []
    run:
      class: CommandLineTool
      {where}: {{ResourceRequirement: {{{what}}}}}
      baseCommand: "true"
      inputs: {{}}
      outputs: {{}}
"""


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("ramMin: 1000000000000", "it needs 1,000,000,000,000 MiB of memory"),
        ("coresMin: 1000000000", "it needs 1,000,000,000 cores"),
        ("ramMin: .inf", "ramMin of ResourceRequirement is inf; expected a finite number"),
    ],
)
def test_what_no_machine_has_is_refused_before_work_starts(
    call, what: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended = call(TWO_STEPS.format(where="requirements", what=what), engine="local")
    assert ended.status == 1
    assert problem in " ".join(caplog.text.split())
    assert not ended.jobs("job started")


@pytest.mark.parametrize(
    ("what", "lower"), [("coresMin: $(1e9)", "lower coresMin"), ("ramMin: $(1e12)", "lower ramMin")]
)
def test_what_an_expression_requires_and_no_machine_has_fails_the_job(call, what: str, lower: str) -> None:
    ended = call(TWO_STEPS.format(where="requirements", what=what), engine="local")
    assert ended.status == 1
    (failed,) = ended.details("job failed")
    assert lower in failed["error"]


def test_a_hint_of_more_than_the_machine_has_is_a_warning(call, caplog: pytest.LogCaptureFixture) -> None:
    assert call(TWO_STEPS.format(where="hints", what="ramMin: 1000000000000"), engine="local").status == 0
    assert "it is a hint, so the job runs with that" in caplog.text


def test_a_scatter_over_nothing_is_one_error_with_line_step_and_input(call, caplog: pytest.LogCaptureFixture) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}, InlineJavascriptRequirement: {}}
inputs: {names: "string[]?", go: boolean}
outputs: {all: {type: "Any?", outputSource: one/out}}
steps:
  one:
    when: $(inputs.go)
    scatter: name
    in: {name: names, go: go}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: echo
      inputs: {name: {type: string, inputBinding: {}}}
      stdout: out.txt
      outputs: {out: stdout}
"""
    assert call(document, {"go": False}).status == 1
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "process.cwl:10:5: Step one scatters over its input name, which is null" in error.getMessage()
    assert error.exc_info is None
    assert call(document, {"go": False, "names": []}).outputs == {"all": []}


@pytest.mark.parametrize("itself", ["process.cwl", "'#'"])
def test_a_workflow_that_is_a_step_of_itself_is_refused(call, itself: str, caplog: pytest.LogCaptureFixture) -> None:
    document = f"""
cwlVersion: v1.2
class: Workflow
requirements: {{SubworkflowFeatureRequirement: {{}}}}
inputs: {{}}
outputs: {{}}
steps: {{one: {{run: {itself}, in: {{}}, out: []}}, two: {{run: {itself}, in: {{}}, out: []}}}}
"""
    assert call(document).status == 1
    assert "process.cwl contains itself as a step" in caplog.text


def test_a_scatter_into_too_many_jobs_is_refused(call, caplog: pytest.LogCaptureFixture) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {numbers: "int[]"}
outputs: {}
steps:
  one:
    scatter: [a, b, c]
    scatterMethod: flat_crossproduct
    in: {a: numbers, b: numbers, c: numbers}
    out: []
    run: {class: CommandLineTool, baseCommand: "true", inputs: {a: int, b: int, c: int}, outputs: {}}
"""
    assert call(document, {"numbers": list(range(100))}).status == 1
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "Step one scatters into 1,000,000 jobs; expected at most 200,000" in error.getMessage()


def test_a_folder_in_use_is_refused(call, tmp_path: Path) -> None:
    with lock_folder(tmp_path / "out"), pytest.raises(RunLocked):
        call(script("true"))


def test_a_missing_document_is_named(call, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"Cannot read the process .*no\.cwl: Not found"):
        call(tmp_path / "no.cwl")


NEEDS_IMAGE = """
cwlVersion: v1.2
class: Workflow
inputs: []
outputs: []
steps:
  first: {in: [], out: [], run: {class: CommandLineTool, baseCommand: "true", inputs: [], outputs: []}}
  second:
    CONDITION
    in: {wanted: {default: false}}
    out: []
    run:
      class: CommandLineTool
      requirements: {DockerRequirement: {dockerPull: localhost/none:1}}
      baseCommand: "true"
      inputs: {wanted: boolean}
      outputs: []
"""


def test_a_container_that_cannot_be_is_named_before_anything_runs(call, caplog: pytest.LogCaptureFixture) -> None:
    ended = call(NEEDS_IMAGE.replace("CONDITION", "label: any"))
    assert (ended.status, ended.jobs("job started")) == (33, [])
    assert "requires a container; give --environment" in caplog.text


def test_an_expression_that_cannot_be_evaluated_is_named_without_a_traceback(
    call, caplog: pytest.LogCaptureFixture
) -> None:
    tool = "{cwlVersion: v1.2, class: CommandLineTool, arguments: [echo, $(inputs.missing)], inputs: [], outputs: []}"
    assert call(tool).status == 1
    assert "inputs does not contain key 'missing'" in " ".join(caplog.text.split())
    assert "Traceback" not in caplog.text


REMOVED_INPUT = """
cwlVersion: v1.2
class: Workflow
inputs: {file: File, name: string}
outputs: {}
steps:
  first:
    in: {name: name}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: rm
      inputs: {name: {type: string, inputBinding: {}}}
      stdout: out.txt
      outputs: {out: stdout}
  second:
    in: {file: file, after: first/out}
    out: []
    run: {class: CommandLineTool, baseCommand: "true", inputs: {file: File, after: File}, outputs: {}}
"""


def test_an_input_that_is_gone_is_named_without_a_traceback(
    call, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "input.txt"
    path.touch()
    assert call(REMOVED_INPUT, {"file": {"class": "File", "path": str(path)}, "name": str(path)}).status == 1
    assert re.search(rf"Cannot make job: .*No such file or directory: '{path}'", " ".join(caplog.text.split()))
    assert "Traceback" not in caplog.text


def test_a_container_of_a_step_that_is_skipped_is_not_needed(call) -> None:
    ended = call(NEEDS_IMAGE.replace("CONDITION", "when: $(inputs.wanted)"))
    assert (ended.status, len(ended.jobs("job started"))) == (0, 1)


def test_what_is_not_supported_has_its_exit_status(call) -> None:
    document = script("true").replace("requirements:", "requirements:\n  DockerRequirement: {dockerPull: busybox}")
    assert call(document).status == 33
