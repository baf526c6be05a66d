"""Edits of labels move voxels between bodies and never lose any."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from standins.dvid.codecs import compression, label_block, runs
from standins.dvid.types.labelmap.blocks import halve

from .conftest import ROOT, Client

pytestmark = pytest.mark.slow

SHAPE = (16, 16, 32)
Array = NDArray[np.uint64]


class Model:
    """Supervoxels as an array, bodies as a dictionary: the expected state of a version."""

    def __init__(self, supervoxels: Array, bodies: dict[int, int]) -> None:
        self.supervoxels, self.bodies = supervoxels, bodies

    def copy(self) -> Model:
        return Model(self.supervoxels.copy(), dict(self.bodies))

    def labels(self) -> Array:
        out = np.zeros_like(self.supervoxels)
        for supervoxel, body in self.bodies.items():
            out[self.supervoxels == supervoxel] = body
        return out

    def members(self, body: int) -> list[int]:
        return sorted(supervoxel for supervoxel, owner in self.bodies.items() if owner == body)


class Edits(RuleBasedStateMachine):
    """Merges, cleaves, splits and renumberings in versions, against the model."""

    def __init__(self) -> None:
        super().__init__()
        self.client = Client()
        self.client.add("labelmap", "seg", BlockSize="16,16,16", MaxDownresLevel="1")
        self.client.add("annotation", "points")
        self.client.ok("POST", f"node/{ROOT}/points/sync", {"sync": "seg"})
        self.version = ROOT
        self.models: dict[str, Model] = {}

    @initialize(seed=st.integers(0, 999))
    def ingest(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 7, [n // 4 for n in SHAPE])
        supervoxels = coarse.repeat(4, 0).repeat(4, 1).repeat(4, 2).astype(np.uint64)
        assert self.client.write(ROOT, "seg", supervoxels).status_code == 200
        bodies = {int(label): int(label) for label in np.unique(supervoxels) if label}
        self.models[ROOT] = Model(supervoxels, bodies)
        where = np.argwhere(supervoxels)[::37, ::-1].tolist()
        self.points = [tuple(at) for at in where]
        self.client.ok("POST", f"node/{ROOT}/points/elements", [{"Pos": at, "Kind": "PreSyn"} for at in where])

    @property
    def model(self) -> Model:
        return self.models[self.version]

    def post(self, path: str, body: Any, **query: Any) -> Any:
        return self.client.json("POST", f"node/{self.version}/seg/{path}", body, **query)

    @rule(data=st.data())
    @precondition(lambda self: len(set(self.model.bodies.values())) > 1)
    def merge(self, data: st.DataObject) -> None:
        bodies = st.sampled_from(sorted(set(self.model.bodies.values())))
        target, *others = data.draw(st.lists(bodies, min_size=2, max_size=3, unique=True))
        self.post("merge", [target, *others])
        self.model.bodies.update({sv: target for other in others for sv in self.model.members(other)})

    @rule(data=st.data())
    @precondition(lambda self: any(n > 1 for n in Counter(self.model.bodies.values()).values()))
    def cleave(self, data: st.DataObject) -> None:
        large = sorted(body for body, n in Counter(self.model.bodies.values()).items() if n > 1)
        body = data.draw(st.sampled_from(large))
        members = self.model.members(body)
        selected = data.draw(st.lists(st.sampled_from(members), min_size=1, max_size=len(members) - 1, unique=True))
        new = self.post(f"cleave/{body}", selected)["CleavedLabel"]
        assert new not in {*self.model.bodies, *self.model.bodies.values()}
        self.model.bodies.update(dict.fromkeys(selected, new))

    @rule(data=st.data(), step=st.integers(1, 4))
    def split(self, data: st.DataObject, step: int) -> None:
        supervoxel = data.draw(st.sampled_from(sorted(self.model.bodies)))
        mask = self.model.supervoxels == supervoxel
        mask[:, :, ::step] = False
        body = runs.encode(runs.from_mask(mask, (0, 0, 0)))
        reply = self.post(f"split-supervoxel/{supervoxel}", body)
        rest = (self.model.supervoxels == supervoxel) & ~mask
        owner = self.model.bodies.pop(supervoxel)
        for label, part in ((reply["SplitSupervoxel"], mask), (reply["RemainSupervoxel"], rest)):
            self.model.supervoxels[part] = label
            if part.any():
                self.model.bodies[label] = owner

    @rule(data=st.data())
    def renumber(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(sorted(set(self.model.bodies.values()))))
        new = self.client.json("GET", f"node/{self.version}/seg/nextlabel")["nextlabel"] + 3
        self.client.ok("POST", f"node/{self.version}/seg/renumber", [new, old])
        self.model.bodies.update(dict.fromkeys(self.model.members(old), new))

    @rule()
    def next_version(self) -> None:
        self.client.commit(self.version)
        child = self.client.child(self.version)
        self.models[child] = self.model.copy()
        self.version = child

    @invariant()
    def every_version_agrees_with_its_model(self) -> None:
        for version, model in self.models.items():
            labels = model.labels()
            assert_array_equal(self.client.read(version, "seg", SHAPE, "uint64"), labels)
            supervoxels = self.client.read(version, "seg", SHAPE, "uint64", supervoxels=True)
            assert_array_equal(supervoxels, model.supervoxels)
            half = tuple(n // 2 for n in SHAPE)
            coarse = self.client.read(version, "seg", half, "uint64", supervoxels=True, scale=1)
            assert_array_equal(coarse, halve(model.supervoxels))

    @invariant()
    def the_index_agrees_with_the_voxels(self) -> None:
        if not self.models:
            return
        at = f"node/{self.version}/seg"
        labels = self.model.labels()
        ids, sizes = np.unique(labels[labels > 0], return_counts=True)
        assert self.client.json("GET", f"{at}/existing-labels") == ids.tolist()
        assert self.client.json("GET", f"{at}/sizes", ids.tolist()) == sizes.tolist()
        known = sorted(self.model.bodies)
        assert self.client.json("GET", f"{at}/mapping", known) == [self.model.bodies[sv] for sv in known]
        counts = [int((self.model.supervoxels == sv).sum()) for sv in known]
        assert self.client.json("GET", f"{at}/sizes", known, supervoxels=True) == counts
        body = int(ids[0])
        assert sorted(self.client.json("GET", f"{at}/supervoxels/{body}")) == self.model.members(body)
        table = runs.decode(self.client.ok("GET", f"{at}/sparsevol/{body}"))
        mask = np.zeros(SHAPE, bool)
        runs.paint(table, mask, (0, 0, 0))
        assert_array_equal(mask, labels == body)

    @invariant()
    def annotations_follow_edits(self) -> None:
        if not self.models:
            return
        labels = self.model.labels()
        for body in sorted(set(self.model.bodies.values()))[:3]:
            elements = self.client.json("GET", f"node/{self.version}/points/label/{body}")
            expected = {at for at in self.points if labels[at[::-1]] == body}
            assert {tuple(element["Pos"]) for element in elements} == expected


Edits.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
TestEdits = Edits.TestCase


def labelled(client: Client, **options: str) -> str:
    client.add("labelmap", "seg", BlockSize="16,16,16", MaxDownresLevel="1", **options)
    return f"node/{ROOT}/seg"


def test_overwriting_removes_old_voxels_from_the_index_only_with_mutate(client: Client) -> None:
    at = labelled(client)
    ones = np.ones((16, 16, 16), np.uint64)
    client.write(ROOT, "seg", ones)
    client.write(ROOT, "seg", 2 * ones, mutate=True)
    assert client.json("GET", f"{at}/existing-labels") == [2]
    client.write(ROOT, "seg", 3 * ones)
    assert client.json("GET", f"{at}/sizes", [2, 3]) == [16**3, 16**3]


def test_native_blocks_at_negative_coordinates(client: Client) -> None:
    at = labelled(client)
    voxels = np.random.default_rng(0).integers(0, 9, (16, 16, 16)).astype(np.uint64)
    record = compression.encode_record((-1, 0, -2), compression.gzip_encode(label_block.encode(voxels)))
    client.ok("POST", f"{at}/blocks", record, downres=True)
    raw = client.ok("GET", f"{at}/raw/0_1_2/16_16_16/-16_0_-32")
    assert_array_equal(np.frombuffer(raw, "uint64").reshape(16, 16, 16), voxels)
    coarse = client.ok("GET", f"{at}/raw/0_1_2/8_8_8/-8_0_-16", scale=1)
    assert_array_equal(np.frombuffer(coarse, "uint64").reshape(8, 8, 8), halve(voxels))
    size = client.json("GET", f"{at}/sparsevol-size/3")
    assert size == {
        "voxels": int((voxels == 3).sum()),
        "numblocks": 1,
        "minvoxel": [-16, 0, -32],
        "maxvoxel": [-1, 15, -17],
    }
    index = client.ok("GET", f"{at}/index/3")
    client.ok("POST", f"{at}/index/3", index)
    assert client.ok("GET", f"{at}/index/3") == index


def test_blocks_are_stored_without_an_index(client: Client) -> None:
    at = labelled(client)
    record = compression.encode_record(
        (0, 0, 0), compression.gzip_encode(label_block.encode(np.full((16, 16, 16), 5, np.uint64)))
    )
    client.ok("POST", f"{at}/blocks", record, noindexing=True)
    assert client.json("GET", f"{at}/label/3_3_3") == {"Label": 5}
    assert client.request("GET", f"{at}/size/5").status_code == 404
    assert client.json("GET", f"{at}/maxlabel") == {"maxlabel": 5}


def test_a_block_of_another_size_is_refused(client: Client) -> None:
    at = labelled(client)
    content = compression.gzip_encode(label_block.encode(np.ones((8, 8, 8), np.uint64)))
    assert client.request("POST", f"{at}/blocks", compression.encode_record((0, 0, 0), content)).status_code == 400
    assert client.request("POST", f"{at}/blocks", struct.pack("<4i", 0, 0, 0, 99)).status_code == 400


def test_refused_edits_change_nothing(client: Client) -> None:
    at = labelled(client)
    voxels = np.ones((16, 16, 16), np.uint64)
    voxels[8:] = 2
    client.write(ROOT, "seg", voxels)
    outside = runs.encode(np.array([[0, 0, 7, 4], [0, 0, 8, 4]], np.int32))
    refused = [
        ("merge", [1, 99]),
        ("merge", [1, 1]),
        ("merge", [1]),
        ("cleave/1", [1]),
        ("cleave/1", [2]),
        ("renumber", [2, 1]),
        ("renumber", [5]),
        ("split-supervoxel/1", outside),
        ("split/1", outside),
    ]
    for path, body in refused:
        assert client.request("POST", f"{at}/{path}", body).status_code == 400
    assert_array_equal(client.read(ROOT, "seg", (16, 16, 16), "uint64"), voxels)
    assert client.json("GET", f"{at}/sizes", [1, 2]) == [8 * 256, 8 * 256]
    assert client.json("GET", f"{at}/nextlabel") == {"nextlabel": 5}


def test_the_history_contains_users(client: Client) -> None:
    at = labelled(client)
    voxels = np.ones((16, 16, 16), np.uint64)
    voxels[8:] = 2
    client.write(ROOT, "seg", voxels)
    client.ok("POST", f"{at}/merge", [1, 2], u="ana", app="test")
    client.commit(ROOT)
    child = client.child(ROOT)
    client.ok("POST", f"node/{child}/seg/cleave/1", [2], u="ben")
    assert [m["User"] for m in client.json("GET", f"{at}/mutations")] == ["ana"]
    both = client.json("GET", f"node/{child}/seg/mutations-range/{ROOT}/{child}")
    assert [m["Action"] for m in both] == ["merge-complete", "cleave-complete"]
    assert client.json("GET", f"node/{child}/seg/mutations", userid="ana") == []
    assert client.json("GET", f"node/{child}/seg/lastmod/1")["last mod user"] == "ben"
    assert client.ok("GET", f"{at}/index-version/1") == ROOT.encode()
    assert client.ok("GET", f"node/{child}/seg/index-version/1") == child.encode()


def test_a_sparse_volume_is_bounded(client: Client) -> None:
    at = labelled(client)
    client.write(ROOT, "seg", np.ones((16, 16, 32), np.uint64))
    query = {"minx": 3, "maxx": 20, "miny": 2, "maxy": 2, "minz": 15}
    table = runs.decode(client.ok("GET", f"{at}/sparsevol/1", **query))
    assert table.tolist() == [[3, 2, 15, 13], [16, 2, 15, 5]]
    whole = runs.decode(client.ok("GET", f"{at}/sparsevol/1", **query, exact=False))
    assert whole[:, 3].sum() == 2 * 16**3
    assert client.request("GET", f"{at}/sparsevol/1", minx=64).status_code == 404
    assert client.request("HEAD", f"{at}/sparsevol/1", minx=64).status_code == 204
