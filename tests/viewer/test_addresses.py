from __future__ import annotations

import pytest

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.viewer.addresses import build_source, parse_source

PAIRS = [
    ("precomputed://gs://bucket/em", "precomputed://gs://bucket/em"),
    ("zarr://s3://bucket/em.zarr", "zarr://s3://bucket/em.zarr"),
    ("n5://https://host/em.n5/raw", "n5://https://host/em.n5/raw"),
    ("boss://https://api.bossdb.io/lab/em/raw", "bossdb://https://api.bossdb.io/lab/em/raw"),
    ("dvid://http://host:8000/abc/seg", "dvid://host:8000/abc/seg"),
    ("dvid://https://host/abc/seg", "dvids://host/abc/seg"),
    ("graphene://https://host/segmentation/table/a", "graphene://https://host/segmentation/table/a"),
    ("nifti://https://host/a.nii.gz", "nifti://https://host/a.nii.gz"),
]


@pytest.mark.parametrize(("source", "uri"), PAIRS)
def test_a_source_and_its_uri_are_one_address(source: str, uri: str) -> None:
    assert parse_source(source) == uri
    assert build_source(Uri.parse(uri)) == source


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("graphene://middleauth+https://host/a", "graphene://https://host/a"),
        ("zarr2://https://host/a.zarr", "zarr://https://host/a.zarr"),
        ("zarr3://https://host/a.zarr/", "zarr://https://host/a.zarr"),
        ("precomputed://https://host/mesh#type=mesh", "precomputed://https://host/mesh"),
        ("gs://bucket/em/|neuroglancer-precomputed:", "gs://bucket/em/|neuroglancer-precomputed:"),
    ],
)
def test_other_spellings_are_understood(source: str, uri: str) -> None:
    assert parse_source(source) == uri


@pytest.mark.parametrize("source", ["brainmaps://a:b:c", "python://volume/abc", "em"])
def test_what_voxome_does_not_read_is_named(source: str) -> None:
    with pytest.raises(UnsupportedFormat, match=source.split(":")[0]):
        parse_source(source)


def test_a_link_has_no_secret_and_nothing_that_only_this_machine_reads() -> None:
    with pytest.raises(InvalidInput, match="would contain the credentials"):
        build_source(Uri.parse("precomputed://https://ann:secret@host/em"))
    with pytest.raises(InvalidInput, match="on this machine"):
        build_source(Uri.parse("zarr:///data/em.zarr"))
    with pytest.raises(InvalidInput, match="names no server"):
        build_source(Uri.parse("bossdb://lab/em/raw"))
    with pytest.raises(UnsupportedFormat, match="does not read hdf5"):
        build_source(Uri.parse("hdf5:///data/em.h5/raw"))
