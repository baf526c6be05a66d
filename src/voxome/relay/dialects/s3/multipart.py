"""Upload objects in parts."""

from __future__ import annotations

from starlette.responses import Response

from voxome.errors import InvalidInput
from voxome.relay.dialects.s3.body import FileSink, MemorySink, Received, Sink
from voxome.relay.dialects.s3.call import S3Call
from voxome.relay.dialects.s3.documents import Element, document, modified, parse_document, require_xml
from voxome.relay.dialects.s3.objects import LARGEST_BYTES, check_of, properties_of
from voxome.relay.dialects.s3.operation import WithoutBody
from voxome.relay.stores.store import Store
from voxome.relay.stores.uploads import MOST_PARTS, Upload, Uploads

_WHAT = "uploads in parts"
_MOST_BYTES = 2**22
_CODING = "aws-chunked"


class CreateMultipartUpload(WithoutBody):
    """Begin an upload."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return the id of the upload."""
        store, key = call.required_store(_WHAT)
        codings = (one.strip() for one in call.headers.get("content-encoding", "").split(","))
        coding = ", ".join(one for one in codings if one and one.lower() != _CODING)
        upload = Uploads(store).begin(key, properties_of(call.headers, coding))
        names: list[Element] = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload.id)]
        return document("InitiateMultipartUploadResult", names)


class UploadPart:
    """Write a part."""

    def sink(self, call: S3Call) -> Sink:
        """Return a file of the store."""
        store, _ = upload_of(call)
        part_number(call)
        return FileSink(store.new_file(), LARGEST_BYTES)

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return the ETag of the part."""
        assert body is not None
        assert isinstance(body.sink, FileSink)
        store, upload = upload_of(call)
        Uploads(store).put_part(upload, part_number(call), body.sink.path, body.md5)
        return Response(headers={"ETag": f'"{body.md5}"', **body.checksums})


class CompleteMultipartUpload:
    """Make the parts an object."""

    def sink(self, call: S3Call) -> Sink:
        """Return memory for the list of parts."""
        upload_of(call)
        return MemorySink(_MOST_BYTES)

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return the ETag of the object."""
        assert body is not None
        assert isinstance(body.sink, MemorySink)
        store, upload = upload_of(call)
        root = parse_document(bytes(body.sink.content), "CompleteMultipartUpload")
        chosen: list[tuple[int, str]] = []
        for part in root.findall("Part"):
            number = part.findtext("PartNumber") or ""
            if not (number.isascii() and number.isdecimal() and len(number) < 6):
                raise InvalidInput(f"a part has the number {number!r}")
            chosen.append((int(number), (part.findtext("ETag") or "").strip().strip('"')))
        etag = Uploads(store).complete(upload, chosen, check_of(call.headers))
        names: list[Element] = [("Bucket", call.bucket), ("Key", call.key), ("ETag", f'"{etag}"')]
        return document("CompleteMultipartUploadResult", [("Location", call.request.url.path), *names])


class AbortMultipartUpload(WithoutBody):
    """End an upload without an object."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return nothing."""
        store, upload = upload_of(call)
        Uploads(store).abort(upload)
        return Response(status_code=204)


class ListParts(WithoutBody):
    """The parts of an upload."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return the parts, a page at a time."""
        store, upload = upload_of(call)
        after, most = _number(call, "part-number-marker", 0), _number(call, "max-parts", 1000)
        rest = [part for part in Uploads(store).parts(upload) if part.number > after]
        page = rest[: min(most, 1000)]
        elements: list[Element] = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload.id)]
        elements += [("PartNumberMarker", after), ("MaxParts", most), ("IsTruncated", len(rest) > len(page))]
        elements += [("NextPartNumberMarker", page[-1].number)] if page else []
        for part in page:
            values: list[Element] = [("PartNumber", part.number), ("LastModified", modified(part.modified))]
            elements.append(("Part", [*values, ("ETag", f'"{part.md5}"'), ("Size", part.size)]))
        return document("ListPartsResult", elements)


class ListMultipartUploads(WithoutBody):
    """Uploads that have not ended, of the stores that the caller may write."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return all uploads whose keys begin with a prefix."""
        call.require_name()
        prefix = call.request.query_params.get("prefix", "")
        require_xml("prefix", prefix)
        elements: list[Element] = [("Bucket", call.bucket), ("Prefix", prefix), ("IsTruncated", False)]
        for name, store in sorted(call.all_sources.stores.items()):
            if not call.has_objects or not store.rights.may_write(call.caller):
                continue
            for upload in Uploads(store).all():
                if f"{name}/{upload.key}".startswith(prefix):
                    values: list[Element] = [("Key", f"{name}/{upload.key}"), ("UploadId", upload.id)]
                    elements.append(("Upload", [*values, ("Initiated", modified(upload.started))]))
        return document("ListMultipartUploadsResult", elements)


def upload_of(call: S3Call) -> tuple[Store, Upload]:
    """Return the upload of a request, with its store."""
    store, key = call.required_store(_WHAT)
    return store, Uploads(store).find(call.request.query_params.get("uploadId", ""), key)


def part_number(call: S3Call) -> int:
    """Return the number of the part that a request writes."""
    return _number(call, "partNumber", 0)


def _number(call: S3Call, name: str, default: int) -> int:
    text = call.request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or (
        name == "partNumber" and not 1 <= int(text) <= MOST_PARTS
    ):
        raise InvalidInput(f"{name} is {text!r}; expected a number, of parts from 1 to {MOST_PARTS}")
    return int(text)
