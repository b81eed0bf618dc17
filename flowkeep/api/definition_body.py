"""Definitions as requests bring them: a document in YAML or JSON, or the fields of document 5."""

from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from flowkeep.contracts.api.definitions import DefinitionSource, DrawnDefinition, Word
from flowkeep.contracts.definitions import Visibility
from flowkeep.errors import InvalidInput

T = TypeVar("T")

_SOURCE = TypeAdapter(DefinitionSource)
_DRAWN = TypeAdapter(DrawnDefinition)
_OF_DRAWINGS = set(DrawnDefinition.model_fields) - {"ref", "description", "version", "tags"}
_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")

_EXAMPLE = {
    "ref": "report",
    "label": "Daily report",
    "tasks": [{"name": "load", "action": "shop.load", "input": {"day": "today"}}],
}
_DRAWING = {
    "project_id": 123,
    "project_name": "Sales Dashboard",
    "app_name": "Trinity Analytics",
    "name": "Q4 Sales Analysis",
    "molecules_used": ["data-loader"],
    "atoms_in_molecules": {"data-loader": ["csv-reader"]},
    "dag_spec": {
        "nodes": [{"id": "n1", "data": {"molecule": "data-loader", "atoms": ["csv-reader"]}}],
        "edges": [],
    },
}
WRITTEN: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "description": "A document of the format of definitions, its fields as they "
                    "are; or `text` and where it belongs; or a drawing with its `name`.",
                    "type": "object",
                },
                "examples": {
                    "document": {"value": _EXAMPLE},
                    "text": {"value": {"text": "ref: report\ntasks: []\n", "draft": True}},
                    "drawing": {"value": _DRAWING},
                },
            },
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}
"""What OpenAPI says of a body that `written` reads."""


async def written(
    request: Request,
    app_id: Annotated[Word | None, Query(description="App of a document.")] = None,
    owner: Annotated[Word | None, Query(description="Owner of a document.")] = None,
    visibility: Annotated[Visibility | None, Query(description="Who sees a document.")] = None,
    draft: Annotated[bool, Query(description="Store a document with its errors.")] = False,
) -> DefinitionSource | DrawnDefinition:
    """Return the definition that a request brings.

    Raises:
        RequestValidationError: If its fields do not fit, or it is no JSON.
        InvalidInput: If what belongs into the body stands in the query.
    """
    body = await request.body()
    placed = {"app_id": app_id, "owner": owner, "visibility": visibility, "draft": draft}
    placed = {name: value for name, value in placed.items() if value not in (None, False)}
    if request.headers.get("content-type", "").split(";")[0].strip().lower() in _YAML:
        return _source({"text": _text(body), **placed})
    data = _json(body)
    if "text" in data and "tasks" not in data:
        made: DefinitionSource | DrawnDefinition = _source(data)
    elif "tasks" not in data and data.keys() & _OF_DRAWINGS:
        made = _checked(_DRAWN, data)
    else:
        return _source({"text": _text(body), **placed})
    if placed:
        raise InvalidInput(
            f"{', '.join(placed)} of this body stand in the query", hint="put them into the body"
        )
    return made


async def document(
    body: Annotated[DefinitionSource | DrawnDefinition, Depends(written)],
) -> DefinitionSource:
    """Return the document that a request brings.

    Raises:
        InvalidInput: If it is a drawing.
    """
    if isinstance(body, DrawnDefinition):
        raise InvalidInput(
            "a drawing stands where a document is needed",
            hint="import it by `import-canvas`, or change it by PATCH",
        )
    return body


Written = Annotated[DefinitionSource | DrawnDefinition, Depends(written)]
"""A definition, however it is written."""

Document = Annotated[DefinitionSource, Depends(document)]
"""A definition that is written as a document."""


def _source(data: dict[str, Any]) -> DefinitionSource:
    return _checked(_SOURCE, data)


def _checked(kind: TypeAdapter[T], data: dict[str, Any]) -> T:
    try:
        return kind.validate_python(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in found]
        ) from None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidInput("the body is not UTF-8", hint="save it as UTF-8") from None


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RequestValidationError(
            [{"type": "json_invalid", "loc": ("body",), "msg": f"is no JSON: {error}"}]
        ) from None
    if not isinstance(data, dict):
        raise RequestValidationError(
            [{"type": "dict_type", "loc": ("body",), "msg": "is no object"}]
        )
    return data
