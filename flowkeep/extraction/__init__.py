"""Reading other systems' catalogues: sources, statements, transport, entities, manifests.

Plain synchronous code that is meant to run in a worker thread. It knows neither Temporal nor the
ledger: the activities pass in credentials, storage, progress and a stop flag, and pass on the
references and counts that come back.
"""
