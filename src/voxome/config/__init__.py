"""Settings, profiles of stores, and redaction of secrets."""
