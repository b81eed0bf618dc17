"""Parsing statements in processes of their own, so that a hostile one ends nothing but itself."""
