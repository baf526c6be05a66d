"""Tools that are foreign programs: a block is cut to files, the program runs, and its files are pasted back."""
