"""Object storage by URL: local folders, S3, Google Cloud Storage and Azure, through `obstore`.

An object appears whole or not at all: each is written by one put (large ones by a multipart upload
that the store completes at the end; local files by a rename), because object stores cannot rename.
"""

from flowkeep.storage.objects import Storage, StoredObject
from flowkeep.storage.urls import redact_url

__all__ = ["Storage", "StoredObject", "redact_url"]
