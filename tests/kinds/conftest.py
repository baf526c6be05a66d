"""An S3 server."""

from standins.s3 import bucket, fresh_key, s3_url

__all__ = ["bucket", "fresh_key", "s3_url"]
