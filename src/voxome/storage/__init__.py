"""Storage of bytes: local folders, http(s), S3, Google Cloud Storage; used by remotes and by runs."""
