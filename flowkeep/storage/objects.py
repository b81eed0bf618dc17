"""Reading and writing objects; the library is loaded with the first access."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from flowkeep.errors import ConfigurationError, NotFound, SourceUnavailable
from flowkeep.storage.errors import classify
from flowkeep.storage.pieces import Pieces
from flowkeep.storage.urls import redact_url

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_MULTIPART_FROM = 16 * 1024 * 1024
_CHUNK = 8 * 1024 * 1024
_READ_AHEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the store.

    Attributes:
        key: Its key, relative to the storage URL.
        size: Bytes.
        etag: What the store calls this version of it; changes with every write.
    """

    key: str
    size: int
    etag: str | None = None


class Storage:
    """Objects under one URL. Safe to share between threads.

    Args:
        url: `file:///absolute/folder`, `file://folder/relative/to/the/working/directory`,
            `s3://bucket/prefix`, `gs://bucket/prefix` or `az://account/container/prefix`. A query
            passes options to the store, for example `?region=eu-central-1` or
            `?endpoint=http://127.0.0.1:9000&allow_http=true`; credentials come from where the
            cloud's own tools take them.

    Raises:
        ConfigurationError: If the URL has no scheme.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.scheme:
            raise ConfigurationError(
                f"storage URL {url!r} has no scheme",
                hint="write file:///folder, s3://bucket/prefix, gs://… or az://…",
            )
        self._url = url
        self._scheme = parts.scheme
        self.url = redact_url(url)
        """The URL without credentials, for messages and manifests."""
        if parts.netloc in ("", "localhost"):
            self._folder = Path(unquote(parts.path or "/"))
        else:  # file://folder is meant as relative, although RFC 8089 knows no such form
            self._folder = Path.cwd() / unquote(parts.netloc + parts.path)

    def put(self, key: str, data: bytes) -> StoredObject:
        """Store bytes under a key, replacing what was there.

        Raises:
            ConfigurationError: If the place is missing or must not be written to.
            SourceUnavailable: If the store cannot be reached now.
        """
        import obstore

        with self._translated(f"write {key}", writing=True):
            result = obstore.put(self._store, key, data, use_multipart=False)
        return StoredObject(key, len(data), result["e_tag"])

    def upload(self, key: str, file: IO[bytes]) -> StoredObject:
        """Store an open local file of any size from its beginning, in bounded memory.

        Args:
            key: Where to store it; what was there is replaced when the upload completes.
            file: Binary file that can seek.

        Raises:
            ConfigurationError: If the place is missing or must not be written to.
            SourceUnavailable: If the store cannot be reached now.
        """
        import obstore

        size = file.seek(0, 2)
        file.seek(0)
        with self._translated(f"write {key}", writing=True):
            result = obstore.put(
                self._store,
                key,
                file,
                use_multipart=size > _MULTIPART_FROM,
                chunk_size=_CHUNK,
                max_concurrency=4,
            )
        return StoredObject(key, size, result["e_tag"])

    def get(self, key: str) -> bytes:
        """Return a small object whole.

        Raises:
            NotFound: If there is no such object.
            SourceUnavailable: If the store cannot be reached now.
        """
        import obstore

        with self._translated(f"read {key}"):
            return bytes(obstore.get(self._store, key).bytes())

    def chunks(self, key: str) -> Iterator[bytes]:
        """Yield an object of any size in pieces of some megabytes.

        Raises:
            NotFound: If there is no such object.
            SourceUnavailable: If the store cannot be reached now.
        """
        import obstore

        with self._translated(f"read {key}"):
            for piece in obstore.get(self._store, key).stream(min_chunk_size=_CHUNK):
                yield bytes(piece)

    @contextmanager
    def reading(self, key: str) -> Iterator[Pieces]:
        """Open an object for reading pieces of it; only those travel.

        Args:
            key: Which one.

        Raises:
            NotFound: If there is no such object.
            SourceUnavailable: If the store cannot be reached now; the file's methods raise it too.
        """
        import obstore

        with self._translated(f"read {key}"):
            file = obstore.open_reader(self._store, key, buffer_size=_READ_AHEAD)
        with Pieces(file, lambda: self._translated(f"read {key}")) as pieces:
            yield pieces

    def download(self, key: str, file: IO[bytes]) -> None:
        """Copy an object into an open local file and go back to the file's beginning.

        Raises:
            NotFound: If there is no such object.
            SourceUnavailable: If the store cannot be reached now.
        """
        for piece in self.chunks(key):
            file.write(piece)
        file.seek(0)

    def sha256(self, key: str) -> str:
        """Return the SHA-256 of an object as it lies in the store, hexadecimal.

        Raises:
            NotFound: If there is no such object.
        """
        digest = hashlib.sha256()
        for piece in self.chunks(key):
            digest.update(piece)
        return digest.hexdigest()

    def head(self, key: str) -> StoredObject:
        """Return size and etag of an object.

        Raises:
            NotFound: If there is no such object.
        """
        import obstore

        with self._translated(f"read {key}"):
            meta = obstore.head(self._store, key)
        return StoredObject(key, meta["size"], meta["e_tag"])

    def exists(self, key: str) -> bool:
        """Return whether there is an object with this key."""
        try:
            self.head(key)
        except NotFound:
            return False
        return True

    def size(self, key: str) -> int:
        """Return the size of an object in bytes.

        Raises:
            NotFound: If there is no such object.
        """
        return self.head(key).size

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield the objects whose key starts with the folder `prefix`, in the store's order."""
        import obstore

        with self._translated(f"list {prefix}"):
            for batch in obstore.list(self._store, prefix or None):
                for meta in batch:
                    yield StoredObject(meta["path"], meta["size"], meta["e_tag"])

    def delete(self, key: str) -> None:
        """Delete an object; one that is already gone is fine."""
        import obstore

        try:
            with self._translated(f"delete {key}"):
                obstore.delete(self._store, key)
        except NotFound:
            pass

    def delete_folder(self, prefix: str) -> int:
        """Delete all objects under a folder; returns how many there were.

        Raises:
            ValueError: If the folder is the whole storage.
            SourceUnavailable: If the store cannot be reached now; some objects may be gone.
        """
        import obstore

        if not prefix.strip("/"):
            raise ValueError("a folder to delete has a name")
        deleted = 0
        with self._translated(f"delete {prefix}"):
            for batch in obstore.list(self._store, prefix):
                keys = [meta["path"] for meta in batch]
                obstore.delete(self._store, keys)
                deleted += len(keys)
        return deleted

    def check_writable(self, prefix: str = "") -> None:
        """Write and delete a probe object.

        Raises:
            ConfigurationError: If the place is missing or must not be written to.
            SourceUnavailable: If the store cannot be reached now.
        """
        key = f"{prefix.rstrip('/')}/.write-check".lstrip("/")
        self.put(key, b"")
        self.delete(key)

    def local_path(self, key: str = "") -> Path | None:
        """Return the file system path of a key, or None when the store is not local."""
        if self._scheme != "file":
            return None
        return self._folder / key if key else self._folder

    def url_of(self, key: str) -> str:
        """Return URL and key of an object, without credentials."""
        return f"{urlunsplit((*urlsplit(self.url)[:3], '', '')).rstrip('/')}/{key}"

    @cached_property
    def _store(self) -> "ObjectStore":
        try:
            from obstore import store as library
        except ImportError:
            raise ConfigurationError(
                f"storage {self.url} needs the package obstore",
                hint="install flowkeep[storage] or flowkeep[extraction]",
            ) from None
        if self._scheme == "file":
            return library.LocalStore(self._folder, mkdir=True)
        parts = urlsplit(self._url)
        options: dict[str, Any] = dict(parse_qsl(parts.query))
        client: dict[str, Any] = {"timeout": "60s", "connect_timeout": "5s"}
        for name in ("allow_http", "allow_invalid_certificates"):
            if name in options:
                client[name] = options.pop(name).lower() == "true"
        open_store: Any = library.from_url  # typed per cloud; the scheme decides at run time
        store: ObjectStore = open_store(
            urlunsplit((*parts[:3], "", "")),
            config=options or None,
            client_options=client,
            # Short: Temporal retries the activity, and a hung put looks like a hung worker.
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
        )
        return store

    @contextmanager
    def _translated(self, action: str, *, writing: bool = False) -> Iterator[None]:
        """Turn the library's errors into ours; the URL in them is redacted."""
        try:
            yield
        except (ConfigurationError, NotFound, SourceUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - obstore raises OSError, ValueError and its own
            raise classify(
                error, f"{action} in storage {self.url}", self._scheme, writing
            ) from None
