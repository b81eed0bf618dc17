"""Which tables and columns a statement reads and writes, and which columns come from which."""
