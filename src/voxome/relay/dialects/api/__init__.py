"""The JSON API of the relay, described by OpenAPI."""
