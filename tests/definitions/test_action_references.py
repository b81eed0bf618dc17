"""References in the input of actions, the secrets behind them, and the hosts of `core.http`."""

import json
from typing import Any

import pytest

from flowkeep.definitions.action_references import (
    KnownSecrets,
    check_stored_key,
    find_references,
    replace_references,
    reserved_path,
)
from flowkeep.definitions.actions import ActionError
from flowkeep.definitions.builtin.http_hosts import HostRules
from flowkeep.errors import ConfigurationError, Forbidden, InvalidInput


def test_references_are_found_and_replaced_once() -> None:
    """What comes in for a reference is not looked through: a stored value cannot name a secret."""
    value = {"a": [{"$secret": "one"}], "b": {"$stored": "t/x", "bytes": 3}, "c": {"d": 1}}
    found = list(find_references(value))
    assert [reference.name for reference in found] == ["one", "t/x"]
    known: dict[Any, Any] = {found[0]: "s", found[1]: {"$secret": "two"}}
    assert replace_references(value, known) == {"a": ["s"], "b": {"$secret": "two"}, "c": {"d": 1}}
    for bad in ({"$secret": 1}, {"$secret": "a", "more": 1}, {"$stored": "x", "other": 1}):
        with pytest.raises(InvalidInput, match=r"input\.x\[0\] has the reserved key"):
            list(find_references({"x": [bad]}))
    assert reserved_path({"a": [{"b": {"$secret": "x"}}]}) == "result.a[0].b.$secret"
    assert reserved_path({"a": ["$secret"]}) is None


@pytest.mark.parametrize(
    "key",
    ["other/x", "mine", "mine/../other/x", "/mine/x", "mine//x", "mine/./x", "mine\\..\\x", ""],
)
def test_stored_values_of_others_are_refused(key: str) -> None:
    """A key has to lie under the tenant's own folder, however it is written."""
    check_stored_key("mine/a/b.json", "mine")
    with pytest.raises(Forbidden):
        check_stored_key(key, "mine")


def test_known_secrets_are_taken_out() -> None:
    """Every text of a secret is masked but public members; a URL's password in each form."""
    secrets = KnownSecrets()
    secrets.add({"username": "reader", "pin": "48-15", "url": "db://u:p%40ss-word@h/d", "x": "abc"})
    told = secrets.redact("reader used 48-15 at db://h with p%40ss-word or p@ss-word, abc")
    assert told == "reader used *** at db://h with *** or ***, abc"
    secrets.add('quo"te')
    assert secrets.appear_in(json.dumps({"a": 'a quo"te'}).encode())
    assert not secrets.appear_in(b'{"user":"reader"}')
    assert secrets.scrub({"48-15": [("48-15", 1)]}) == {"***": [["***", 1]]}


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1%eth0",
     "fd00:ec2::254", "100.100.100.200", "2002:a9fe:a9fe::", "224.0.0.1"],
)  # fmt: skip
def test_metadata_addresses_are_refused(address: str) -> None:
    """In none of its forms can an address that hands out credentials be reached by default."""
    HostRules().check("example.com", "127.0.0.1")
    with pytest.raises(ActionError, match="must not reach example"):
        HostRules().check("example.com", address)
    HostRules(["169.254.0.0/16", "fe80::/10", "::/0", "0.0.0.0/0"]).check("example.com", address)


def test_hosts_by_list() -> None:
    """With a list of allowed hosts all others are refused; refused ones always."""
    rules = HostRules(["*.example.com", "10.0.0.0/8"], ["secret.example.com"])
    rules.check("API.example.com.", "8.8.8.8")
    rules.check("other.net", "10.1.2.3")
    for host in ("example.com", "example.com.evil.net", "secret.example.com"):
        with pytest.raises(ActionError):
            rules.check(host, "8.8.8.8")
    with pytest.raises(ConfigurationError, match="neither a host nor a network"):
        HostRules(["http://example.com"])
