"""Annotations over the JSON API: by id, in a box, of a segment; ids as strings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import jsonschema
import numpy as np
import pytest
from relay.serving import as_user, serving

import voxome
from voxome.relay.collections import Collections
from voxome.relay.dialects.api import collection_search
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.remotes.precomputed.annotations import AnnotationIndices

IDS, CELLS = (7, 2**53 + 1, 2**64 - 2), (720575940602398473, 2**63 + 1)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("annotations")
    found = voxome.Annotations(
        "line", np.array(IDS, "uint64"), np.arange(18, dtype="float64").reshape(3, 2, 3) * 100,
        {"score": np.array([0.5, np.nan, 1], "float32"), "n": np.array([1, 2, 3], "uint8")},
        {"pre": [[CELLS[0]], [CELLS[1]], []], "post": [[CELLS[1]], [], [CELLS[0], CELLS[1]]]},
    )  # fmt: skip
    voxome.create_annotations(f"precomputed://{folder}/synapses", found, voxel_size_nm=(1, 1, 1))
    collections = Collections()
    collections.add("lab/synapses", f"precomputed://{folder}/synapses")
    collections.add("secret", f"precomputed://{folder}/synapses", Rights(frozenset({"lab"})))
    collections.add("gone", f"precomputed://{folder}/gone")
    with (
        serving(Sources(), ["api"], members={"ann": "lab"}, collections=collections) as url,
        closing(httpx.Client(base_url=f"{url}/api")) as client,
    ):
        yield client


def ids_of(client: httpx.Client, **query: str) -> list[str]:
    answer = client.get("/annotations", params={"collection": "lab/synapses", **query})
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["annotations"]]


@pytest.mark.slow
def test_annotations_are_found_by_id_box_and_segment(client: httpx.Client) -> None:
    everything = [str(id) for id in IDS]
    assert ids_of(client, ids=",".join(reversed(everything))) == everything
    assert ids_of(client, box_nm="0:2000,0:2000,0:2000") == everything
    assert ids_of(client, box_nm="-5.5:350,0:2000,0:2000") == everything[:1]
    assert ids_of(client, segment=str(CELLS[0]), relation="pre") == everything[:1]
    assert ids_of(client, segment=str(CELLS[1]), relation="post") == [everything[0], everything[2]]
    assert ids_of(client, segment="5", relation="post") == []


def test_one_has_its_positions_properties_and_segments_exactly(client: httpx.Client) -> None:
    answer = client.get("/annotations", params={"collection": "lab/synapses", "ids": f"{IDS[1]},{IDS[2]}"})
    assert answer.headers["cache-control"] == "public, no-cache"
    second, third = answer.json()["annotations"]
    assert second == {
        "id": str(IDS[1]), "positions_nm": [[600, 700, 800], [900, 1000, 1100]],
        "properties": {"score": None, "n": 2}, "relations": {"pre": [str(CELLS[1])], "post": []},
    }  # fmt: skip
    assert third["relations"]["post"] == [str(CELLS[0]), str(CELLS[1])]


def test_collections_are_listed_and_described(client: httpx.Client) -> None:
    assert client.get("/collections").json() == {"collections": ["gone", "lab/synapses"]}
    assert client.get("/collections", headers=as_user("ann")).json()["collections"][-1] == "secret"
    described = client.get("/collection?collection=lab/synapses").json()
    assert (described["shape"], described["relations"], described["count"]) == ("line", ["pre", "post"], 3)
    assert set(described["properties"]) == {"score", "n"}


@pytest.mark.parametrize(
    ("query", "status", "part"),
    [
        ("collection=lab/synapses", 400, "give one of ids, box_nm and segment"),
        ("collection=lab/synapses&ids=7&segment=7", 400, "give one of"),
        ("collection=lab/synapses&ids=7&relation=pre", 400, "needs a segment"),
        ("collection=lab/synapses&segment=7", 400, "pre, post"),
        ("collection=lab/synapses&segment=7&relation=none", 400, "no relation none"),
        ("collection=lab/synapses&ids=18446744073709551616", 400, "ids are at most"),
        ("collection=lab/synapses&ids=8", 404, "lack one of these ids"),
        ("collection=lab/synapses&box_nm=0:1,0:1", 400, "box_nm"),
        ("collection=lab/synapses&box_nm=5:1,0:1,0:1", 400, "above its stop"),
        ("collection=lab/synapses&box_nm=0:nan,0:1,0:1", 400, "box_nm"),
        ("collection=none&ids=7", 404, "none"), ("collection=secret&ids=7", 401, "permission"),
        ("collection=gone&ids=7", 503, "gone"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_explained(client: httpx.Client, query: str, status: int, part: str) -> None:
    answer = client.get(f"/annotations?{query}")
    assert (answer.status_code, part in answer.json()["message"]) == (status, True), answer.text


@pytest.mark.parametrize("query", ["box_nm=0:2000,0:2000,0:2000", f"segment={CELLS[1]}&relation=post", "ids=7,8,9"])
def test_too_many_are_refused_before_they_are_read(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(collection_search, "MOST", 1)

    def read(*arguments: object) -> None:
        raise AssertionError("it was read as a whole")

    for name in ("get", "within", "related"):
        monkeypatch.setattr(AnnotationIndices, name, read)
    answer = client.get(f"/annotations?collection=lab/synapses&{query}")
    assert answer.status_code == 413
    assert "annotations" in answer.json()["message"]


def test_answers_are_as_the_document_says(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    for path, query in (("annotations", f"collection=lab/synapses&ids={IDS[2]}"), ("collections", "")):
        content = document["paths"][f"/api/{path}"]["get"]["responses"]["200"]["content"]["application/json"]
        schema = {**content["schema"], "components": document["components"]}
        jsonschema.validate(client.get(f"/{path}?{query}").json(), schema)
