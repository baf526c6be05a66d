"""Options that every verb takes, before and after its name: how much is printed on standard error."""

from __future__ import annotations

import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from voxome.cli.console import visible_text
from voxome.cli.native_logs import hidden_native_logs
from voxome.cli.values import parse_as
from voxome.errors import InvalidInput
from voxome.redaction import RedactedFormatter, redact

_LOG = logging.getLogger("voxome")


class _Once(logging.Filter):
    """Leaves out warnings that were printed before: a volume may be opened several times."""

    def __init__(self) -> None:
        super().__init__()
        self._printed: set[tuple[str, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        warning = (record.name, record.getMessage())
        first = warning not in self._printed
        self._printed.add(warning)
        return first


class _Formatter(RedactedFormatter):
    """Prints no secrets, and warnings of voxome as the verbs print theirs, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        if record.levelno == logging.WARNING and record.name.partition(".")[0] == _LOG.name and not record.exc_info:
            return visible_text(f"warning: {record.getMessage()}")
        return visible_text(super().format(record))


class LogLevel(StrEnum):
    """Least severe messages that are printed."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Log what is done, and print the traceback of an error.")
]
Level = Annotated[
    Any | None,
    typer.Option(
        "--log-level",
        parser=parse_as(LogLevel),
        metavar="|".join(LogLevel),
        help="Least severe log messages to print; default: warning, with -v info. Also shows those of SDKs.",
    ),
]
_CONTEXT = "_context"
_OF_EVERY_VERB = (
    inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Verbose),
    inspect.Parameter("log_level", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Level),
    inspect.Parameter(_CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
)


class Group(typer.core.TyperGroup):
    """Shows no secret in the messages about wrong arguments, which quote them."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _redacted_usage():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _redacted_usage():
            return super().invoke(ctx)


@contextmanager
def _redacted_usage() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):
            setattr(error, "message", redact(message))  # noqa: B010 - only some exceptions have it
        raise


class Verbs(typer.Typer):
    """A group of verbs, which takes the options of the log, as each of its verbs does."""

    def __init__(self, cls: type[typer.core.TyperGroup] = Group, **options: Any) -> None:
        super().__init__(callback=_log_options, cls=cls, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Return a decorator that adds a function as a verb."""
        add = super().command(name, **options)

        def decorate(verb: Callable[..., None]) -> Callable[..., None]:
            add(with_log_options(verb))
            return verb

        return decorate


def _log_options(verbose: Verbose = False, log_level: Level = None) -> None:
    """Take the options of the log before a verb, which uses them."""


def with_log_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Return the function of a verb with the options of the log; those before the verb hold too."""

    @wraps(verb)
    def logged(verbose: bool, log_level: LogLevel | None, **values: Any) -> None:
        context: typer.Context = values.pop(_CONTEXT)
        above = context.parent
        while above is not None:
            verbose, log_level = verbose or above.params["verbose"], log_level or above.params["log_level"]
            above = above.parent
        _set_level(verbose, log_level)
        require_config(context.command.name)
        with nullcontext() if log_level else hidden_native_logs():
            verb(**values)

    own = inspect.signature(verb, eval_str=True).parameters.values()
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    logged.__signature__ = inspect.Signature([*parameters, *_OF_EVERY_VERB])  # type: ignore[attr-defined]
    logged.__annotations__ = {one.name: one.annotation for one in (*parameters, *_OF_EVERY_VERB)}
    return logged


def _print_version(wanted: bool) -> None:
    if wanted:
        import voxome

        print(f"voxome {voxome.__version__}")
        raise typer.Exit


def configure_logs(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Verbose = False,
    log_level: Level = None,
) -> None:
    """From microscope voxels to connectomes. voxome VERB -h shows the options of a verb."""
    _set_level(verbose, log_level)


def _set_level(verbose: bool, log_level: LogLevel | None) -> None:
    level = log_level or (LogLevel.info if verbose else LogLevel.warning)
    logging.basicConfig(stream=sys.stderr, level=level.upper(), force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Formatter())
        handler.addFilter(_Once())
    _LOG.setLevel(logging.DEBUG if verbose and log_level is None else level.upper())


def require_config(verb: str | None) -> None:
    """Check that the configuration file and the profile exist that the environment names; warn of unknown variables.

    Raises
    ------
    InvalidInput, NotFound
        If not; `profiles` and `doctor` show such a problem instead.
    """
    from voxome.config.variables import warn_of_unknown_variables

    file = os.environ.get("VOXOME_CONFIG")
    if verb in ("profiles", "doctor"):
        return
    warn_of_unknown_variables()
    if file and not Path(file).exists():
        raise InvalidInput(f"VOXOME_CONFIG names {file}, which does not exist; create it, or unset VOXOME_CONFIG")
    if os.environ.get("VOXOME_PROFILE"):
        from voxome.config.profiles import in_use

        in_use()


def print_traceback(error: BaseException) -> None:
    """Print the traceback of an error, if the user wants to see it."""
    if _LOG.isEnabledFor(logging.DEBUG):
        print(visible_text("".join(traceback.format_exception(error))), end="", file=sys.stderr)
