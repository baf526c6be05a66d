"""``voxome relay materialize``: store a virtual layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.options import CoreWorkers


def materialize(
    name: Annotated[str, typer.Argument(help="Virtual layer, or a variant of it, as 'lab/edges;at=120'.")],
    out: Annotated[str, typer.Option("--out", metavar="URI", help="Volume that is created.")],
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="Configuration file of the relay.")],
    workers: CoreWorkers = None,
    json: Json = False,
) -> None:
    """Compute a virtual layer once, as a run, and store it; rerun the same command to resume."""
    from voxome.cli.progress import progress_bars
    from voxome.relay.config_file import check_file, parse_config, read_config
    from voxome.relay.virtual.materialize import layer_graph
    from voxome.relay.virtual.materialize import materialize as run_layer

    values = read_config(config)
    check_file(values, str(config))
    parsed = parse_config(values, str(config))
    steps = [node.name for node in layer_graph(parsed, name).steps]
    with progress_bars([*steps, "layer.into"]) as progress:
        record = run_layer(parsed, name, out, workers=workers, progress=progress)
    if json:
        show_json(record)
    else:
        print_stderr(f"{name} is in {out}")
