"""The processes of a relay: started together, replaced when they die, stopped together."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import socket

from starlette.applications import Starlette
from uvicorn import Server

from voxome.errors import StoreError, VoxomeError
from voxome.redaction import RedactedFormatter
from voxome.relay.config import RelayConfig
from voxome.relay.connections import Guard, allow_files
from voxome.relay.opening import SharedConfig, opened, prepared
from voxome.relay.serve import Stop, address_of, create_server, listening, serve_until_stopped

_CLOSING_S = 10.0
"""Time in which a process closes after its requests have ended."""
_LOOK_S = 0.2
"""Time between two looks at the workers."""
_RESTART_S = 1.0
"""Least time between two starts of one worker."""
_LOG = logging.getLogger(__name__)


class _Worker:
    """One process, which has a pipe to tell that it serves; the other end tells it that its parent is gone."""

    def __init__(self, config: SharedConfig, listener: socket) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, child = context.Pipe()
        arguments = (config, listener, child, logging.getLogger().level)
        self.process: SpawnProcess = context.Process(target=_serve, args=arguments, daemon=True)
        self.started = time.monotonic()
        self.process.start()
        child.close()

    def wait_until_serving(self, stop: threading.Event) -> bool:
        """Return whether the process serves; False if it has ended before, or is to stop."""
        try:
            while not self.pipe.poll(_LOOK_S):
                if stop.is_set():
                    return False
            self.pipe.recv()
        except EOFError:
            return False
        return True


def serve(config: RelayConfig, *, started: Callable[[str], None], file: Path | None = None) -> None:
    """Serve a relay until SIGINT or SIGTERM.

    Parameters
    ----------
    config : RelayConfig
        All about it.
    started : function
        Called with ``http://HOST:PORT`` once it serves.
    file : Path, optional
        Where the configuration is, which is not served.

    Raises
    ------
    VoxomeError, OSError
        If it cannot start.
    """
    with listening(config.host, config.port) as listener, prepared(config, file) as shared:
        address = address_of(listener, "http" if config.tls is None else "https")
        if config.workers > 1:
            run_workers(shared, listener, lambda: started(address))
            return
        with opened(shared) as app:
            started(address)
            serve_until_stopped(_server(app, config), listener)


def run_workers(shared: SharedConfig, listener: socket, started: Callable[[], None]) -> None:
    """Serve with as many processes as configured until SIGINT or SIGTERM; one that dies is replaced.

    Parameters
    ----------
    shared : SharedConfig
        By which each process opens the relay.
    listener : socket
        From which all of them accept connections.
    started : function
        Called once all of them serve.

    Raises
    ------
    StoreError
        If a process cannot start; it has printed why.
    """
    stop = threading.Event()
    for interruption in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interruption, lambda *_: stop.set())
    workers: list[_Worker] = []
    try:
        for _ in range(shared.config.workers):
            workers.append(_Worker(shared, listener))
        if not all(worker.wait_until_serving(stop) for worker in workers):
            if stop.is_set():
                return
            raise StoreError("a process of the relay could not start; its message is above")
        started()
        while not stop.is_set():
            stop.wait(_LOOK_S)
            for number, worker in enumerate(workers):
                if worker.process.is_alive() or time.monotonic() - worker.started < _RESTART_S:
                    continue
                code = worker.process.exitcode
                _LOG.error("process %s of the relay ended with status %s; it is replaced", worker.process.pid, code)
                try:
                    workers[number] = _Worker(shared, listener)
                except (OSError, MemoryError) as error:  # the machine has no room for a moment; the others serve
                    _LOG.error("no process can be started instead, which is tried again: %s", error)
                    worker.started = time.monotonic()
    finally:
        _stop(workers, shared.config.drain_s + shared.config.shutdown_s + _CLOSING_S)


def _server(app: Starlette, config: RelayConfig) -> Server:
    allow_files(config.limits.connections)
    guard = Guard(config.limits, config.allow_origins, config.workers)
    return create_server(app, config.tls, guard, Stop(app.state.stopping, config.drain_s, config.shutdown_s))


def _stop(workers: list[_Worker], timeout_s: float) -> None:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + timeout_s
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _serve(shared: SharedConfig, listener: socket, parent: Connection, log_level: int) -> None:
    """Serve in a worker until it is terminated, or its parent is gone."""
    logging.basicConfig(stream=sys.stderr, level=log_level)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(RedactedFormatter())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes; the parent stops this one
    try:
        with opened(shared) as app:
            server = _server(app, shared.config)

            def watch() -> None:
                while not server.started and not server.should_exit:
                    time.sleep(0.02)
                parent.send("serving")
                parent.poll(None)
                server.should_exit = True

            threading.Thread(target=watch, daemon=True).start()
            serve_until_stopped(server, listener)
    except (VoxomeError, OSError) as error:
        print(f"voxome: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
