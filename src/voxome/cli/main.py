"""``voxome``: entry point of the command line, and its error messages."""

from __future__ import annotations

import sys

try:
    import atexit
    import gc
    import traceback
    from typing import NoReturn

    from voxome.cli import interrupt, logs
    from voxome.cli.complete import joined_words
    from voxome.cli.console import print_stderr
    from voxome.cli.verbs import VerbGroup
    from voxome.errors import LESS_MEMORY, VoxomeError, describe_lack_of_memory
except KeyboardInterrupt:
    print("Interrupted", file=sys.stderr)
    raise SystemExit(130) from None

EPILOG = """Exit status: 0 done; 1 an error, with one message on standard error; 2 wrong usage; 130 interrupted. Results
are printed on standard output: tables on a terminal, tab-separated text elsewhere, JSON with --json."""

app = logs.Verbs(
    cls=VerbGroup,
    name="voxome",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.callback()(logs.configure_logs)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; ``help VERB`` is ``VERB --help``.

    The exit status is 0 on success, 1 after an error (with one message on standard error), 2 for wrong usage, and 130
    after an interruption.
    """
    if arguments is None:
        _collect_rarely()
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["help"]:
        arguments = [*words[1:], "--help"]
    before, sys.unraisablehook = sys.unraisablehook, interrupt.reraise_interrupt
    try:
        with joined_words():
            app(arguments, prog_name="voxome")
    except SystemExit as stop:
        if stop.code == interrupt.STATUS:
            print_stderr(interrupt.message(stop))
        raise
    except KeyboardInterrupt as error:
        print_stderr(interrupt.message(error))
        sys.exit(interrupt.STATUS)
    except VoxomeError as error:
        logs.print_traceback(error)
        print_stderr("\n".join([f"voxome: {error}", *getattr(error, "__notes__", ())]))
    except MemoryError as error:
        logs.print_traceback(error)
        what = describe_lack_of_memory(error)
        print_stderr(f"voxome: {what}; use a smaller box (--box), a coarser level (--level), {LESS_MEMORY}")
    except OSError as error:
        logs.print_traceback(error)
        what = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        print_stderr(f"voxome: {what}; check the path, its permissions and the free disk space")
    except Exception as error:
        logs.print_traceback(error)
        at = traceback.extract_tb(error.__traceback__)[-1]
        print_stderr(
            f"voxome: internal error, please report it: {error!r} at {at.filename}:{at.lineno}; "
            "add -v to print the traceback"
        )
    finally:
        sys.unraisablehook = before
    sys.exit(1)


def _collect_rarely() -> None:
    """Spare a short command most of the walks over the objects of its modules, and all at its end."""
    gc.set_threshold(20_000, 10, 10)
    atexit.register(gc.freeze)


if __name__ == "__main__":
    main()
