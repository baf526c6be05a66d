"""``voxome train``: train a model on volumes with truth."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.table import show_facts
from voxome.cli.values import parse_not_negative
from voxome.geometry.notation import comma_text

if TYPE_CHECKING:
    from voxome.models.train.task import Fact

TASKS = "affinities, cells, mitochondria, nuclei, pixels, synapses, vessels, or that of a plug-in"


def train(
    task: Annotated[str, typer.Argument(help=f"What to learn: {TASKS}.")],
    config: Annotated[Path, typer.Argument(help="Configuration (TOML): data, validation, network, …")],
    out: Annotated[Path | None, typer.Option(help="Output folder for the model, its card and the checkpoint.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Value in place of the configuration's. Repeatable."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(parser=parse_not_negative, metavar="MINUTES", help="Stop after so long; repeat to go on."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be trained.")] = False,
    json: Json = False,
) -> None:
    """Train a model on labelled volumes. Repeat the same command to resume from its checkpoint.

    docs/training.md describes the configuration.
    """
    from voxome.models.train.documents import read_config
    from voxome.models.train.task import Call, find_task

    chosen = find_task(task)
    settings = read_config(config, chosen.config, values or ())
    draft = chosen.plan(settings)
    if plan:
        if json:
            show_json(dict(draft.facts))
        else:
            show_facts({name.replace("_", " "): _text(value) for name, value in draft.facts.items()})
        draft.require()
        return
    draft.require()
    if out is None:
        raise typer.BadParameter("expected a folder for the model", param_hint="--out")
    result = chosen.train(settings, Call(out, minutes, shlex.join(["voxome", *sys.argv[1:]])))
    if json:
        show_json({"card": str(result.card), "finished": result.finished, **result.facts})
        return
    if result.finished:
        print_stderr(f"Wrote the model and its card {result.card}; use it with --set {result.parameter}={result.card}")
    else:
        print_stderr(f"Not finished: repeat the command to go on. {result.card} is the model so far")


def _text(fact: Fact) -> str:
    return comma_text(fact) if isinstance(fact, tuple) else str(fact)
