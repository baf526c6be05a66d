"""The API of S3, its reading part."""
