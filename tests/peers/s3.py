"""An S3 server (moto)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from moto.server import ThreadedMotoServer
from werkzeug.serving import WSGIRequestHandler

BUCKET = "voxels"


class Bucket:
    """A bucket of the S3 server, seen by boto3."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Any = boto3.client("s3", endpoint_url=url, region_name="us-east-1")

    def uri(self, path: str, endpoint: str | None = None) -> str:
        """The address of `path`, with the server as its endpoint."""
        return f"s3://{BUCKET}/{path}?endpoint={endpoint or self.url}"

    def upload(self, folder: Path, prefix: str) -> None:
        """Put all files of `folder` under `prefix`."""
        for file in folder.rglob("*"):
            if file.is_file():
                key = f"{prefix}/{file.relative_to(folder).as_posix()}"
                self.client.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())

    def download(self, prefix: str, folder: Path) -> None:
        """Get all files under `prefix` into `folder`."""
        for key in self.keys(f"{prefix}/"):
            file = folder / key.removeprefix(f"{prefix}/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that begin so."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]


@contextmanager
def serving() -> Iterator[str]:
    """Run a server with the bucket `BUCKET` and its credentials in the environment; yields its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "VOXOME_S3_HOST"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush-secret")
        patch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)  # else every answer waits 40 ms
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield url
        server.stop()
