"""Activities that extract query logs."""
