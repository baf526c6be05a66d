"""Voxels and objects of one store do not change at the same time, under whatever name the voxels are served."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.geometry import Box
from voxome.relay.accounts import PUBLIC
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.writes.flusher import LEASE_FILE, Flusher
from voxome.relay.writes.journal import Journal

ALL = Box.of_shape((8, 8, 8))


@pytest.mark.parametrize("served", ["as a volume of the store", "by its address", "by a link", "over the whole store"])
@pytest.mark.parametrize("write_back", [False, True])
@pytest.mark.slow
def test_voxels_are_not_written_while_an_object_of_their_volume_changes(
    tmp_path: Path, served: str, write_back: bool
) -> None:
    everybody = Rights(frozenset({PUBLIC}), frozenset({PUBLIC}))
    folder, link = tmp_path / "store", tmp_path / "link"
    place = folder if served == "over the whole store" else folder / "em.zarr"
    link.symlink_to(folder)
    voxome.create(f"zarr://{place}", voxome.VolumeSpec.of((8, 8, 8), "uint8"))
    address = f"zarr://{link / 'em.zarr' if served == 'by a link' else place}"
    with closing(Journal(tmp_path / "writes", 2**20, 0)) as journal:
        sources = Sources(journal=journal)
        name = "store/em.zarr" if served == "as a volume of the store" else "em"
        if name == "em":
            sources.add(name, address, everybody, write_back=write_back)
        sources.add_store("store", folder, everybody)
        flusher = Flusher(journal, tmp_path / "writes" / LEASE_FILE, sources.replay())
        with ThreadPoolExecutor(1) as pool:
            with sources.stores["store"].locked(("em.zarr", "0"), exclusive=True):
                flusher.start()
                writing = pool.submit(sources.write, name, ALL, np.full((8, 8, 8), 7, "uint8"))
                time.sleep(0.5)
                assert not voxome.open(address)[...].any()
            writing.result(60)
        deadline = time.monotonic() + 60
        while journal.index.queue():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        flusher.close()
    assert (voxome.open(address)[...] == 7).all()
