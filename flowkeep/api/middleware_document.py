"""What middleware takes and answers, in the OpenAPI document: no route says it."""

from http import HTTPStatus
from typing import Any

from flowkeep.api.idempotency import KEY_HEADER
from flowkeep.api.problems import documented

_EVERYWHERE = (400, 414, 431)
_WITH_BODY = (408, 413)
_KEY: dict[str, Any] = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": (
        "Makes repeating the request safe: for 24 hours the same request with the same key gets "
        "the first answer, with the header `Idempotency-Replayed`."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}


def describe(document: dict[str, Any]) -> None:
    """Add to each operation what middleware takes and answers.

    Args:
        document: An OpenAPI document; changed in place.
    """
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            statuses = [*_EVERYWHERE, *(_WITH_BODY if "requestBody" in operation else ())]
            if method == "post":
                statuses.append(HTTPStatus.CONFLICT)
                operation.setdefault("parameters", []).append(_KEY)
            known = documented()
            for status in statuses:
                one = known.get(status) or documented(status)[status]
                operation["responses"].setdefault(str(int(status)), one)
