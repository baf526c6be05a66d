"""Commands in containers of podman."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from peers.podman import IMAGE, Podman

from voxome.environments.lock import LOCK_NAME, ImageLock

pytestmark = pytest.mark.slow

TOOL = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  DockerRequirement: {dockerPull: IMAGE}
  InitialWorkDirRequirement:
    listing:
      - {entryname: settings/text, entry: "n=$(inputs.n)"}
      - {entryname: copy, entry: $(inputs.f), writable: true}
baseCommand: [sh, -c]
arguments: ['COMMAND']
inputs: {n: int, f: {type: File, secondaryFiles: [.idx?]}, d: Directory?}
outputs:
  out: {type: File?, outputBinding: {glob: out.txt}}
  folder: {type: Directory?, outputBinding: {glob: settings}}
"""


@pytest.fixture(autouse=True)
def _configured(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, podman.environment[name])


@pytest.fixture
def run(call, tmp_path: Path) -> Callable[..., object]:
    """Function that calls a command in a container, with a file and a folder as inputs."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("content\n")
    (tmp_path / "in" / "f.idx").write_text("index\n")
    inputs = {
        "n": 3,
        "f": {"class": "File", "path": str(tmp_path / "in" / "f")},
        "d": {"class": "Directory", "path": str(tmp_path / "in")},
    }

    def run(command: str, out: str = "out", change: Callable[[str], str] = str, **options: object) -> object:
        document = change(TOOL.replace("COMMAND", command).replace("IMAGE", IMAGE))
        return call(document, inputs, out, environment="podman", **options)

    return run


def test_inputs_and_the_work_folder_are_there_and_outputs_come_back(run) -> None:
    ended = run("cat $(inputs.f.path) $(inputs.f.secondaryFiles[0].path) $(inputs.d.path)/f settings/text > out.txt")
    assert ended.status == 0
    assert Path(ended.outputs["out"]["path"]).read_text() == "content\nindex\ncontent\nn=3"
    assert (ended.out / "settings" / "text").read_text() == "n=3"


def test_links_of_a_folder_lead_to_the_same_files_in_a_container(run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "sub").mkdir(parents=True)
    (tmp_path / "elsewhere" / "sub" / "file").write_text("1")
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / "absolute").symlink_to(tmp_path / "elsewhere" / "sub" / "file")
    (tmp_path / "in" / "relative").symlink_to("../elsewhere/sub")
    (tmp_path / "in" / "nowhere").symlink_to("/nowhere")
    ended = run("cat $(inputs.d.path)/absolute $(inputs.d.path)/relative/file > out.txt")
    assert ended.status == 0
    assert Path(ended.outputs["out"]["path"]).read_text() == "11"
    assert run("echo 2 > $(inputs.d.path)/absolute", "b").status == 1


def test_a_secret_outside_of_the_work_folder_reaches_the_command_alone(call, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("of this machine")
    document = f"""
cwlVersion: v1.2
class: CommandLineTool
$namespaces: {{cwltool: "http://commonwl.org/cwltool#"}}
requirements:
  DockerRequirement: {{dockerPull: {IMAGE}}}
  InitialWorkDirRequirement: {{listing: [{{entryname: {tmp_path}/victim, entry: "t=$(inputs.token)"}}]}}
hints: {{"cwltool:Secrets": {{secrets: [token]}}}}
baseCommand: [sh, -c, 'cat {tmp_path}/victim | wc -c > out.txt']
inputs: {{token: string}}
outputs: {{out: {{type: File, outputBinding: {{glob: out.txt}}}}}}
"""
    ended = call(document, {"token": "canary"}, environment="podman")
    assert ended.status == 0
    assert Path(ended.outputs["out"]["path"]).read_text().strip() == "8"
    assert (tmp_path / "victim").read_text() == "of this machine"
    assert not [one for one in ended.out.rglob("*") if one.is_file() and b"canary" in one.read_bytes()]


def test_inputs_cannot_be_changed_and_copies_can(run, tmp_path: Path) -> None:
    ended = run("echo more >> copy; cat copy > out.txt; echo more >> $(inputs.d.path)/f")
    assert ended.status == 1
    assert (tmp_path / "in" / "f").read_text() == "content\n"


def test_files_of_this_machine_are_not_seen(run, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    ended = run(f"ls {tmp_path}/other /root/.bashrc > out.txt 2>&1; true")
    assert "other: No such file" in Path(ended.outputs["out"]["path"]).read_text()


def test_a_missing_image_is_named(run) -> None:
    assert run("true", change=lambda text: text.replace(IMAGE, "localhost/none:1")).status == 33


def test_an_image_that_was_built_again_runs_again(run, podman: Podman, tmp_path: Path) -> None:
    def build(constant: str) -> None:
        lines = f"FROM {IMAGE}\nENV CONSTANT={constant}\n"
        podman("build", "--quiet", "--tag=localhost/constant:1", "-", stdin=lines.encode())

    def read(out: str) -> str:
        options = {"change": lambda text: text.replace(IMAGE, "localhost/constant:1"), "cache": tmp_path / "cache"}
        ended = run("echo ${CONSTANT} > out.txt".replace("{", "").replace("}", ""), out, **options)
        return Path(ended.outputs["out"]["path"]).read_text().strip()

    build("one")
    assert [read("a"), read("b")] == ["one", "one"]
    build("two")
    assert read("c") == "two"


def test_a_file_of_this_machine_is_no_output(run, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "text").write_text("secret")
    ended = run(f"rm -r settings; ln -s {tmp_path}/secret settings")
    assert ended.status == 1
    assert "neither in the work folder nor an input" in ended.details("job failed")[0]["error"]


def test_the_memory_that_a_tool_may_use_is_a_limit(run) -> None:
    def limit(text: str) -> str:
        return text.replace("  Docker", "  ResourceRequirement: {ramMin: 16, ramMax: 64}\n  Docker")

    ended = run("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", change=limit)
    assert ended.status == 1
    assert "memory" in ended.details("job failed")[0]["error"]


def test_a_command_runs_in_the_image_that_a_lock_file_pins(run, tmp_path: Path, caplog) -> None:
    lock = ImageLock(tmp_path / LOCK_NAME).pin(IMAGE, "config", "sha256:0")
    lock.write()
    assert run("true").status == 33
    assert "pins sha256:0" in caplog.text
