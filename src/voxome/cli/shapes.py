"""What ``voxome mesh`` and ``voxome skeletonize`` have in common: options, and what they print."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.options import BoxText, CoreWorkers, EngineName, FreshCall, Level, Overwrite, Records, VoxelSize
from voxome.cli.tool import Block

if TYPE_CHECKING:
    from voxome.resources.shapes import Meshes, Skeletons

Labels = Annotated[str, typer.Argument(help="URI or path of the labels.", metavar="LABELS", autocompletion=uris)]
_Table = Annotated[
    str | None, typer.Option("--table", metavar="FILE.parquet", help="Table of the objects and their measures.")
]
_Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="DIR|URI",
        help="Where the pieces are kept in the meantime, for workers on other machines. Default: a cache folder.",
    ),
]


def _option(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_SHARED = (
    _option("table", _Table),
    _option("block", Block),
    _option("box", BoxText),
    _option("level", Level, 0),
    _option("voxel_size", VoxelSize),
    _option("store", _Store),
    _option("workers", CoreWorkers),
    _option("engine", EngineName),
    _option("records", Records),
    _option("overwrite", Overwrite, False),
    _option("fresh", FreshCall, False),
)
_JSON = _option("json", Json, False)


def shapes_verb(noun: str, tools: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Return a decorator for the function of a verb that writes shapes: it gets the options of both as a mapping.

    Parameters
    ----------
    noun : str
        What is written, ``meshes`` or ``skeletons``.
    tools : sequence of str
        The tools that run, for the progress.
    """

    def decorate(verb: Callable[..., Meshes | Skeletons]) -> Callable[..., None]:
        own = [one for one in inspect.signature(verb, eval_str=True).parameters.values() if one.name != "run"]

        @wraps(verb)
        def write(json: bool, **values: Any) -> None:
            from voxome.cli.progress import progress_bars

            run = {one.name: values.pop(one.name) for one in _SHARED}
            run["voxel_size_nm"] = run.pop("voxel_size")
            with progress_bars(tools) as progress:
                shapes = verb(**values, run={**run, "progress": progress})
            _show(noun, shapes, run["table"], json=json)

        write.__signature__ = inspect.Signature([*own, *_SHARED, _JSON])  # type: ignore[attr-defined]
        write.__annotations__ = {one.name: one.annotation for one in (*own, *_SHARED, _JSON)}
        return write

    return decorate


def _show(noun: str, shapes: Meshes | Skeletons, table: str | None, *, json: bool) -> None:
    count = len(shapes.ids())
    if json:
        show_json({"uri": shapes.uri, noun: count, "table": table})
    else:
        print_stderr(f"{shapes.uri}: {count:,} {noun}" + (f"; measures in {table}" if table else ""))


RunMapping = Mapping[str, Any]
"""The options of both verbs, as `voxome.workflow.shapes.ShapesOptions`."""
