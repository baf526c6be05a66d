"""Registry of public volumes."""
