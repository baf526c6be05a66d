"""Everything that is fuzzed, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzz.decoders import DECODERS
from fuzz.documents import DOCUMENTS, document_attempts
from fuzz.hdf5_files import HDF5_FILES, hdf5_attempts
from fuzz.image_metadata import IMAGE_METADATA, metadata_attempts
from fuzz.mutation import mutate
from fuzz.refusals import refusing
from fuzz.stores import STORES, attempts

TARGETS = (*DECODERS, *DOCUMENTS, *STORES, *IMAGE_METADATA, *HDF5_FILES)


def open_target(name: str, folder: Path) -> Callable[[Random], None]:
    """Return a function that makes an input and feeds it to the target; any error that it raises is a fault.

    Parameters
    ----------
    name : str
        One of `TARGETS`.
    folder : path
        An empty folder for files.
    """
    if name in HDF5_FILES:
        return hdf5_attempts(HDF5_FILES[name], folder)
    if name in IMAGE_METADATA:
        return metadata_attempts(IMAGE_METADATA[name](), folder)
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
