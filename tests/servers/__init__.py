"""Real servers of other versions and makes than the one that is embedded."""
