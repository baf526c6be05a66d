"""DVID: versioned volumes, labels, annotations and keys of one server."""
