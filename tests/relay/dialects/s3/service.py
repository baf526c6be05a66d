"""A relay with stores, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from voxome.relay.accounts import Accounts, Membership, Token, User
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.dialects.s3.keys import KeyPair, create_key_pair
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources

CATALOGUE = MemoryCatalogue()
CATALOGUE.write(add=[User(name="bob"), User(name="eve"), Membership(group="lab", user="bob", rank="member")])
TOKEN = "bob-token"
CATALOGUE.write(add=[Token(digest=digest(TOKEN), user="bob")])
BOB, EVE = create_key_pair(CATALOGUE, "bob"), create_key_pair(CATALOGUE, "eve")
LAB = Rights(writers=frozenset({"lab"}))
PRIVATE = Rights(readers=frozenset({"lab"}), writers=frozenset({"lab"}))
DIALECTS = ["s3", "raw", "zarr", "zarr3", "precomputed"]


@contextmanager
def serving_stores(sources: Sources) -> Iterator[str]:
    """Yield the URL of a relay whose writers are bob's group."""
    relay = Relay(CATALOGUE, Accounts(CATALOGUE), "memory://unused", sources)
    with in_thread(create_app(open_dialects(relay, DIALECTS), allow_origins=["*"])) as url:
        yield url


def with_store(folder: Path) -> Sources:
    """Return sources with the stores ``scratch``, and ``private``, which only bob's group reads."""
    sources = Sources()
    sources.add_store("scratch", folder / "scratch", LAB)
    sources.add_store("private", folder / "private", PRIVATE)
    return sources


def client(url: str, pair: KeyPair | None = BOB, **options: Any) -> Any:
    keys = {"aws_access_key_id": pair.access_key, "aws_secret_access_key": pair.secret} if pair else {}
    config = Config(signature_version="s3v4" if pair else UNSIGNED, retries={"max_attempts": 1}, **options)
    return boto3.client("s3", endpoint_url=f"{url}/s3", region_name="us-east-1", config=config, **keys)


def code_of(call: Any) -> tuple[str, int]:
    """Return the code and the status of the error of a call."""
    with pytest.raises(ClientError) as raised:
        call()
    response = raised.value.response
    return str(response["Error"]["Code"]), int(response["ResponseMetadata"]["HTTPStatusCode"])


def keys_of(s3: Any, bucket: str, version: str = "_v2", **options: Any) -> list[str]:
    pages = s3.get_paginator(f"list_objects{version}").paginate(Bucket=bucket, **options)
    return [one["Key"] for page in pages for one in page.get("Contents", ())]
