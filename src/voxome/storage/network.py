"""Stores behind a network: plain http(s), S3 and compatible servers, Google Cloud Storage."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from voxome.config.profiles import store_profile
from voxome.errors import InvalidUri, MissingExtra, StoreError
from voxome.extras import require
from voxome.storage.hops import hop_headers
from voxome.storage.page import Page
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors, result_of

_FILES = {
    "credentials_file": ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    "config_file": ("AWS_CONFIG_FILE", "~/.aws/config"),
}


class HttpPath(StoragePath):
    """A folder of an http(s) server, read by ranges."""

    writable = listable = False

    def spec(self) -> dict[str, Any]:
        return _http(self.path)


class BucketPath(StoragePath):
    """A prefix of a bucket."""

    @abstractmethod
    def _list(self, delimiter: str) -> Iterator[Page]:
        """Yield the pages of what is below; keys with a `delimiter` in the rest of their name are folders."""

    def _pages(self) -> Iterator[Page]:
        return self._list("/")

    def walk(self) -> Iterator[str]:
        for page in self._list(""):
            yield from page.files

    def taken(self) -> bool:
        """Return whether there is anything at this path, by its first page; without the extra, by all its keys."""
        with suppress(MissingExtra):
            return super().taken()
        with map_errors(str(self), invalid=StoreError):
            return bool(result_of(self.kvstore.list()))


class S3Path(BucketPath):
    """A prefix of a bucket of S3, or of another server that speaks S3 (``?endpoint=``).

    Unset options come from ``VOXOME_S3_HOST`` or the profile in use (host, region, anonymous, profile),
    and then from the variables that AWS's own tools read. Keys come from those too, or from AWS's files, never from a
    URI; ``?anonymous=true`` sends none.
    """

    known = ("endpoint", "region", "anonymous", "profile", "missing")

    def spec(self) -> dict[str, Any]:
        bucket, _, path = self.path.removeprefix("s3://").partition("/")
        configured = store_profile("s3", self.options.get("endpoint"))
        options = {**configured.options, **self.options}
        endpoint = configured.host or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return {
            "driver": "s3",
            "bucket": bucket,
            "path": f"{path}/" if path else "",
            **({"endpoint": endpoint.rstrip("/"), "aws_region": region or "us-east-1"} if endpoint else {}),
            **({"aws_region": region} if region else {}),
            "aws_credentials": _credentials(options),
        }

    def _list(self, delimiter: str) -> Iterator[Page]:
        require("s3", "botocore")
        from voxome.storage.s3_listing import s3_pages

        spec = self.spec()
        return s3_pages(str(self), spec["path"], spec, delimiter)

    def tree_bytes(self) -> int | None:
        require("s3", "botocore")
        from voxome.storage.s3_listing import s3_bytes

        spec = self.spec()
        return s3_bytes(str(self), spec["path"], spec)


class GcsPath(BucketPath):
    """A prefix of a bucket of Google Cloud Storage, with Google's application-default credentials.

    ``?anonymous=true`` reads a public bucket without any, through its http address, which cannot be written.
    """

    known = ("anonymous", "project", "missing")

    @property
    def writable(self) -> bool:
        return not self._anonymous

    @property
    def _anonymous(self) -> bool:
        return _flag({**store_profile("gs").options, **self.options}, "anonymous")

    def spec(self) -> dict[str, Any]:
        bucket, _, path = self.path.removeprefix("gs://").partition("/")
        if self._anonymous:
            return _http(f"{_google()}/{bucket}/{path}".rstrip("/"))
        project = self.options.get("project")
        user = {"gcs_user_project": {"project_id": project}} if project else {}
        return {"driver": "gcs", "bucket": bucket, "path": f"{path}/" if path else "", **user}

    def _list(self, delimiter: str) -> Iterator[Page]:
        from voxome.storage.gcs_listing import gcs_pages

        bucket, _, path = self.path.removeprefix("gs://").partition("/")
        prefix = f"{path}/" if path else ""
        project = self.options.get("project")
        return gcs_pages(str(self), _google(), bucket, prefix, delimiter, anonymous=self._anonymous, project=project)


def _google() -> str:
    return os.environ.get("TENSORSTORE_GCS_HTTP_URL", "https://storage.googleapis.com")


def _http(address: str) -> dict[str, Any]:
    url = urlsplit(address)
    base = f"{url.scheme}://{url.netloc}"
    headers = [f"{name}: {value}" for name, value in hop_headers().items()]
    spec = {"driver": "http", "base_url": base, "path": f"{url.path.rstrip('/')}/"}
    return {**spec, "headers": headers} if headers else spec


def _credentials(options: Mapping[str, str]) -> dict[str, str]:
    if _flag(options, "anonymous"):
        return {"type": "anonymous"}
    if profile := options.get("profile") or os.environ.get("AWS_PROFILE"):
        return {"type": "profile", "profile": profile, **{name: _file(*where) for name, where in _FILES.items()}}
    return {"type": "environment" if os.environ.get("AWS_ACCESS_KEY_ID") else "default"}


def _file(variable: str, usual: str) -> str:
    return os.environ.get(variable) or str(Path(usual).expanduser())


def _flag(options: Mapping[str, str], name: str) -> bool:
    text = options.get(name, "false").lower()
    if text not in ("true", "false"):
        raise InvalidUri(f"{name}={text} is neither true nor false")
    return text == "true"
