"""The verbs of ``voxome``: where each is, and its line in the help. Only the one that runs is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

import voxome
from voxome.cli.logs import Group, Verbs
from voxome.cli.workflow_help import WorkflowCommand


class Verb(NamedTuple):
    """Where a verb, or a group of verbs, is.

    Attributes
    ----------
    target : str
        ``MODULE:NAME`` of its function or `Verbs`, below `voxome.cli`.
    help : str
        Beginning of its help.
    options : mapping
        Further arguments of `Verbs.command`.
    """

    target: str
    help: str
    options: Mapping[str, Any] = {}


VERBS = {
    "ls": Verb("ls:ls", "List volumes, and folders or collections of volumes."),
    "info": Verb(
        "info:info",
        "Describe a volume (shape, dtype, axes, voxel size, offset, chunks, levels, kind, format), meshes or points.",
    ),
    "explain": Verb(
        "explain:explain",
        "Show what reading a box costs: chunks, requests, bytes read for bytes wanted, and time; reads a few chunks.",
    ),
    "get": Verb("get:get", "Export a volume, or a box of it, to a file for other programs."),
    "put": Verb(
        "put:put", "Write a file, or any volume, into a store: as a new volume, or --at an index of an existing one."
    ),
    "transfer": Verb("transfer:transfer", "Copy a volume, or a box of it, to another store."),
    "annotations": Verb("points:points", "Find, copy, convert and edit annotations."),
    "convert": Verb("convert:convert", "Copy a volume with its grey values scaled to uint8 or uint16."),
    "mesh": Verb("mesh:mesh", "Mesh every object of a segmentation, block by block; rerun the same command to resume."),
    "skeletonize": Verb(
        "skeletonize:skeletonize",
        "Skeletonize every object of a segmentation, block by block; rerun the same command to resume.",
    ),
    "regions": Verb(
        "regions:regions",
        "Measure the segments of a volume, block by block and exactly; rerun the same command to resume.",
    ),
    "downsample": Verb("downsample:downsample", "Add coarser levels to a volume."),
    "view": Verb("view:view", "Show volumes and runs in Neuroglancer, until interrupted."),
    "rm": Verb("rm:rm", "Remove a volume and all its levels, after showing what goes and asking."),
    "proofread": Verb("proofread:app", "Proofread label volumes; edits are made in Python, by voxome.proofread."),
    "serve": Verb("serve:serve", "Serve volumes over HTTP, with a cache, until interrupted."),
    "relay": Verb("relay:app", "Manage a relay."),
    "datasets": Verb("datasets:datasets", "List public datasets, or show one in detail."),
    "profiles": Verb("profiles:profiles", "List profiles, their hosts and whether a token is set."),
    "doctor": Verb(
        "doctor:doctor",
        "Show versions, extras, engines, credentials (names only), disk, memory and limits of this machine.",
    ),
    "plan": Verb(
        "plan:plan",
        "Check a run and print its steps, blocks, voxels to read, memory and disk, without starting it.",
        {"cls": WorkflowCommand},
    ),
    "run": Verb(
        "run:run",
        "Run a workflow over a volume of any size, block by block; rerun the same command to resume.",
        {"cls": WorkflowCommand},
    ),
    "schedule": Verb(
        "schedule:schedule", "Write a DAG that runs a workflow in Airflow 3, and start and follow it with --airflow."
    ),
    "build": Verb(
        "build:build",
        "Build images of tools from Dockerfiles, and pin the ids of images in a lock file, which runs keep to.",
    ),
    "tool": Verb(
        "tool:app",
        "Run one tool over a volume, block by block; write the location of each result to OUTPUT.handle.json in the "
        "working directory.",
    ),
    "cwl-runner": Verb(
        "cwl_runner:cwl_runner",
        "Run a process of CWL v1.0 to v1.2 and print its output object as JSON, as every cwl-runner does.",
        {"context_settings": {"ignore_unknown_options": True}},
    ),
    "gather": Verb(
        "gather:gather",
        "Write results of tools into a folder, under their names, and a report: the last step in CWL runners.",
    ),
    "tools": Verb("tools:tools", "List the tools with their inputs, outputs and purpose."),
    "describe": Verb(
        "describe:describe",
        "Write the CWL files of the tools of packages or modules, NAME.cwl each; print their paths.",
    ),
    "score": Verb("score:app", "Score results against ground truth."),
    "phantom": Verb("phantom:phantom", "Generate a phantom with ground truth."),
    "train": Verb("train:train", "Train a model on labelled volumes."),
    "import-model": Verb(
        "import_model:import_model", "Convert a network that others trained to ONNX, try it, and write its card."
    ),
    "bench": Verb("bench:app", "Measure the speed of stores."),
    "clean": Verb(
        "clean:clean", "Remove the intermediate arrays and tables of a finished run; keep its results and records."
    ),
    "gc": Verb(
        "gc:gc",
        "Remove what can be computed again: results in caches, intermediate data of runs, the least recently used "
        "first.",
    ),
    "init": Verb("init:app", "Set up clouds on which workflows run."),
}
"""Verbs by name, in the order of the help."""


_OTHER_WORDS = {"contacts": "`voxome regions LABELS --out FILE --contacts FILE` writes contacts"}
"""Word that is no verb → what does it."""


def _advice_for(word: str) -> str:
    """Return what does what somebody expected of a verb that does not exist; empty if nothing does."""
    function = word.replace("-", "_")
    in_python = f"voxome.{function}(…) does it in Python" if function in voxome.__all__ and function.islower() else ""
    return _OTHER_WORDS.get(word, in_python)


@cache
def command_of(name: str) -> Any:
    """Import a verb, and return its command."""
    module, _, attribute = VERBS[name].target.partition(":")
    verb = getattr(import_module(f"voxome.cli.{module}"), attribute)
    parent = Verbs(rich_markup_mode=None, add_completion=False)
    if isinstance(verb, typer.Typer):
        parent.add_typer(verb, name=name)
    else:
        parent.command(name, **VERBS[name].options)(verb)
    group: Any = typer.main.get_command(parent)
    return group.commands[name]


class _Commands(Mapping[str, Any]):
    """Commands of the verbs by name; each is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        if name not in VERBS:
            raise KeyError(name)
        return command_of(name)

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class VerbGroup(Group):
    """All verbs, of which none is imported for the list in the help."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands()  # type: ignore[assignment]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a verb; the message for another word names what does it."""
        try:
            return super().resolve_command(ctx, args)
        except Exception as error:
            if (advice := _advice_for(args[0])) and isinstance(message := getattr(error, "message", None), str):
                text = f"{message} {advice}" if message.endswith("?") else f"{message.rstrip('.')}; {advice}"
                setattr(error, "message", text)  # noqa: B010 - only some exceptions have it
            raise

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the verbs."""
        return list(VERBS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of the verbs."""
        limit = formatter.width - 6 - max(map(len, VERBS))
        rows = [(name, TyperCommand(name, help=verb.help).get_short_help_str(limit)) for name, verb in VERBS.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
