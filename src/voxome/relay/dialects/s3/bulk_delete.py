"""Delete many objects by one request."""

from __future__ import annotations

from starlette.responses import Response

from voxome.errors import InvalidInput
from voxome.relay.dialects.s3.body import MemorySink, Received, Sink
from voxome.relay.dialects.s3.call import S3Call
from voxome.relay.dialects.s3.documents import Element, document, parse_document
from voxome.relay.dialects.s3.errors import error_of, not_offered
from voxome.relay.dialects.s3.objects import delete

MOST_OBJECTS = 1000
_MOST_BYTES = 2**23


class DeleteObjects:
    """Delete up to 1000 objects; the answer has an entry for each."""

    def sink(self, call: S3Call) -> Sink:
        """Refuse callers who cannot write anything."""
        call.require_name()
        call.require_bucket()
        return MemorySink(_MOST_BYTES)

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return what was deleted, and what was not."""
        assert body is not None
        assert isinstance(body.sink, MemorySink)
        root = parse_document(bytes(body.sink.content), "Delete")
        wanted = root.findall("Object")
        if not 1 <= len(wanted) <= MOST_OBJECTS:
            raise InvalidInput(f"the request names {len(wanted)} objects; expected 1 to {MOST_OBJECTS}")
        quiet = (root.findtext("Quiet") or "").strip().lower() == "true"
        results: list[Element] = []
        for one in wanted:
            key, etag = one.findtext("Key") or "", one.findtext("ETag")
            try:
                if (one.findtext("VersionId") or "null") != "null":
                    raise not_offered("a version of an object")
                delete(call.at(call.bucket, key), {} if etag is None else {"if-match": etag})
            except Exception as error:  # of this object only
                code, _, message = error_of(error)
                results.append(("Error", [("Key", key), ("Code", code), ("Message", message)]))
            else:
                results += [] if quiet else [("Deleted", [("Key", key)])]
        return document("DeleteResult", results)
