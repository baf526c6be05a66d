"""Every call of the real intern 1.4.2 against a relay whose channels are volumes of several stores."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from peers.requirement import unavailable
from relay.dialects.boss.test_intern import PYTHON, ROOT
from relay.serving import serving as serving_sources
from standins import dvid
from standins.boss import serving

import voxome
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

SHAPE = (9, 30, 40)
WRITERS = Rights(writers=frozenset({"lab"}))
VOLUMES: dict[str, NDArray[Any]] = {
    "em": noise(SHAPE, "uint8"),
    "wide": noise(SHAPE, "uint16"),
    "seg": np.random.default_rng(0).choice(np.array([0, 7, 2**40, 2**63 + 5], "uint64"), SHAPE),
    "movie": noise((3, *SHAPE), "uint16"),
}
STORES = {
    "zarr": "zarr",
    "n5": "N5",
    "precomputed": "precomputed",
    "hdf5": "HDF5",
    "dvid": "DVID",
    "boss": "another relay, `bossdb://`",
    "chain": "another relay, `zarr://`",
}
PLACE = ("<!-- calls: written by tests/relay/dialects/boss/test_upstreams.py -->\n", "<!-- end of calls -->\n")


def create(uri: str, name: str) -> str:
    """Store one of the volumes; return its URI."""
    data = VOLUMES[name]
    axes = ("t", "z", "y", "x")[-data.ndim :]
    kind = "labels" if name == "seg" else "image"
    spec = voxome.VolumeSpec.of(data.shape, data.dtype, axes=axes, voxel_size_nm=(40, 8, 4), kind=kind)
    voxome.create(uri, spec)[...] = data
    return uri


def add_all(sources: Sources, store: str, uris: dict[str, str], rights: Rights = WRITERS) -> None:
    for name, uri in uris.items():
        sources.add(f"{store}/{'time' if name == 'movie' else 'exp'}/{name}", uri, rights)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """What `intern_calls.py` has found."""
    if not PYTHON.exists():
        unavailable("intern is not installed: run `make .venv/intern/ready`")
    folder = tmp_path_factory.mktemp("stores")
    files: dict[str, dict[str, str]] = {store: {} for store in STORES}
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("VOXOME_CONFIG", str(folder / "none.toml"))
        sources = Sources()
        for store in ("zarr", "n5", "precomputed", "hdf5"):
            names = [name for name in VOLUMES if (store, name) != ("precomputed", "movie")]
            middle = "volumes.h5/" if store == "hdf5" else f"{store}-"
            add_all(sources, store, {name: create(f"{store}://{folder}/{middle}{name}", name) for name in names})

        url = stack.enter_context(dvid.serving("secret"))
        root = httpx.post(f"{url}/api/repos?admintoken=secret", json={"alias": "t"}).json()["root"]
        address = f"dvid://{url.removeprefix('http://')}/{root}"
        add_all(sources, "dvid", {name: create(f"{address}/{name}", name) for name in ("em", "seg")})

        other = Sources()
        add_all(other, "far", {name: create(f"zarr://{folder}/far-{name}", name) for name in VOLUMES})
        boss = stack.enter_context(serving(sources=other))
        patch.setenv("VOXOME_BOSSDB_HOST", boss.url)
        patch.setenv("VOXOME_BOSSDB_TOKEN", boss.token)
        addresses = {name: f"far/{'time' if name == 'movie' else 'exp'}/{name}" for name in VOLUMES}
        add_all(sources, "boss", {name: f"bossdb://{boss.url}/{path}" for name, path in addresses.items()})

        last = Sources()
        add_all(last, "far", {name: create(f"zarr://{folder}/last-{name}", name) for name in VOLUMES}, Rights())
        chain = stack.enter_context(serving_sources(last, ["zarr"]))
        uris = {name: f"zarr://{chain}/zarr/{path}/0" for name, path in addresses.items()}
        add_all(sources, "chain", uris, Rights())

        for name in sources:
            store, _, channel = name.split("/")
            files[store][channel] = str(folder / f"{channel}.npy")
            np.save(files[store][channel], VOLUMES[channel])
        relay = stack.enter_context(serving(sources=sources))
        login = {
            "INTERN_PROTOCOL": "http",
            "INTERN_HOST": relay.url.removeprefix("http://"),
            "INTERN_TOKEN": relay.token,
        }
        script = Path(__file__).with_name("intern_calls.py")
        ran = subprocess.run(
            [PYTHON, script], env={"HOME": str(folder), "PATH": os.environ["PATH"], **login}, input=json.dumps(files),
            cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-3000:]
        yield json.loads(ran.stdout.splitlines()[-1])


def is_write(call: str) -> bool:
    return "create_cutout" in call or call in ("array: assign", "reserve_ids")


@pytest.mark.parametrize("store", STORES)
def test_every_call_succeeds(results: dict[str, dict[str, str]], store: str) -> None:
    failed = {call: why for call, why in results[store].items() if why and not (store == "chain" and is_write(call))}
    assert failed == {}
    assert len(results[store]) >= 40


def test_a_store_that_cannot_be_written_refuses(results: dict[str, dict[str, str]]) -> None:
    writes = {call: why for call, why in results["chain"].items() if is_write(call)}
    assert writes
    assert all("403" in why for why in writes.values())


def test_the_documentation_has_the_calls(results: dict[str, dict[str, str]]) -> None:
    """With VOXOME_WRITE_DOCS the table is written."""
    calls = list(results["zarr"])
    lines = ["| call of intern | " + " | ".join(STORES.values()) + " |", "|---" * (len(STORES) + 1) + "|"]
    for call in calls:
        cells = ["—" if call not in found else "403" if found[call] else "✓" for found in map(results.get, STORES)]  # type: ignore[operator,union-attr]
        lines.append(f"| {call} | " + " | ".join(cells) + " |")
    file = ROOT / "docs" / "boss.md"
    before, _, rest = file.read_text().partition(PLACE[0])
    _, _, after = rest.partition(PLACE[1])
    text = before + PLACE[0] + "\n".join(lines) + "\n" + PLACE[1] + after
    if "VOXOME_WRITE_DOCS" in os.environ:
        file.write_text(text)
    assert file.read_text() == text, "run this test with VOXOME_WRITE_DOCS=1"
