"""The clients have the same nouns, methods and signatures; the remote ones are light."""

import inspect
import json
import re
import subprocess
import sys
import typing
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Any

import pytest

from flowkeep.clients.direct import DirectClient
from flowkeep.clients.remote import AsyncRemoteClient, RemoteClient

ONLY_REMOTE = {
    "runs.handle": "the direct client's programs have WorkflowClient.get_handle",
}
"""Public methods that the direct client lacks, and why."""
ONLY_DIRECT = {"runs.found": "a page as the ledger gives it, for the service to pass on"}
"""Nouns and methods that the remote clients lack, and why."""


def nouns(client: type) -> dict[str, type]:
    """The nouns of a client by name."""
    found = {}
    for name, one in inspect.getmembers(client):
        if isinstance(one, cached_property):
            where = re.search(r"from (\S+) import (\w+)", inspect.getsource(one.func))
            assert where is not None, f"{name} does not import its class"
            found[name] = getattr(import_module(where[1]), where[2])
    return found


def methods(noun: type) -> dict[str, Callable[..., Any]]:
    """The public methods of a noun by name."""
    found = inspect.getmembers(noun, inspect.isfunction)
    return {name: made for name, made in found if not name.startswith("_")}


def shape(method: Callable[..., Any]) -> tuple[list[Any], Any]:
    """Parameters with kinds, defaults and types, and what a method returns, as words."""
    hints = typing.get_type_hints(method)
    parameters = [
        (one.name, one.kind.name, _word(one.default), _word(hints.get(one.name)))
        for one in inspect.signature(method).parameters.values()
    ]
    returned = _word(hints["return"])
    for name in ("AsyncGenerator", "AsyncIterator", "Generator"):
        returned = returned.replace(name, "Iterator")
    return parameters, returned.replace("AsyncRemoteHandle", "RemoteHandle").replace(
        "_async", "_sync"
    )


def _word(value: Any) -> str:
    return repr(value)


DIRECT, ASYNC, SYNC = nouns(DirectClient), nouns(AsyncRemoteClient), nouns(RemoteClient)


def test_nouns_are_the_same() -> None:
    """Each noun of the direct client is one of both remote clients, and the other way round."""
    assert len(DIRECT) >= 8
    assert set(DIRECT) - set(ONLY_DIRECT) == set(ASYNC) == set(SYNC)


@pytest.mark.parametrize("noun", sorted(DIRECT.keys() & ASYNC.keys()))
def test_remote_methods_are_the_direct_ones(noun: str) -> None:
    """A noun has the same methods with the same signatures on the servers and over HTTP."""
    direct, remote = methods(DIRECT[noun]), methods(ASYNC[noun])
    missing = {f"{noun}.{name}" for name in direct.keys() - remote.keys()}
    assert missing - ONLY_DIRECT.keys() == set()
    more = {f"{noun}.{name}" for name in remote.keys() - direct.keys()}
    assert more - ONLY_REMOTE.keys() == set()
    for name in direct.keys() & remote.keys():
        assert shape(remote[name]) == shape(direct[name]), f"{noun}.{name}"


@pytest.mark.parametrize("noun", sorted(ASYNC.keys() & SYNC.keys()))
def test_sync_methods_are_the_async_ones(noun: str) -> None:
    """A noun of the sync client has the methods of the async one, and none of them is async."""
    ours, theirs = methods(SYNC[noun]), methods(ASYNC[noun])
    assert ours.keys() == theirs.keys()
    for name, method in ours.items():
        assert shape(method) == shape(theirs[name]), f"{noun}.{name}"
        assert not inspect.iscoroutinefunction(method)
        assert not inspect.isasyncgenfunction(method)


def test_clients_themselves_are_the_same() -> None:
    """Both remote clients are made with the same arguments, but for the HTTP client."""
    made = [inspect.signature(kind).parameters for kind in (AsyncRemoteClient, RemoteClient)]
    ours, theirs = ({n: (p.kind, p.default) for n, p in one.items()} for one in made)
    assert ours == theirs


def test_lists_are_of_what_exists() -> None:
    """No exception is listed for a method that is no exception any more."""
    for name in ONLY_REMOTE:
        noun, _, method = name.partition(".")
        assert hasattr(ASYNC[noun], method), name
        assert not hasattr(DIRECT[noun], method), name


@pytest.mark.parametrize("name", ["RemoteClient", "AsyncRemoteClient"])
def test_the_remote_client_is_light(name: str) -> None:
    """Importing and making a remote client, with all nouns, loads no ledger, Temporal or server."""
    heavy = ("sqlalchemy", "psycopg", "temporalio", "fastapi", "alembic", "flowkeep.statestore")
    code = (
        "import json, sys\n"
        f"from flowkeep.clients.remote import {name} as kind\n"
        "client = kind()\n"
        f"nouns = [getattr(client, noun) for noun in {sorted(ASYNC)!r}]\n"
        f"loaded = [one for one in {heavy!r} if one in sys.modules]\n"
        "print(json.dumps([loaded, len(sys.modules)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, count = json.loads(done.stdout)
    assert loaded == []
    assert count < 900
