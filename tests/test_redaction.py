"""Secrets are removed from texts, in whatever form they are in it."""

from __future__ import annotations

import base64
import json
import logging
import time
from urllib.parse import quote

import pytest

from voxome.contracts.uri import Uri
from voxome.redaction import RedactedFormatter, Secret, redact

SECRET = "zq7/never to+be=shown"
BARE = "zq7-never-to-be-shown"
ADDRESS = f"http://me:{BARE}@127.0.0.1:9000"
FORMS = {
    "user and password": f"zarr://{ADDRESS}/a",
    "user alone": f"precomputed://https://{BARE}@host/a",
    "password alone": f"http://:{BARE}@host/a",
    "password with an at sign": f"http://me:{BARE}@{BARE}@host/a",
    "password with a slash": f"http://me:a/{BARE}@host/a",
    "password with a question mark": f"http://me:a?{BARE}@host/a",
    "password with a hash": f"http://me:a#{BARE}@host/a",
    "database": f"postgresql+pg8000://me:{BARE}@host/db",
    "keys of a bucket": f"zarr://s3://AKIA:{BARE}@bucket/a",
    "encoded option": f"zarr://s3://b/p?endpoint={quote(ADDRESS, safe='')}&region=x",
    "half encoded option": f"zarr://s3://b/p?endpoint=http:%2F%2Fme:{BARE}%40127.0.0.1:9000&region=x",
    "option encoded twice": f"http://h/?next={quote(quote(ADDRESS, safe=''), safe='')}",
    "token": f"guarded://lab/em?token={BARE}&level=1",
    "token in capitals": f"guarded://lab/em?a=1&ACCESS_TOKEN={BARE}",
    "signature": f"https://h/o?X-Amz-Credential={BARE}&X-Amz-Signature={BARE}",
    "short signature": f"https://h/o?sv=1&sig={BARE}",
    "token of a session": f"s3://b/a?X-Amz-Security-Token={BARE}",
    "key": f"https://h/o?api-key={BARE}",
    "fragment": f"https://h/o#access_token={BARE}",
    "header": f"Authorization: Bearer {BARE}",
    "signed header": f"Authorization: AWS4-HMAC-SHA256 Credential={BARE}/a, Signature={BARE}",
    "header of a key": f"X-Api-Key: {BARE}",
    "cookie": f"Cookie: session={BARE}",
    "header that cannot be sent": f"Illegal header value b'Token {BARE}\\n'",
    "header that is not ASCII": f"UnicodeEncodeError('ascii', 'Token {BARE}\u00e9', 28, 29, 'no')",
    "quoted without its scheme": f'Invalid S3 bucket name: "AKIA:{BARE}@bucket"',
    "JSON": json.dumps({"user": "me", "password": BARE}),
    "JSON in JSON": json.dumps(json.dumps({"password": BARE})),
    "Python": repr({"secret": BARE}),
    "encoded question mark": f"http://host/x%3Ftoken%3D{BARE}",
    "encoded ampersand": f"http://host/x?a=1%26token%3D{BARE}",
    "encoded letter": f"http://host/x?%74oken={BARE}",
    "letter encoded twice": f"http://host/x?%2574oken={BARE}",
    "key of an account": f"DefaultEndpointsProtocol=https;AccountKey={BARE}",
    "key of a subscription": f"http://host/x?subscription-key={BARE}",
    "key of an application": f"http://host/x?auth_key={BARE}",
    "header in a query": f"http://host/x?authorization=Bearer%20{BARE}",
    "second cookie": f"Cookie: theme=dark; session={BARE}",
    "header without a scheme": f"Authorization: {BARE}",
    "header of another scheme": f"Authorization: GoogleLogin {BARE}",
    "headers of Python": repr({"Authorization": f"JWT {BARE}"}),
    "headers of httpx": repr([(b"authorization", f"Other {BARE}".encode())]),
    "header of another name": f"X-Goog-Api-Key: {BARE}",
    "quoted value": f"connect(token='{BARE}')",
    "value with a semicolon": f"password=abc;{BARE}",
    "assignment with spaces": f"aws_secret_access_key = {BARE}",
    "assignment": f"AWS_SECRET_ACCESS_KEY={BARE} voxome ls",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_removed(form: str) -> None:
    assert BARE not in redact(f"cannot read {FORMS[form]}: denied")
    assert "cannot read" in redact(f"cannot read {FORMS[form]}: denied")


@pytest.mark.parametrize("form", FORMS)
def test_a_redacted_text_is_redacted_to_itself(form: str) -> None:
    once = redact(f"cannot read {FORMS[form]}: denied by the server")
    assert redact(once) == once


@pytest.mark.parametrize("form", [name for name, text in FORMS.items() if "://" in text])
def test_a_uri_with_a_secret_is_shown_without_it(form: str) -> None:
    assert BARE not in str(Uri.parse(FORMS[form]))


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/a@b/c?level=1",
        "zarr://s3://bucket/a@2.zarr",
        "precomputed://gs://bucket/x/y@z",
        "dvid://host:8000/abc:master/seg",
        "http://[::1]:8000/a@b",
        "set VOXOME_BOSSDB_TOKEN, or token_env of the profile",
        '{"access_key": "VX82", "token": true, "author": "me"}',
        "partition=3, key=4, design=5",
        "author@lab.org",
        "http://host/x%3Flevel%3D1%26a%40b/100%",
        "author: me, cookies: 3, token == 4",
        "pull the image tool:2@sha256:ab12",
    ],
)
def test_other_texts_are_shown(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("form", [str, quote, lambda text: quote(text, safe=""), lambda text: repr(f"{text}\n")])
def test_a_known_secret_is_removed_in_every_form(form: object) -> None:
    assert "never" not in redact(f"the server says {form(SECRET)}", [f"{SECRET}\n"])  # type: ignore[operator]
    assert redact(base64.b64encode(SECRET.encode()).decode(), [SECRET]).startswith("***")


def test_logs_hide_a_token_that_a_server_echoes() -> None:
    assert Secret(BARE).reveal() == BARE
    record = logging.makeLogRecord({"msg": f'"HTTP/1.1 403 no Token {BARE} for you"', "levelname": "INFO"})
    assert BARE not in RedactedFormatter().format(record)
    assert "for you" in RedactedFormatter().format(record)


OPENINGS = [
    "",
    '"token": "',
    "'token': '",
    '\\"token\\": \\"',
    "token=",
    "Authorization: ",
    '"Token ',
    "http://a:",
    "Cookie: ",
    "x",
]
UNITS = [
    *("\\", '"', "'", "%", "%25", "%2", ":", "/", "@", "=", " ", ";", "&", "a", "-", "token", '\\"', "\\'", "\n"),
    *(
        "a.",
        "a:",
        ":/",
        "://",
        "http://a:b",
        "http://a:1/",
        "token=",
        "token =",
        "token\\ ",
        "x-auth-token",
        "Cookie: a;",
    ),
    *('"token": "', '"token": \\"', '\\"token\\": \\"', "'token': \"", '"Token ', '"Token \\', "Authorization: Token "),
    *(
        "%3A%2F%2F",
        "%253A%252F",
        "%40",
        "access_key",
        '"access_key": ',
        "(a:b",
        "authorization",
        "http%3A%2F%2Fa:",
        "me:a",
    ),
]


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize(
    ("count", "most_s"), [(60, 0.2), (1_000, 0.2), pytest.param(20_000, 1, marks=pytest.mark.slow)]
)
def test_the_time_grows_with_the_length_of_the_text(opening: str, count: int, most_s: float) -> None:
    for unit in UNITS:
        begin = time.thread_time()
        redact(opening + unit * (count // len(unit)))
        assert time.thread_time() - begin < most_s, unit


@pytest.mark.parametrize("form", ['"token": "{}', "{{'token': '{}", '\\"password\\": \\"{}', "'Token {}"])
def test_a_secret_that_a_cut_text_ends_in_is_removed(form: str) -> None:
    assert BARE not in redact(form.format(BARE))
