"""schemathesis on the whole OpenAPI document, and what it found."""

import time
import zlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

_LONGEST_KEY = 200
_UNREADABLE = b"Invalid HTTP request received."


@dataclass
class Findings:
    """What a walk gave.

    Attributes:
        cases: Requests that were answered.
        statuses: How many had which status, by operation.
        checks: How many checks passed, by name.
        failures: What is wrong, and how often, by operation, check and title.
        seconds: How long it took.
    """

    cases: int = 0
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    checks: Counter[str] = field(default_factory=Counter)
    failures: dict[tuple[str, str, str], tuple[int, str]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def totals(self) -> Counter[int]:
        """How many answers had which status."""
        return sum(self.statuses.values(), Counter())

    def told(self) -> str:
        """Return the figures in lines."""
        return (
            f"{self.cases:,} cases on {len(self.statuses)} operations in {self.seconds:.0f} s\n"
            f"statuses: {dict(sorted(self.totals.items()))}\n"
            f"checks passed: {dict(sorted(self.checks.items()))}\n"
            + "\n".join(
                f"{' | '.join(key)}: {number} times, for example\n{example}"
                for key, (number, example) in sorted(self.failures.items())
            )
        )

    def fail(self, operation: str, check: str, title: str, example: str) -> None:
        """Note one failure."""
        key = (operation, check, title)
        number, first = self.failures.get(key, (0, example))
        self.failures[key] = (number + 1, first)


_known: dict[str, tuple[str, ...]] = {}


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Let every other path name what there is, and no two requests share an idempotency key.

    The second with the same key would only be a conflict.
    """
    parameters = case.path_parameters or {}
    for place, names in _known.items():
        value = parameters.get(place.rpartition("{")[2].rstrip("}"))
        number = zlib.crc32(str(value).encode(errors="replace"))
        if value is not None and place in case.path and number % 2:
            parameters[place.rpartition("{")[2].rstrip("}")] = names[number // 2 % len(names)]
    given = (case.headers or {}).get("Idempotency-Key")
    if given is None:
        return
    key = str(given)
    if 0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable():
        case.headers["Idempotency-Key"] = f"{key}{case.id}"


def fuzz(
    url: str,
    headers: dict[str, str],
    *,
    seed: int,
    examples: int,
    borders: bool,
    without: Collection[tuple[str, str]],
    known: Mapping[str, tuple[str, ...]],
    into: Findings,
) -> None:
    """Call every operation with good and bad data, and check what is answered.

    Args:
        url: Where the service is, with its prefix.
        headers: What each request carries.
        seed: The same seed makes the same requests, as long as the answers are the same.
        examples: Random cases per operation.
        borders: Whether values at and beyond every limit of the document are sent, too.
        without: Operations that are left out, as method and path.
        known: Names of objects by how paths name them, for example `/apps/{app_id}`.
        into: Takes what was found.
    """
    _known.clear()
    _known.update(known)
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "headers": headers,
            "request-timeout": 90,
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "phases": {
                "examples": {"enabled": borders},
                "coverage": {"enabled": borders, "unexpected-methods": []},
                "stateful": {"enabled": False},
            },
            "checks": {
                # What fits the document may not fit what is stored, or leave out what goes with it.
                "positive_data_acceptance": {"enabled": False},
                # What stands for a value of the right type is taken: "true" for a flag, YAML for
                # a document that is an object.
                "negative_data_rejection": {"enabled": False},
            },
        }
    )
    schema: Any = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)
    for method, path in without:
        schema = schema.exclude(method=method, path_regex=f"{path}$")
    began = time.monotonic()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _note(event, into)
        elif isinstance(event, events.NonFatalError):
            into.fail(event.label, "error", type(event.value).__name__, str(event.value)[:1000])
        elif isinstance(event, events.FatalError):
            raise event.exception
    into.seconds += time.monotonic() - began


def _note(event: events.ScenarioFinished, into: Findings) -> None:
    recorder = event.recorder
    counted = into.statuses.setdefault(str(event.label), Counter())
    for exchange in recorder.interactions.values():
        if exchange.response is not None:
            into.cases += 1
            counted[exchange.response.status_code] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            info = check.failure_info
            if info is None:
                into.checks[check.name] += check.status is Status.SUCCESS
                continue
            answered = recorder.interactions.get(info.failure.case_id or case_id)
            response = None if answered is None else answered.response
            if response is not None and response.content == _UNREADABLE:
                continue  # a line longer than the HTTP parser takes: no request was made of it
            example = f"{info.failure.message[:600]}\n{info.code_sample[:1200]}"
            into.fail(recorder.label, check.name, info.failure.title, example)
