"""The engine that runs a transfer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path

from voxome.contracts.engine import Engine
from voxome.contracts.source import VolumeSource
from voxome.engines.choice import DEFAULT, GROUP, require_engine
from voxome.errors import InvalidInput
from voxome.registry import factory
from voxome.services.transfer.endpoint import Endpoint

OpenEngine = Callable[[VolumeSource, Path], AbstractContextManager[Engine | None]]
"""Opens the engine for a target, with a log; None stands for threads over the open volumes."""


def engine_opener(engine: str | Engine | None, endpoints: Sequence[Endpoint], workers: int) -> OpenEngine:
    """Return a function that opens the engine of the user's choice.

    Without a choice it is ``local``, or threads of this process if there is one worker, if other processes cannot open
    an endpoint, or if the target takes one writer at a time.

    Raises
    ------
    UnknownName, PluginError
        If the engine does not exist, or if it does not take an option.
    InvalidInput
        If what was chosen is not an engine, or if its workers cannot open an endpoint.
    """
    private = next((endpoint for endpoint in endpoints if not endpoint.reachable), None)
    if engine is not None and private is not None:
        raise InvalidInput(
            f"Only this process can open {private.uri or 'a volume without a URI'}; leave out the engine"
        )
    chosen = DEFAULT if engine is None else require_engine(engine)
    if not isinstance(chosen, str):
        return lambda target, _log: nullcontext(_check_writers(chosen, target))
    open_named: Callable[..., Engine] = factory(GROUP, chosen)

    @contextmanager
    def open_engine(target: VolumeSource, log: Path) -> Iterator[Engine | None]:
        if engine is None and (workers == 1 or private is not None or not target.concurrent_writers):
            yield None
            return
        with closing(open_named(workers=workers, log=log)) as opened:
            yield _check_writers(opened, target)

    return open_engine


def _check_writers(engine: Engine, target: VolumeSource) -> Engine:
    if engine.slots > 1 and not target.concurrent_writers:
        raise InvalidInput(
            f"The destination takes one writer at a time, but engine {engine.name!r} runs {engine.slots} jobs at once; "
            "use an engine with one worker"
        )
    return engine
