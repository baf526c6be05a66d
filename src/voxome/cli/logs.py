"""Options before the verb: version, and how much is printed on standard error."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.native_logs import hidden_native_logs
from voxome.cli.values import parse_as
from voxome.errors import InvalidInput
from voxome.redaction import redact

_LOG = logging.getLogger("voxome")
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _RedactedFormatter(logging.Formatter):
    """Prints no secrets, whichever library logs them."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class LogLevel(StrEnum):
    """Least severe messages that are printed."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


def _print_version(wanted: bool) -> None:
    if wanted:
        import voxome

        print(f"voxome {voxome.__version__}")
        raise typer.Exit


def require_config(verb: str | None) -> None:
    """Check that the configuration file and the profile exist that the environment names.

    Raises
    ------
    InvalidInput, NotFound
        If not; `profiles` and `doctor` show such a problem instead.
    """
    file = os.environ.get("VOXOME_CONFIG")
    if verb in ("profiles", "doctor"):
        return
    if file and not Path(file).exists():
        raise InvalidInput(f"VOXOME_CONFIG names {file}, which does not exist; create it, or unset VOXOME_CONFIG")
    if os.environ.get("VOXOME_PROFILE"):
        from voxome.config.profiles import in_use

        in_use()


def configure_logs(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is done, and print the traceback of an error.")
    ] = False,
    log_level: Annotated[
        Any | None,
        typer.Option(
            parser=parse_as(LogLevel),
            metavar="|".join(LogLevel),
            help="Least severe log messages to print; default: warning, with -v info. Also shows those of SDKs.",
        ),
    ] = None,
) -> None:
    """From microscope voxels to connectomes. `voxome VERB -h` shows the options of a verb."""
    level = log_level or (LogLevel.info if verbose else LogLevel.warning)
    if not verbose and log_level is None:
        context.with_resource(hidden_native_logs())
    logging.basicConfig(stream=sys.stderr, level=level.upper(), force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_RedactedFormatter(_FORMAT))
    require_config(context.invoked_subcommand)
    _LOG.setLevel(logging.DEBUG if verbose and log_level is None else level.upper())


def print_traceback(error: BaseException) -> None:
    """Print the traceback of an error, if the user wants to see it."""
    if _LOG.isEnabledFor(logging.DEBUG):
        print(redact("".join(traceback.format_exception(error))), end="", file=sys.stderr)
