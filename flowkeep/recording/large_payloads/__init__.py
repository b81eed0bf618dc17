"""Large payloads: arguments and results that Temporal's history holds only a reference to.

The SDK's external storage with a driver of ours. The order outwards is converter, codec, storage:
so what a codec encrypted is stored encrypted, and the reference in the history is not.
"""
