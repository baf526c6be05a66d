"""A store of a relay of several processes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import boto3  # type: ignore[import-untyped]
import httpx
import numpy as np
import pytest
import tensorstore as ts
from botocore.config import Config
from numpy.testing import assert_array_equal

from voxome.relay.catalogue.sql import SqlCatalogue
from voxome.relay.dialects.s3.keys import KeyPair, create_key_pair
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, KeyPair]]:
    """Three processes with a store that bob's group may write."""
    tmp_path = tmp_path_factory.mktemp("relay")
    with closing(SqlCatalogue.in_file(tmp_path / "catalogue.sqlite")) as records:
        pair = create_key_pair(records, "bob", groups=["lab"])
    config = tmp_path / "relay.toml"
    config.write_text(
        f'port = 0\nworkers = 3\ncatalogue = "{tmp_path}/catalogue.sqlite"\ndata = "{tmp_path}/data"\n'
        f'[stores.scratch]\nuri = "{tmp_path}/scratch"\nwriters = ["lab"]\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "voxome.cli.main", "serve", str(config)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("Serving at ").strip(), pair
    finally:
        process.terminate()
        process.communicate(timeout=100)


def read(url: str, box: str) -> np.ndarray:
    answer = httpx.get(f"{url}/raw/scratch/a/cutout?box={box}", timeout=30)  # each over a new connection
    assert answer.status_code == 200, answer.text
    found: np.ndarray = np.load(io.BytesIO(answer.content))
    return found


def test_what_one_process_stores_is_seen_by_all(relay: tuple[str, KeyPair], monkeypatch: pytest.MonkeyPatch) -> None:
    url, pair = relay
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", pair.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", pair.secret)
    kvstore = {
        "driver": "s3", "bucket": "zarr3", "path": "scratch/a/", "endpoint": f"{url}/s3", "aws_region": "us-east-1",
        "aws_credentials": {"type": "environment"},
    }  # fmt: skip
    chunks = {"name": "regular", "configuration": {"chunk_shape": [16, 16, 16]}}
    for number, shape in enumerate([(32, 32, 32), (20, 30, 40), (48, 16, 16)]):
        metadata = {"shape": shape, "data_type": "uint8", "chunk_grid": chunks}
        spec = {"driver": "zarr3", "kvstore": kvstore, "metadata": metadata}
        array = ts.open(spec, create=True, delete_existing=True, context=ts.Context()).result()
        data = noise(shape, "uint8", seed=number)
        array.write(data).result()
        for _ in range(12):
            assert_array_equal(read(url, ",".join(f"0:{n}" for n in shape)), data)
        array[:8, :8, :8].write(number).result()
        for _ in range(12):
            assert (read(url, "0:8,0:8,0:8") == number).all()


def test_only_one_of_many_creates_an_object(relay: tuple[str, KeyPair]) -> None:
    url, pair = relay
    config = Config(signature_version="s3v4", retries={"max_attempts": 1}, max_pool_connections=1)

    def client() -> Any:
        return boto3.client(
            "s3", endpoint_url=f"{url}/s3", region_name="us-east-1", config=config, aws_access_key_id=pair.access_key,
            aws_secret_access_key=pair.secret,
        )  # fmt: skip

    clients = [client() for _ in range(8)]

    def create(number: int) -> int:
        options: dict[str, Any] = {"Bucket": "zarr3", "Key": "scratch/k", "Body": str(number).encode()}
        try:
            clients[number].put_object(**options, IfNoneMatch="*")
        except clients[number].exceptions.ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(create, range(8)))
    assert found == [200] + [412] * 7
