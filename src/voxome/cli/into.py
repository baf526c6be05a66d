"""Options of ``voxome run`` and ``voxome plan`` that copy outputs into other stores, named as those of transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from voxome.cli.options import drop_option, levels_option
from voxome.cli.values import parse_as, parse_output
from voxome.services.transfer.choices import Droppable, Verify

if TYPE_CHECKING:
    from voxome.workflow.options import IntoOptions

Into = Annotated[
    list[Any] | None,
    typer.Option(
        "--into",
        parser=parse_output,
        metavar="OUTPUT=URI",
        help="Copy an output into another store as the last step, as `voxome transfer` does. Repeatable.",
        show_default=False,
    ),
]
IntoLevels = Annotated[int, levels_option("With --into: number of levels of the destination.")]
IntoVerify = Annotated[
    Any,
    typer.Option(
        "--verify",
        parser=parse_as(Verify),
        metavar="|".join(get_args(Verify)),
        help="With --into: blocks to read back and compare.",
    ),
]
IntoDrop = Annotated[
    list[Any] | None,
    drop_option("With --into: property to leave out, if the format cannot store it. Repeatable."),
]
IntoExisting = Annotated[
    bool, typer.Option("--existing", help="With --into: write into an existing volume that this run did not create.")
]


def read_copies(levels: int, verify: Verify, drop: list[Droppable] | None, existing: bool) -> IntoOptions:
    """Return how outputs are copied."""
    from voxome.workflow.options import IntoOptions

    return IntoOptions.of(levels, verify, drop or (), existing)
