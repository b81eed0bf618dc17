"""Source systems, one small class per dialect.

What belongs here: connecting, classifying errors, the dialect's statements, reading one statement
as Arrow tables. What does not: files, entities, counts across kinds.
"""
