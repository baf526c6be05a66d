"""Where bytes lie: local folders, http(s), S3, Google Cloud Storage. Used by remotes and by runs."""
