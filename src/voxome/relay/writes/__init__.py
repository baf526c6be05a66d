"""Writes that are confirmed before the store has them: a journal, laid over what is read, and replayed in order."""
