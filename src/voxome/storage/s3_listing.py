"""Folders of S3 and compatible servers, listed a page at a time by botocore."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from voxome.config.settings import settings
from voxome.errors import AccessDenied, NotFound, StoreError, VoxomeError
from voxome.redaction import redact
from voxome.storage.page import Page

PAGE_NAMES = 1000
"""Names in a page, the most that S3 sends."""

_MISSING = frozenset({"NoSuchBucket", "404"})
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "301", "307", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_REFUSED = frozenset({401, 403})
_TOO_MANY_REQUESTS = 429
_LONGEST_WAIT_S = 20

logging.getLogger("botocore").setLevel(logging.INFO)  # its debug messages contain credentials


def s3_pages(name: str, prefix: str, spec: Mapping[str, Any], delimiter: str = "/") -> Iterator[Page]:
    """Yield the pages of a prefix, in the order of their keys.

    Parameters
    ----------
    name : str
        Address of the prefix, for messages.
    prefix : str
        Start of the keys: empty, or with a slash at its end.
    spec : mapping
        Spec of the bucket for tensorstore, of which bucket, endpoint, region and credentials are used.
    delimiter : str
        What ends the name of a folder; with an empty one, all keys below the prefix are its files.

    Raises
    ------
    NotFound
        If the bucket does not exist.
    AccessDenied, StoreError
        If the server refuses, the bucket is in another region, or the server fails.
    """
    for page in _list(name, prefix, spec, delimiter):
        folders = [one["Prefix"] for one in page.get("CommonPrefixes", ())]
        files = [one["Key"] for one in page.get("Contents", ())]
        if folders or files:
            yield Page.of((_below(key, prefix) for key in folders), (_below(key, prefix) for key in files))


def s3_bytes(name: str, prefix: str, spec: Mapping[str, Any]) -> int:
    """Return the bytes of all objects below a prefix; arguments and errors are those of `s3_pages`."""
    return sum(one["Size"] for page in _list(name, prefix, spec, "") for one in page.get("Contents", ()))


def _list(name: str, prefix: str, spec: Mapping[str, Any], delimiter: str) -> Iterator[Mapping[str, Any]]:
    """Yield the responses of the server."""
    bucket, credentials = spec["bucket"], spec["aws_credentials"]
    current = settings()
    with _map_errors(name, bucket):
        client = _client(
            spec.get("endpoint"),
            spec.get("aws_region"),
            credentials.get("profile"),
            credentials["type"] == "anonymous",
            current.retries,
            current.stall_s,
            frozenset(item for item in os.environ.items() if item[0].startswith("AWS_")),
        )
        yield from client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": PAGE_NAMES}
        )


def _below(key: str, prefix: str) -> str:
    return key.removeprefix(prefix).removesuffix("/")


@cache
def _client(
    endpoint: str | None,
    region: str | None,
    profile: str | None,
    anonymous: bool,
    retries: int,
    stall_s: int,
    environment: frozenset[tuple[str, str]],
) -> Any:
    """Return the client for a server; one for each `environment`, from which botocore takes credentials."""
    config = Config(
        signature_version=UNSIGNED if anonymous else None,
        retries={"total_max_attempts": retries + 1, "mode": "standard"},
        connect_timeout=stall_s,
        read_timeout=stall_s,
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    session = botocore.session.Session(profile=profile)
    region = region or session.get_config_variable("region") or "us-east-1"
    client = session.create_client("s3", region_name=region, endpoint_url=endpoint, config=config)
    client.meta.events.register("needs-retry.s3", _wait_when_throttled(retries))
    return client


def _wait_when_throttled(retries: int) -> Callable[..., float | None]:
    """Return a handler with which botocore before 1.44 retries requests whose response has the status 429."""

    def wait_s(attempts: int, response: tuple[Any, Any] | None = None, **_: Any) -> float | None:
        if response is None or response[0].status_code != _TOO_MANY_REQUESTS or attempts > retries:
            return None
        return random.random() * min(2 ** (attempts - 1), _LONGEST_WAIT_S)

    return wait_s


@contextmanager
def _map_errors(name: str, bucket: str) -> Iterator[None]:
    """Turn botocore's errors into ours."""
    try:
        yield
    except ClientError as error:
        raise _translate(name, bucket, error) from error
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise AccessDenied(
            f"{name}: {error}; give credentials (a profile, or AWS's environment variables), or ?anonymous=true where "
            "the bucket is public"
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise StoreError(redact(f"{name} cannot be listed: {error}")) from error


def _translate(name: str, bucket: str, error: ClientError) -> VoxomeError:
    reply: Mapping[str, Any] = error.response
    details = reply.get("Error", {})
    code, status = str(details.get("Code", "")), reply.get("ResponseMetadata", {}).get("HTTPStatusCode")
    what = f"{code}: {details.get('Message')}" if details.get("Message") else code
    if code in _MISSING:
        return NotFound(f"{name}: the bucket {bucket} does not exist ({what}); check its name and ?endpoint=")
    if code in _ELSEWHERE or status == 301:
        headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region") or details.get("Region") or "REGION"
        return StoreError(f"{name}: the bucket {bucket} is in another region ({what}); add ?region={region}")
    if status in _REFUSED:
        return AccessDenied(
            f"{name}: the server refuses to list it ({status} {what}); give other credentials (a profile, or AWS's "
            "environment variables), or ?anonymous=true where the bucket is public"
        )
    return StoreError(f"{name} cannot be listed: the server responded {status} {what}")
