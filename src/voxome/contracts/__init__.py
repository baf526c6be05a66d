"""The protocols that plug-ins implement, and the values they pass. Nothing here does any work."""
