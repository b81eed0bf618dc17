"""Activities of metadata extractions, one module per sort of source."""
