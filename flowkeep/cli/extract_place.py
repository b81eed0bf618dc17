"""Finding the manifest that a command line names: by run, by key, by URL or by file."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from flowkeep.cli.invocation import Invocation
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.storage import Storage, redact_url

COMMAND_TYPE = "BaseSQLMetadataExtractionWorkflow"
"""Type of the runs that `flowkeep extract metadata` starts."""

_MANIFEST = "manifest.json"
_OWN_SEGMENTS = 5
"""Tenant, app, workflow type, run id and the name of the manifest; see `RunLocation`."""


@dataclass(frozen=True)
class Place:
    """A manifest and the storage it lies in.

    Attributes:
        storage: The storage; keys in the manifest are relative to it.
        key: Key of the manifest.
    """

    storage: Storage
    key: str

    @property
    def shown(self) -> str:
        """Where it lies, for people: a path where the storage is local."""
        path = self.storage.local_path(self.key)
        return str(path) if path is not None else self.storage.url_of(self.key)

    @property
    def folder(self) -> str:
        """The folder it lies in, for people."""
        return self.shown.rpartition("/")[0]

    async def read(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            NotFound: If there is none.
            Incomplete: If it is no manifest.
        """
        from flowkeep.extraction.metadata.manifest_file import read_manifest

        try:
            self._check_there()
            return await asyncio.to_thread(read_manifest, self.storage, self.key)
        except NotFound as error:
            raise NotFound(
                f"there is no manifest at {self.shown}",
                hint="name a run that succeeded, or the key, URL or file of a manifest",
                code=error.code,
            ) from None

    def _check_there(self) -> None:
        """Look at a local file first: a local storage makes its folder when it is used."""
        path = self.storage.local_path(self.key)
        if path is not None and not path.exists():
            raise NotFound(f"{path} does not exist", code="OBJECT_NOT_FOUND")


async def find_manifest(invocation: Invocation, name: str) -> Place:
    """Return where a manifest lies.

    Args:
        invocation: Settings and tenant.
        name: A URL or a file (its folder is enough), a key in the configured storage, or else a
            run id or workflow id that the ledger knows.

    Raises:
        NotFound: If the ledger knows no such run, or the run has no manifest.
        ConfigurationError: If the ledger is needed and none is configured.
    """
    storage_url = invocation.direct_settings().storage.url
    if "://" in name:
        return _place_of_url(name, storage_url)
    if _is_path(name):
        return _place_of_url(_uri(name), storage_url)
    if name.endswith(".json"):
        return Place(Storage(storage_url), name)
    return await _place_of_run(invocation, name, storage_url)


def _is_path(name: str) -> bool:
    """Return whether a name is a local file or folder, rather than a key or a run."""
    return name.startswith(("/", "./", "../")) or Path(name).exists()


def _uri(path: str) -> str:
    return Path(path).absolute().as_uri()


def _place_of_url(url: str, storage_url: str) -> Place:
    if not urlsplit(url).path.endswith(".json"):
        parts = urlsplit(url)
        url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{_MANIFEST}"))
    configured = Storage(storage_url)
    for root in (storage_url, configured.url):
        base = urlunsplit((*urlsplit(root)[:3], "", "")).rstrip("/")
        if url.startswith(f"{base}/"):  # with the credentials and options of the settings
            return Place(configured, urlsplit(url).path[len(urlsplit(base).path) :].lstrip("/"))
    parts = urlsplit(url)
    names = parts.path.split("/")
    if len(names) <= _OWN_SEGMENTS:
        raise InvalidInput(
            f"{redact_url(url)} is too short for a manifest",
            hint="write …/tenant/app/workflow type/run id/manifest.json",
        )
    root = urlunsplit(parts._replace(path="/".join(names[:-_OWN_SEGMENTS])))
    return Place(Storage(root), "/".join(names[-_OWN_SEGMENTS:]))


async def _place_of_run(invocation: Invocation, name: str, storage_url: str) -> Place:
    from flowkeep.cli.session import find_run, open_store

    async with open_store(invocation) as store:
        run = await find_run(store, invocation.tenant, name)
    key = run.outputs.get("key") if isinstance(run.outputs, dict) else None
    if not isinstance(key, str):
        raise NotFound(
            f"run {run.id} ({run.workflow_type}, {run.status.value}) has no manifest",
            hint="only extractions that succeeded have one",
            code="MANIFEST_NOT_FOUND",
        )
    return Place(Storage(storage_url), key)


async def newest_manifest(invocation: Invocation) -> Place:
    """Return where the newest extraction of the command line left its manifest.

    Raises:
        NotFound: If there is none.
    """
    from flowkeep.cli.session import open_store
    from flowkeep.contracts import RunStatus

    async with open_store(invocation) as store:
        page = await store.runs.get_paginated_runs(
            invocation.tenant,
            workflow_type=COMMAND_TYPE,
            triggered_from="cli",
            status=RunStatus.SUCCEEDED,
            limit=1,
        )
    if not page.data:
        raise NotFound(
            "this command line has extracted nothing yet",
            hint="run `flowkeep extract metadata` first, or name a run",
            code="MANIFEST_NOT_FOUND",
        )
    return await find_manifest(invocation, str(page.data[0].id))
