"""The routes, a module per noun; each has a `router`."""
