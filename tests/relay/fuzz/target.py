"""A relay with everything that strangers may try: public, private, writable and broken sources, users, projects."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import httpx
import numpy as np
from relay.fuzz.hostile import FRAME
from relay.serving import pyramid

import voxome
from voxome.relay.catalogue.sql import SqlCatalogue
from voxome.relay.config_file import parse_config
from voxome.relay.connections import Guard
from voxome.relay.dialects.s3.keys import create_key_pair
from voxome.relay.opening import opened, prepared
from voxome.relay.serve import in_thread
from voxome.relay.tokens import create_token
from voxome.testing.strategies import noise

SECRET = b"5ecret-V0xel"
"""Bytes that only readers of the private sources may see: they are their voxels, and a file beside the data."""
SHAPE = (20, 30, 40)
EM = noise(SHAPE, "uint8")


@dataclass
class Target:
    """A relay that runs.

    Attributes
    ----------
    url : str
        Its address.
    tokens : dict of str to str
        Caller → token.
    key : tuple of str
        Access key and secret of the member.
    folder : Path
        Folder of its data.
    version : str
        First version of the segments that are edited.
    """

    url: str
    tokens: dict[str, str]
    key: tuple[str, str]
    folder: Path
    version: str = ""

    def is_intact(self) -> bool:
        """Return whether nobody has changed what nobody, or only members, may write."""
        secret = np.frombuffer((SECRET * 2000)[: 20 * 30 * 40 // 2], "uint8").reshape(20, 15, 40)
        em, private = (voxome.open(f"zarr://{self.folder}/{name}.zarr") for name in ("em", "private"))
        return bool((em[...] == EM).all() and (private[...] == secret).all())


@contextmanager
def running(folder: Path) -> Iterator[Target]:
    """Yield a relay whose data are in `folder`."""
    spec = voxome.VolumeSpec
    secret = np.frombuffer((SECRET * 2000)[: 20 * 30 * 40 // 2], "uint8").reshape(20, 15, 40)
    (folder / "secret.txt").write_bytes(SECRET)
    (folder / "scratch").mkdir()
    (folder / "scratch" / "link").symlink_to(folder / "secret.txt")
    pyramid(f"zarr://{folder}/em.zarr", EM, voxel_size_nm=(40, 4, 4))
    for name, voxels in {
        "seg": (EM.astype("uint64") + np.uint64(720575940602398473)),
        "private": secret,
        "flat": EM[0],
        "color": noise((3, 4, 8, 8), "float32"),
        "mask": EM > 100,
    }.items():
        described = spec.of(
            voxels.shape, voxels.dtype, axes={2: "yx", 3: "zyx", 4: "czyx"}[voxels.ndim], voxel_size_nm=(40, 4, 4),
            kind="labels" if name == "seg" else "image",
        )  # fmt: skip
        voxome.create(f"zarr://{folder}/{name}.zarr", described)[...] = voxels
    voxome.create(f"zarr://{folder}/broken.zarr", spec.of((4, 4, 4), "uint8"))
    cells = np.zeros((8, 8, 16), "uint64")
    cells[..., :8], cells[..., 8:] = 11, 2**60 + 1
    described = spec.of(cells.shape, "uint64", voxel_size_nm=(10, 5, 5), kind="labels")
    supervoxels = voxome.create(f"zarr://{folder}/supervoxels.zarr", described)
    supervoxels[...] = cells
    voxome.proofread(supervoxels, store=folder / "edits.sqlite", author="zoe")
    places = np.random.default_rng(0).integers(0, 20, (50, 3)).astype("float64")
    points = voxome.Annotations("point", np.arange(50, dtype="uint64"), places[:, np.newaxis])
    voxome.create_annotations(f"precomputed://{folder}/points", points, voxel_size_nm=(1, 1, 1), limit=10)
    lab = {"readers": ["lab"]}
    sources = {
        "em": {"uri": f"zarr://{folder}/em.zarr", "cache": True},
        "lab/exp/em": {"uri": f"zarr://{folder}/em.zarr"},
        "lab/exp/seg": {"uri": f"zarr://{folder}/seg.zarr", "writers": ["lab"], "cache": True},
        "private": {"uri": f"zarr://{folder}/private.zarr", "cache": True, **lab},
        "lab/exp/private": {"uri": f"zarr://{folder}/private.zarr", **lab},
        "broken": {"uri": f"zarr://{folder}/broken.zarr"},
        "edges": {"tool": "common.threshold", "source": "em", "parameters": {"at": 100}},
        "lab/cells": {"uri": f"proofread://{folder}/edits.sqlite", "writers": ["lab"]},
        **{name: {"uri": f"zarr://{folder}/{name}.zarr"} for name in ("flat", "color", "mask")},
    }
    collections: dict[str, dict[str, list[str]]] = {"points": {}, "private-points": lab}
    stored = f"precomputed://{folder}/points"
    config = parse_config(
        {
            "sources": sources,
            "stores": {"scratch": {"uri": str(folder / "scratch"), "writers": ["lab"]}},
            "annotations": {name: {"uri": stored} | rights for name, rights in collections.items()},
            "catalogue": str(folder / "names.sqlite"),
            "data": str(folder / "data"),
            "allow_origins": ["*"],
            "admin_token_env": "FUZZ_ADMIN",
            "largest_cutout_mib": 4,
            "cache": {"folder": str(folder / "cache"), "memory_mib": 64},
            "limits": {"body_s": 1, "header_s": 2},
        },
        "fuzz",
    )
    catalogue = SqlCatalogue.in_file(folder / "names.sqlite")
    tokens = {
        "admin": "an-admin-token",
        "member": create_token(catalogue, "ann", groups=["lab"]),
        "stranger": create_token(catalogue, "eve"),
        "expired": create_token(catalogue, "bob", groups=["lab"], lifetime_s=-1.0),
        "forged": "f" * 40,
    }
    key = create_key_pair(catalogue, "ann")
    catalogue.close()
    with (
        patch.dict(os.environ, {"FUZZ_ADMIN": tokens["admin"]}),
        prepared(config) as shared,
        _without(folder / "broken.zarr"),
        opened(shared) as app,
        in_thread(app, guard=Guard(config.limits, ["*"])) as url,
    ):
        _create_project(url, tokens["admin"])
        edited = httpx.get(f"{url}/view/edits?layer=lab/cells").json()
        yield Target(url, tokens, (key.access_key, key.secret), folder, edited["lab/cells"]["version"])


@contextmanager
def _without(volume: Path) -> Iterator[None]:
    """Remove a volume that is about to be served."""
    shutil.rmtree(volume)
    yield


def _create_project(url: str, token: str) -> None:
    channels = "/v1/collection/col/experiment/exp/channel"
    with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}) as client:
        for path, body in {
            "/v1/collection/col": {},
            "/v1/coord/cf": FRAME,
            "/v1/collection/col/experiment/exp": {"coord_frame": "cf", "num_hierarchy_levels": 2},
            f"{channels}/own": {"type": "image", "datatype": "uint8"},
            f"{channels}/notes": {"type": "annotation", "datatype": "uint64", "sources": ["own"], "public": True},
        }.items():
            answer = client.post(path, json=body)
            assert answer.status_code == 201, answer.text
