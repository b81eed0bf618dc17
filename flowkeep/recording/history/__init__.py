"""What an execution's history tells: who it is, how it ended, and every task it scheduled.

Pure functions over events, in two turns. The first keeps a few words per task, however big the
payloads are; the second, when attempts are to be rebuilt, reads what only they need.
"""
