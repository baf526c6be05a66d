"""Values of options: parsed as the types of tools' parameters are, with the same messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

import typer
from annotated_types import Ge, Interval

from voxome.contracts.parameter import REQUIRED, Parameter
from voxome.errors import InvalidInput
from voxome.geometry import notation

_BYTES = re.compile(r"(\d+(?:\.\d*)?)\s*(?:([kKMGTP])(i?)B|B)?")


def parse_as(annotation: object) -> Callable[[Any], Any]:
    """Return the parser of an option's text as a value of `annotation`, for ``typer.Option(parser=…)``.

    Examples
    --------
    >>> parse_as(Annotated[int, Ge(1)])("3")
    3
    """
    parameter = Parameter("", annotation, REQUIRED)

    def parse(value: Any) -> Any:
        try:
            return parameter.check(value)
        except InvalidInput as error:
            raise typer.BadParameter(str(error)) from None

    return parse


parse_whole = parse_as(int)
parse_count = parse_as(Annotated[int, Ge(1)])
parse_index = parse_as(Annotated[int, Ge(0)])
parse_not_negative = parse_as(Annotated[float, Ge(0)])
parse_fraction = parse_as(Annotated[float, Interval(ge=0, le=1)])


def parse_number(text: Any) -> int | float:
    """Parse a number; a whole one stays exact, however large.

    Examples
    --------
    >>> parse_number("9007199254740993"), parse_number("0.5")
    (9007199254740993, 0.5)
    """
    for convert in (int, float):
        with suppress(ValueError):
            return convert(str(text))
    raise typer.BadParameter(f"{str(text)!r}: expected a number")


def parse_bytes(text: Any) -> int:
    """Parse a number of bytes, as ``50GB`` or ``1.5 MiB``."""
    match = _BYTES.fullmatch(str(text).strip())
    if match is None:
        raise typer.BadParameter(f"{text!r}: expected a number of bytes, such as 0, 500MB or 1.5TiB")
    number, prefix, binary = match.groups()
    return int(Fraction(Decimal(number)) * (1024 if binary else 1000) ** " KMGTP".index((prefix or " ").upper()))


def parse_failures(text: Any) -> str:
    """Check a number of jobs that may fail, as ``20``, or their share, as ``1%``."""
    from voxome.blocks.job_loop import allowed_failures

    try:
        allowed_failures(str(text), 1)
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from None
    return str(text)


def parse_shape(text: Any) -> tuple[int, int, int]:
    """Parse three numbers of voxels, as ``64,128,128``."""
    try:
        return notation.parse_shape(str(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_step_shape(text: Any) -> tuple[str, tuple[int, int, int]]:
    """Parse the block shape of a step, as ``fragments=64,128,128``, or of all steps, which has no name."""
    step, _, numbers = str(text).rpartition("=")
    return step, parse_shape(numbers)


def parse_box(text: Any) -> str:
    """Check a box, as ``10:20,:,100:``, whose missing ends are those of a volume that is not open yet."""
    from voxome.geometry import Box

    try:
        Box.parse_ranges(str(text))
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from None
    return str(text)


def parse_output(text: Any) -> tuple[str, str]:
    """Parse an output and a URI, as ``neurons=zarr://PATH``."""
    output, equals, uri = str(text).partition("=")
    if not (output and equals and uri):
        raise typer.BadParameter(f"{text!r}: expected OUTPUT=URI")
    return output, uri


def parse_lengths_nm(text: Any) -> tuple[float, float, float]:
    """Parse three lengths in nm, as ``8,8,33.5``."""
    try:
        z, y, x = (float(part) for part in str(text).split(","))
    except ValueError:
        z = y = x = 0.0
    if not all(0 < one < float("inf") for one in (z, y, x)):
        raise typer.BadParameter(f"{text!r}: expected three lengths in nm greater than 0, such as 8,8,33.5")
    return z, y, x


def parse_view_lengths_nm(text: Any) -> tuple[float, ...]:
    """Parse three lengths in nm, or two of images without z, as ``4,4``."""
    if str(text).count(",") != 1:
        return parse_lengths_nm(text)
    try:
        return parse_lengths_nm(f"1,{text}")[1:]
    except typer.BadParameter as error:
        raise typer.BadParameter(
            f"{text!r}: expected two or three lengths in nm greater than 0, such as 4,4"
        ) from error


def parse_indices(text: Any) -> tuple[int, ...]:
    """Parse whole numbers, as ``0,64,64``."""
    try:
        return tuple(int(part) for part in str(text).split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r}: expected whole numbers, such as 0,64,64") from None


def parse_sizes(text: Any) -> list[int]:
    """Parse numbers of voxels, as ``64,128``."""
    try:
        numbers = [int(part) for part in str(text).split(",")]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        raise typer.BadParameter(f"{text!r}: expected whole numbers of at least 1, such as 64,128")
    return numbers
