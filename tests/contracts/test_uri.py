"""URIs: parsing, printing, and redaction."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.uri import Uri, with_options
from voxome.errors import InvalidUri

words = st.text("abcxyz0189_.-", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "scheme", "path", "query"),
    [
        ("zarr:///data/a.zarr?level=2", "zarr", "/data/a.zarr", {"level": "2"}),
        ("zarr:///data/a.zarr?x=", "zarr", "/data/a.zarr", {"x": ""}),
        ("ZARR://data/a.zarr", "zarr", "data/a.zarr", {}),
        ("precomputed://https://host/layer", "precomputed", "https://host/layer", {}),
        ("precomputed://https://host/l?sig=a/b", "precomputed", "https://host/l?sig=a/b", {}),
        ("hdf5://FILE.h5/volumes/raw", "hdf5", "FILE.h5/volumes/raw", {}),
        ("images:///a/sl?ce*.png", "images", "/a/sl?ce*.png", {}),
        ("/data/a.h5/volumes/raw", "", "/data/a.h5/volumes/raw", {}),
        ("C:/data", "", "C:/data", {}),
        ("memory://x?level=1&time_s=3", "memory", "x", {"level": "1", "time_s": "3"}),
        ("s3://b/a.zarr|zarr3:", "zarr", "s3://b/a.zarr", {}),
        ("s3://b/a.zip?region=x|zip:in/|zarr3:", "zarr", "s3://b/a.zip|zip:in/", {"region": "x"}),
        ("https://h/a.zip|zip:in/|zarr2:raw?level=1", "zarr", "https://h/a.zip|zip:in//raw", {"level": "1"}),
        ("file:///a|neuroglancer-precomputed:", "precomputed", "/a", {}),
        ("zarr:///a.zip|zip:|zarr:", "zarr", "/a.zip|zip:", {}),
        ("n5://s3://b/a.zip|zip:x|n5:", "n5", "s3://b/a.zip|zip:x", {}),
        ("/a|b", "", "/a|b", {}),
    ],
)
def test_a_uri_is_parsed_into_its_parts(text: str, scheme: str, path: str, query: dict[str, str]) -> None:
    uri = Uri.parse(text)
    assert (uri.scheme, uri.path, dict(uri.query)) == (scheme, path, query)


@given(st.sampled_from(["", "zarr", "hdf5"]), st.lists(words, min_size=1), st.dictionaries(st.just("level"), words))
def test_a_printed_uri_is_parsed_back(scheme: str, parts: list[str], query: dict[str, str]) -> None:
    uri = Uri(scheme, "/" + "/".join(parts), query)
    assert Uri.parse(str(uri)) == uri


@pytest.mark.parametrize("text", ["", "zarr://", "zarr://?level=2", "?level=2"])
def test_a_uri_without_a_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidUri, match="has no path"):
        Uri.parse(text)


def test_a_password_is_not_printed() -> None:
    uri = Uri.parse("precomputed://https://me:secret@host/layer?level=1")
    assert str(uri) == "precomputed://https://host/layer?level=1"
    assert "secret" in uri.path


def test_a_local_path_is_absolute_and_has_no_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/anna")
    paths = {
        "zarr://a.zarr": tmp_path / "a.zarr",
        "npy://../x/./a.npy": tmp_path.parent / "x" / "a.npy",
        "images://~/stack/*.png": Path("/home/anna/stack/*.png"),
        "n5://file:///data/a.n5/": Path("/data/a.n5"),
    }
    assert {text: Uri.parse(text).local_path for text in paths} == paths


@pytest.mark.parametrize("scheme", ["", "zarr"])
@pytest.mark.parametrize("query", [{}, {"level": "1"}])
@pytest.mark.parametrize("path", ["/a/run?a=1", "/a/q?", "/a/q??", "/a/run?a=1/mask.zarr", "/a/100%25", "/a/x?1"])
def test_a_path_that_looks_like_options_survives(scheme: str, path: str, query: dict[str, str]) -> None:
    uri = Uri(scheme, path, query)
    assert Uri.parse(str(uri)) == uri
    assert Uri.parse(with_options(str(Uri(scheme, path)), level=1)) == Uri(scheme, path, {"level": "1"})


def test_the_address_of_a_server_may_have_a_path() -> None:
    uri = Uri.parse("zarr://s3://b/em?endpoint=http://h:9/s3&region=eu")
    assert (uri.path, uri.query) == ("s3://b/em", {"endpoint": "http://h:9/s3", "region": "eu"})
    assert Uri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("zarr://s3://b/em?anonymous=true?level=1", "zarr://s3://b/em?anonymous=true&level=1"),
        ("s3://b/em?endpoint=http://h:9?region=eu?level=1", "s3://b/em?endpoint=http://h:9&region=eu&level=1"),
        ("em.zarr?c=1?level=1", "em.zarr?c=1&level=1"),
        ("https://me:secret@h/em?c=1?level=1", "https://h/em?c=1&level=1"),
    ],
)
def test_options_joined_by_question_marks_are_refused_with_the_right_form(text: str, right: str) -> None:
    with pytest.raises(InvalidUri, match="options are joined by &") as caught:
        Uri.parse(text)
    assert str(caught.value).endswith(f"write {right}")
    assert "secret" not in str(caught.value)
    assert Uri.parse(right).query["level"] == "1"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("zarr://file:///data/a.zarr?level=1", "zarr:///data/a.zarr?level=1"),
        ("zarr://FILE:///data/a.zarr", "zarr:///data/a.zarr"),
        ("file:///data/a.zarr", "/data/a.zarr"),
        ("n5://file://a.n5", "n5://a.n5"),
        ("zarr://file://localhost/data/a.zarr", "zarr:///data/a.zarr"),
        ("file://localhost/data/a.zarr", "/data/a.zarr"),
        ("zarr:////data/a.zarr", "zarr:///data/a.zarr"),
        ("//data/a.zarr", "/data/a.zarr"),
    ],
)
def test_a_local_path_is_the_same_with_and_without_file(text: str, right: str) -> None:
    assert Uri.parse(text) == Uri.parse(right)
    assert str(Uri.parse(text)) == right
