"""Where statements are logged: a class per source. `base` says what a class of a user's needs."""
