"""References inside the input of an action: to stored values and to secrets.

`{"$stored": key, "bytes": n}` is a value that was too big for the run's memory, `{"$secret": name}`
a secret of the tenant, and `{"secret_ref": id}` one that was taken out of the arguments of the run.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic_core import from_json, to_json

from flowkeep.errors import Forbidden, InvalidInput
from flowkeep.redaction import redact
from flowkeep.storage.names import safe_segment

STORED = "$stored"
SECRET = "$secret"  # noqa: S105 - a key
RUN_SECRET = "secret_ref"  # noqa: S105 - a key
RESERVED = (STORED, SECRET)
"""Keys that results must not have: what comes from outside could name what is not its own."""

_SHORTEST = 4
_PUBLIC = frozenset(
    {
        *("user", "username", "login", "account", "role", "type", "auth_type", "auth"),
        *("host", "hostname", "port", "endpoint", "region", "scheme", "sslmode", "ssl"),
        *("database", "dbname", "schema", "warehouse", "bucket"),
        *("driver", "drivername", "dialect"),
    }
)
"""Members of a secret object that are not secret themselves."""


class Reference(NamedTuple):
    """One reference.

    Attributes:
        kind: `STORED`, `SECRET` or `RUN_SECRET`.
        name: The key in storage, the name of the secret, or its id.
    """

    kind: str
    name: str


def as_reference(value: Any, path: str = "input") -> Reference | None:
    """Return the reference that a value is, if it is one.

    Raises:
        InvalidInput: If it looks like one and is none.
    """
    if not isinstance(value, Mapping):
        return None
    for kind, others in ((STORED, {"bytes"}), (SECRET, set()), (RUN_SECRET, {"shown"})):
        if kind in value:
            if isinstance(value[kind], str) and set(value) <= {kind, *others}:
                return Reference(kind, value[kind])
            if kind in RESERVED:
                raise InvalidInput(
                    f"{path} has the reserved key {kind!r} and is no reference",
                    hint=f'a reference is {{"{kind}": "…"}} and nothing else',
                )
    return None


def find_references(value: Any, path: str = "input") -> Iterator[Reference]:
    """Yield the references in a value, in order.

    Raises:
        InvalidInput: If something looks like a reference and is none; names its path.
    """
    found = as_reference(value, path)
    if found is not None:
        yield found
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from find_references(item, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from find_references(item, f"{path}[{number}]")


def replace_references(value: Any, known: Mapping[Reference, Any]) -> Any:
    """Return a copy with references replaced; what comes in for them is not looked through."""
    found = as_reference(value)
    if found is not None:
        return known[found]
    if isinstance(value, Mapping):
        return {key: replace_references(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [replace_references(item, known) for item in value]
    return value


def reserved_path(value: Any, path: str = "result") -> str | None:
    """Return where a value has a reserved key, if it has one.

    For whatever comes from outside and is passed on: results of actions, parameters of a run,
    answers of people. With such a key it could name a secret, and be given it.
    """
    if isinstance(value, Mapping):
        for key in RESERVED:
            if key in value:
                return f"{path}.{key}"
        items = [(f"{path}.{key}", item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
    else:
        return None
    return next((hit for at, item in items if (hit := reserved_path(item, at))), None)


def check_stored_key(key: str, tenant_id: str) -> None:
    """Check that a stored value lies under a tenant.

    Raises:
        Forbidden: If it does not.
    """
    first, *rest = key.split("/")
    if first != safe_segment(tenant_id) or not rest or {"", ".", ".."} & set(rest) or "\\" in key:
        raise Forbidden(
            "a stored value of the input lies outside of the tenant of this run",
            hint="references to stored values are made by tasks of the same tenant",
        )


class KnownSecrets:
    """The secrets that one call has resolved, and what keeps them inside of it."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, value: Any) -> None:
        """Take note of a secret: of all texts in it that are not public, like a user's name."""
        if isinstance(value, Mapping):
            for key, item in value.items():
                if isinstance(item, (Mapping, list)) or str(key).lower() not in _PUBLIC:
                    self.add(item)
        elif isinstance(value, list):
            for item in value:
                self.add(item)
        elif isinstance(value, str):
            forms = (value, *_passwords(value))
            self._values.update(form for form in forms if len(form) >= _SHORTEST)

    def redact(self, text: str) -> str:
        """Return a text without secrets, known ones and those that look like some."""
        return redact(text, self._values)

    def scrub(self, value: Any) -> Any:
        """Return any value as plain JSON, its texts without secrets."""
        if not self._values:
            return value
        return _scrubbed(from_json(to_json(value, fallback=str)), self)

    def appear_in(self, data: bytes) -> bool:
        """Tell whether JSON shows one of them."""
        return any(to_json(value)[1:-1] in data for value in self._values)


def _scrubbed(value: Any, secrets: KnownSecrets) -> Any:
    if isinstance(value, str):
        return secrets.redact(value)
    if isinstance(value, dict):
        return {secrets.redact(key): _scrubbed(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(item, secrets) for item in value]
    return value


def _passwords(text: str) -> Iterator[str]:
    """Yield the password of a URL as it is written and as it is meant."""
    if "://" not in text:
        return
    try:
        password = urlsplit(text.strip()).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
