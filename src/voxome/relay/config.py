"""The configuration of a relay, as written in a TOML file.

::

    port = 8090
    workers = 4
    allow_origins = ["*"]

    [cache]
    folder = "/var/cache/voxome"
    memory_mib = 1024
    disk_mib = 102400

    [limits]
    header_s = 10
    requests_per_s = 200

    [sources."lab/brain/em"]
    uri = "precomputed://https://store.example/em"
    readers = ["lab"]                                  # groups; by default everybody
    writers = ["proofreaders"]                         # groups; by default nobody
    ttl_s = 60

    [sources."lab/brain/edges"]
    tool = "common.threshold"                          # a virtual layer
    source = "lab/brain/em"
    parameters = {at = 100}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from voxome.relay.accounts import PUBLIC
from voxome.relay.caching import CACHE_REMOTE, Caching
from voxome.relay.cors import EVERY
from voxome.relay.limits import DEFAULT_LIMITS, Limits
from voxome.relay.rights import Rights
from voxome.relay.stores.store import UPLOADS_DAYS
from voxome.relay.virtual.recipe import Recipe

_CHANNEL = re.compile("[A-Za-z0-9_-]{1,255}(/[A-Za-z0-9_-]{1,255}){2}")
_PREFIX = re.compile("(/[A-Za-z0-9._~@+-]+)*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\*\.)?[A-Za-z0-9._\[\]:-]+")


def _check_origin(text: str) -> str:
    """Refuse what no browser sends as the origin of a page, and would match none."""
    if text != EVERY and _ORIGIN.fullmatch(text) is None:
        raise ValueError("expected the origin of a web page, as https://HOST without a path, or *")
    return text


def _check_channel(text: str) -> str:
    if _CHANNEL.fullmatch(text) is None:
        raise ValueError(
            "expected COLLECTION/EXPERIMENT/CHANNEL, as lab/brain/em, each of letters, digits, _ and - (255 at most)"
        )
    return text


def _check_prefix(text: str) -> str:
    if _PREFIX.fullmatch(text) is None:
        raise ValueError("expected a path that begins with / and does not end with it, as /user/ann, or no text")
    return text


Positive = Annotated[int, Field(ge=1)]
Origin = Annotated[str, AfterValidator(_check_origin)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SourceConfig(_Model):
    """A volume that is served: a stored one, or a tool over others.

    Attributes
    ----------
    uri : str or None
        Any URI or path that voxome opens. With `tool`, its first volume.
    readers, writers : tuple of str
        Groups; everybody is in ``public``, and admins may read everything.
    cache : bool or None
        Whether it is cached; if None, unless it is on this machine.
    ttl_s, stale_s, timeout_s : float
        See `Caching`.
    boss : str or None
        ``COLLECTION/EXPERIMENT/CHANNEL`` in BossDB's API; by default derived from its name.
    tool : str or None
        Name of a tool: the volume is what it computes.
    source : str or None
        Name of the source that is its first volume.
    inputs : mapping of str to str
        Other inputs of the tool: names of sources, URIs, or addresses of tables.
    parameters : mapping of str to values
        Parameters of the tool.
    output : str or None
        Output of the tool, if it has several.
    vary : tuple of str, or None
        Parameters that clients may change in the name; by default those that are no text.
    prefetch : bool or None
        Whether chunks beside those that are read are fetched too; if None, unless it is on this machine, or computed
        by a tool.
    write : {"through", "back"}
        Whether clients are answered when the store has a write, or when it is in the journal in the cache folder.
    """

    uri: Annotated[str, Field(min_length=1)] | None = None
    readers: tuple[str, ...] = (PUBLIC,)
    writers: tuple[str, ...] = ()
    cache: bool | None = None
    ttl_s: Annotated[float, Field(gt=0)] = CACHE_REMOTE.ttl_s
    stale_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = CACHE_REMOTE.stale_s
    prefetch: bool | None = None
    timeout_s: Annotated[float, Field(gt=0)] = CACHE_REMOTE.timeout_s
    write: Literal["through", "back"] = "through"
    boss: Annotated[str, AfterValidator(_check_channel)] | None = None
    tool: str | None = None
    source: str | None = None
    inputs: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    output: str | None = None
    vary: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _check(self) -> SourceConfig:
        extra = [name for name in ("source", "inputs", "parameters", "output", "vary") if name in self.model_fields_set]
        if self.tool is None and extra:
            raise ValueError(f"{', '.join(extra)} need a tool; add it, or leave them out")
        if self.tool is None and self.uri is None:
            raise ValueError("neither uri nor tool is given; add one")
        if self.uri is not None and self.source is not None:
            raise ValueError("both uri and source are given; leave out one")
        if self.tool is not None and self.writers:
            raise ValueError("what a tool computes cannot be written; leave out writers")
        return self

    @property
    def rights(self) -> Rights:
        """Who may read and write it."""
        return Rights(frozenset(self.readers), frozenset(self.writers))

    @property
    def has_readers(self) -> bool:
        """Whether its readers are named."""
        return "readers" in self.model_fields_set

    @property
    def recipe(self) -> Recipe | None:
        """What it is computed from; None if it is stored."""
        if self.tool is None:
            return None
        first = self.source or self.uri
        inputs = {**({} if first is None else {"": first}), **self.inputs}
        return Recipe(self.tool, inputs, self.parameters, self.output, self.vary)

    @property
    def caching(self) -> Caching:
        """How it is cached."""
        return Caching(self.cache, self.ttl_s, self.stale_s, self.prefetch, self.timeout_s)


class AnnotationsConfig(_Model):
    """A collection of annotations that is served.

    Attributes
    ----------
    uri : str
        A precomputed collection.
    readers : tuple of str
        Groups, as of a source.
    """

    uri: str = Field(min_length=1)
    readers: tuple[str, ...] = (PUBLIC,)


class StoreConfig(_Model):
    """A folder in which clients keep objects, and create volumes.

    Attributes
    ----------
    uri : str
        The folder, on this machine.
    readers, writers : tuple of str
        Groups; everybody is in ``public``, and admins may read everything.
    uploads_days : float
        Days after which an upload in parts ends to which no part has come.
    """

    uri: str = Field(min_length=1)
    readers: tuple[str, ...] = (PUBLIC,)
    writers: tuple[str, ...] = ()
    uploads_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = UPLOADS_DAYS

    @property
    def rights(self) -> Rights:
        """Who may read and write it."""
        return Rights(frozenset(self.readers), frozenset(self.writers))

    @property
    def folder(self) -> Path:
        """The folder."""
        return Path(self.uri.removeprefix("file://"))

    @field_validator("uri")
    @classmethod
    def _check_uri(cls, uri: str) -> str:
        if "://" in uri.removeprefix("file://"):
            raise ValueError("a store is a folder on this machine; give its path")
        return uri


class CacheConfig(_Model):
    """The cache.

    Attributes
    ----------
    folder : Path or None
        Folder of the disk tier; without one only memory is used, or, by several processes, a temporary folder.
    memory_mib, disk_mib : int
        Budgets of all processes together.
    write_mib : int
        Budget of the writes that stores do not have yet; they are in the folder, beside what is cached.
    """

    folder: Path | None = None
    memory_mib: Annotated[int, Field(ge=0)] = 512
    disk_mib: Annotated[int, Field(ge=0)] = 10240
    write_mib: Positive = 10240


class LogConfig(_Model):
    """The access log.

    Attributes
    ----------
    access : str or None
        File of the log, opened again when it was moved away; ``-`` is standard output, and None is no log.
    format : str
        ``json`` or ``text``.
    """

    access: Annotated[str, Field(min_length=1)] | None = None
    format: Literal["json", "text"] = "json"


class TlsConfig(_Model):
    """Files of a certificate, in PEM format."""

    certificate: Path
    key: Path


class RelayConfig(_Model):
    """All that a relay is started with.

    Attributes
    ----------
    host, port : str, int
        Address to listen on; any free port if 0.
    workers : int
        Number of processes.
    sources : mapping of str to SourceConfig
        Volumes by name.
    annotations : mapping of str to AnnotationsConfig
        Collections of annotations by name.
    stores : mapping of str to StoreConfig
        Folders of clients by name.
    dialects : tuple of str
        APIs; by default all.
    catalogue : str or None
        SQLite file, or address of a PostgreSQL database, of users, tokens, projects and permissions; in memory if None.
    catalogue_env : str or None
        Environment variable with the address instead, which may have a password.
    data : Path or None
        Folder for volumes that clients create; in memory if None.
    admin_token_env : str or None
        Environment variable with the admin's token.
    token_services : mapping of str to mapping
        Services whose tokens are taken too, by the names of their plug-ins, with their options.
    prefix : str
        Path before all addresses, as ``/user/ann/proxy/8001``, if a proxy in front of the relay keeps it.
    allow_origins : tuple of str
        Web pages that may read; ``*`` for all.
    frame_ancestors : tuple of str
        Web pages of other origins that may show the relay's own pages in a frame; ``*`` for all.
    largest_cutout_mib : int
        Limit of one request's voxels, uncompressed.
    compute_threads : int or None
        Chunks of virtual layers that are computed at the same time, by all processes together; by default half of the
        cores.
    compute_memory_mib : int
        Memory that these take at most, as the tools estimate it.
    cache : CacheConfig
        Cache of the sources.
    limits : Limits
        Limits of clients and connections.
    log : LogConfig
        Access log.
    drain_s, shutdown_s : float
        Time in s after SIGTERM for which the relay still takes requests while it is not ready, so that a load balancer
        sees it; and time in s after that in which requests under way must end.
    tls : TlsConfig or None
        Certificate, without which HTTP is served.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8090
    workers: Annotated[int, Field(ge=1, le=32)] = 1
    sources: dict[str, SourceConfig] = {}
    annotations: dict[str, AnnotationsConfig] = {}
    stores: dict[str, StoreConfig] = {}
    dialects: tuple[str, ...] = ()
    catalogue: Annotated[str, Field(min_length=1)] | None = None
    catalogue_env: str | None = None
    data: Path | None = None
    admin_token_env: str | None = None
    token_services: dict[str, dict[str, Any]] = {}
    prefix: Annotated[str, AfterValidator(_check_prefix)] = ""
    allow_origins: tuple[Origin, ...] = ()
    frame_ancestors: tuple[Origin, ...] = ()
    largest_cutout_mib: Positive = 520
    compute_threads: Positive | None = None
    compute_memory_mib: Positive = 4096
    cache: CacheConfig = CacheConfig()
    limits: Limits = DEFAULT_LIMITS
    log: LogConfig = LogConfig()
    drain_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    shutdown_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20
    tls: TlsConfig | None = None
