"""Recording: what makes every attempt and every end of a run arrive in the ledger.

One temporalio plugin (`flowkeep.Plugin`) brings a client interceptor that gives runs their
identity, a workflow interceptor that hands it on and reports the end, an activity interceptor that
times every attempt, and the recorder that commits what they report in groups. What an activity or
a workflow *does* is no business of this package.
"""
