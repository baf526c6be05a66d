"""The command line; one file a verb, each a thin skin on a function of the library."""
