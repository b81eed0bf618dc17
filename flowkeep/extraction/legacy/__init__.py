"""What people bring from the original SDK: filter dictionaries, SQL texts, names of columns.

Everything here translates into this package's own words: rules, bound values, raw columns. What
meant something else there is said in a warning, never passed over.
"""
