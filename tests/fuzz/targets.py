"""Everything that is fuzzed, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzz.decoders import DECODERS
from fuzz.documents import DOCUMENTS, document_attempts
from fuzz.mutation import mutate
from fuzz.projects import PROJECT, project_attempts
from fuzz.refusals import refusing
from fuzz.stores import STORES, attempts

TARGETS = (*DECODERS, *DOCUMENTS, *STORES, PROJECT)


def open_target(name: str, folder: Path) -> Callable[[Random], None]:
    """Return a function that makes an input and feeds it to the target; any error that it raises is a fault.

    Parameters
    ----------
    name : str
        One of `TARGETS`.
    folder : path
        An empty folder for files.
    """
    if name == PROJECT:
        return project_attempts(folder)
    if name in STORES:
        return attempts(STORES[name], folder)
    if name in DOCUMENTS:
        return document_attempts(DOCUMENTS[name](), folder)
    decoder = DECODERS[name]()
    for seed in decoder.seeds:
        decoder.decode(seed)  # all of them are valid

    def attempt(random: Random) -> None:
        data = mutate(random, decoder.seeds, decoder.header)
        with refusing(decoder.errors):
            decoder.decode(data)

    return attempt
