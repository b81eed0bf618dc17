"""Reading what a preflight returned, whatever form a subclass gave it."""

from typing import Any

from flowkeep.contracts import CheckResult, PreflightResult
from flowkeep.errors import FlowkeepError, InvalidInput


class PreflightFailed(FlowkeepError):
    """At least one check failed; the message names every reason."""

    code = "PREFLIGHT_FAILED"
    hint = "mend what is named and start again"

    def __init__(self, failures: list[CheckResult]) -> None:
        reasons = "; ".join(f"{check.name}: {check.message or 'failed'}" for check in failures)
        super().__init__(f"preflight failed: {reasons}")


def read_preflight(value: Any) -> PreflightResult:
    """Read a preflight's result.

    Args:
        value: Our own model (as the dict it travels as), None for "nothing to say", or the form
            of the original SDK: `{"someCheck": {"success": …, "failureMessage": …}}`, where a key
            `error` stands for a failure.

    Raises:
        InvalidInput: If it is none of these.
    """
    if value is None or value is True:
        return PreflightResult()
    if isinstance(value, PreflightResult):
        return value
    if isinstance(value, dict):
        if "checks" in value:
            return PreflightResult.model_validate(value)
        return PreflightResult(checks=[_check(name, entry) for name, entry in value.items()])
    raise InvalidInput(
        f"preflight_check returned {type(value).__name__}",
        hint="return a PreflightResult with one CheckResult per check",
    )


def _check(name: str, entry: Any) -> CheckResult:
    if name == "error":
        return CheckResult(name=name, ok=not entry, message=str(entry))
    if isinstance(entry, dict) and "success" in entry:
        ok = bool(entry["success"])
        text = entry.get("successMessage") if ok else entry.get("failureMessage")
        return CheckResult(name=name, ok=ok, message=str(text or entry.get("error") or ""))
    raise InvalidInput(
        f"preflight_check returned an entry {name!r} without `success`",
        hint="return a PreflightResult with one CheckResult per check",
    )
