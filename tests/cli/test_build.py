"""`voxome.build_images` and ``voxome build``: images are built from folders and documents, and pinned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli.schemas import SCHEMAS
from peers.podman import IMAGE, Podman

import voxome
from voxome.environments import container_engine, open_environment
from voxome.environments.lock import LOCK_NAME, ImageLock, prepare_image
from voxome.errors import EnvironmentFailed, InvalidInput, NotFound
from voxome.workflow.images import ImageSource, image_sources

TOOL = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [tool]
{kind}:
  DockerRequirement: {requirement}
inputs: []
outputs: []
"""
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
requirements: {SubworkflowFeatureRequirement: {}}
hints: {DockerRequirement: {dockerPull: lab/whole:1}}
inputs: []
outputs: []
steps:
  one: {run: one.cwl, in: [], out: []}
  two:
    hints: {DockerRequirement: {dockerPull: lab/step:1}}
    run: {class: Workflow, inputs: [], outputs: [], steps: {inner: {run: one.cwl, in: [], out: []}}}
    in: []
    out: []
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def engine(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> Podman:
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, podman.environment[name])
    return podman


def write_tool(path: Path, requirement: str, kind: str = "requirements") -> None:
    path.write_text(TOOL.format(kind=kind, requirement=requirement))


def test_the_images_of_a_workflow_are_those_of_all_its_steps(folder: Path) -> None:
    write_tool(folder / "one.cwl", "{dockerFile: FROM scratch, dockerImageId: lab/one}", "hints")
    (folder / "flow.cwl").write_text(WORKFLOW)
    assert set(image_sources("flow.cwl")) == {
        ImageSource("lab/whole:1", may_pull=True),
        ImageSource("lab/step:1", may_pull=True),
        ImageSource("lab/one", dockerfile="FROM scratch"),
    }
    assert set(image_sources(".")) == set(image_sources("flow.cwl"))


def test_a_folder_with_a_dockerfile_is_an_image_with_the_name_of_the_folder(folder: Path) -> None:
    (folder / "Tool").mkdir()
    (folder / "Tool" / "Containerfile").touch()
    assert image_sources("Tool") == [ImageSource("localhost/tool:latest", folder=Path("Tool"))]
    assert image_sources("Tool", "lab/tool:2") == [ImageSource("lab/tool:2", folder=Path("Tool"))]


def test_what_is_no_source_is_refused(folder: Path) -> None:
    write_tool(folder / "load.cwl", "{dockerLoad: image.tar}")
    with pytest.raises(
        InvalidInput, match=r"load.cwl:\d+:\d+: a DockerRequirement has dockerLoad; expected dockerPull"
    ):
        image_sources("load.cwl")
    with pytest.raises(NotFound, match=r"none.cwl does not exist"):
        image_sources("none.cwl")
    (folder / "empty").mkdir()
    with pytest.raises(NotFound, match=r"empty has neither a Dockerfile nor CWL documents"):
        image_sources("empty")
    with pytest.raises(InvalidInput, match=r"leave out --tag"):
        image_sources("lab/tool:1", "other")


def test_without_an_engine_of_containers_that_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InvalidInput, match=r"None of podman, docker, apptainer is installed"):
        voxome.build_images("lab/tool:1")


@pytest.mark.slow
def test_a_folder_is_built_and_pinned_and_any_other_image_of_its_name_refused(engine: Podman, folder: Path) -> None:
    assert container_engine() == "podman"
    tool = folder / "tool"
    tool.mkdir()
    (tool / "constant").write_text("1")
    (tool / "Dockerfile").write_text(f'FROM {IMAGE} AS base\nFROM base\nCOPY constant /constant\nENTRYPOINT ["cat"]\n')
    (first,) = voxome.build_images("tool", tag="localhost/built:1")
    assert first == voxome.build_images("tool", tag="localhost/built:1")[0]
    assert first.id == f"sha256:{engine('image', 'inspect', '--format={{.Id}}', 'localhost/built:1').strip()}"
    assert (first.is_built, first.entry_point, first.lock) == (True, ("cat",), str(tool / LOCK_NAME))
    podman = open_environment("podman")
    assert prepare_image(podman, "localhost/built:1", ImageLock.find(tool / "tool.cwl")) == first.id
    (tool / "constant").write_text("2")
    engine("build", "--quiet", "--tag=localhost/built:1", str(tool))
    with pytest.raises(InvalidInput, match=rf"The image localhost/built:1 is sha256:.* pins {first.id}"):
        prepare_image(podman, "localhost/built:1", ImageLock.find(tool / "tool.cwl"))


@pytest.mark.slow
def test_the_dockerfile_of_a_document_is_built(engine: Podman, folder: Path, command: Any) -> None:
    write_tool(folder / "one.cwl", f'{{dockerFile: "FROM {IMAGE}\\nLABEL a=b", dockerImageId: "localhost/text:1"}}')
    write_tool(folder / "two.cwl", f"{{dockerPull: {IMAGE}}}")
    result = command("build", ".", "--json")
    jsonschema.validate(result.json, SCHEMAS["build"])
    assert [(one["image"], one["is_built"]) for one in result.json] == [("localhost/text:1", True), (IMAGE, False)]
    assert list(json.loads((folder / LOCK_NAME).read_text())["images"]) == ["localhost/text:1", IMAGE]
    printed = command("build", IMAGE, "--lock", "other.json")
    assert printed.out == f"{IMAGE}\t{result.json[1]['id']}\n"
    assert "Pinned in" in printed.err
    assert (folder / "other.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "FROM NONE",
        "FROM \\\n NONE",
        f"FROM {IMAGE} AS one\nCOPY --from=one /bin /bin\nFROM one\nCOPY --chown=0 --from=NONE /bin /bin",
        f"FROM {IMAGE}\nRUN --mount=type=tmpfs,target=/t --mount=type=bind,from=NONE,target=/m true",
        f"# syntax=NONE\nFROM {IMAGE}",
    ],
)
def test_images_that_a_dockerfile_uses_are_not_pulled_in_silence(text: str, engine: Podman, folder: Path) -> None:
    (folder / "Dockerfile").write_text(text.replace("NONE", "127.0.0.1:1/none:1"))
    with pytest.raises(NotFound, match=r"uses the image 127.0.0.1:1/none:1, which is not on this machine"):
        voxome.build_images(".")


@pytest.mark.slow
def test_nothing_is_pulled_in_silence(engine: Podman, folder: Path) -> None:
    file = folder / "Dockerfile"
    file.write_text("ARG BASE\nFROM $BASE\n")
    with pytest.raises(InvalidInput, match=r"uses \$BASE, which may be any image"):
        voxome.build_images(".")
    with pytest.raises(NotFound, match=r"The image 127.0.0.1:1/none:1 is not among those of podman"):
        voxome.build_images("127.0.0.1:1/none:1")
    with pytest.raises(EnvironmentFailed, match=r"podman pull"):
        voxome.build_images("127.0.0.1:1/none:1", allow_network=True)


@pytest.mark.slow
def test_a_build_that_fails_is_an_error_and_pins_nothing(engine: Podman, folder: Path) -> None:
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN exit 3\n")
    with pytest.raises(EnvironmentFailed, match=r"podman could not build .*--allow-network"):
        voxome.build_images(".")
    assert not (folder / LOCK_NAME).exists()
