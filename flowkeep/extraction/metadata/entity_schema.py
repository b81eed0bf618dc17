"""JSON Schema of the entities, generated from the kinds.

`python -m flowkeep.extraction.metadata.entity_schema` prints it; it is published as
`docs/reference/entity.schema.json`. Attributes that statements of one's own add are allowed;
those that are known have exactly their type.
"""

import json
import sys
from typing import Any

from flowkeep.extraction.logs.kinds import ALL_KINDS
from flowkeep.extraction.metadata.envelope import ENVELOPE
from flowkeep.extraction.metadata.kinds import ColumnType, Kind
from flowkeep.extraction.metadata.manifest_file import ENTITY_SCHEMA
from flowkeep.extraction.metadata.transform import RELATION_TYPES, EntityContext, Transformer

Schema = dict[str, Any]

_TYPES: dict[ColumnType, str] = {
    "text": "string",
    "integer": "integer",
    "boolean": "boolean",
    "list": "array",
}
_TEXT: Schema = {"type": "string"}
_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$",
}


def entity_schema() -> Schema:
    """Return the JSON Schema (2020-12) of an entity, which is one JSON line.

    Entities of kinds that are not ours have to fit the envelope only.
    """
    transformer = Transformer(EntityContext(namespace="", run_id="", kinds=ALL_KINDS))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:flowkeep:schema:entity:{ENTITY_SCHEMA}",
        "title": "Entity",
        "description": "An object of a catalogue or a query log, one line of the asset files.",
        "type": "object",
        "properties": {name: _envelope()[name] for name in ENVELOPE},
        "required": list(ENVELOPE),
        "additionalProperties": False,
        "allOf": [_of_kind(kind) for kind in ALL_KINDS.values()],
        "$defs": {
            "link": {
                "description": "Another entity.",
                "type": "object",
                "properties": {"typeName": _TEXT, "qualifiedName": _TEXT},
                "required": ["typeName", "qualifiedName"],
                "additionalProperties": False,
            },
            **{kind.name: _attributes(transformer, kind) for kind in ALL_KINDS.values()},
            **{f"{kind.name}.links": _links(transformer, kind) for kind in ALL_KINDS.values()},
        },
    }


def type_names(kind: Kind) -> list[str]:
    """Return the types that entities of a kind may have."""
    return list(RELATION_TYPES) if kind.name == "tables" else [kind.type_name]


def _envelope() -> Schema:
    return {
        "typeName": {"type": "string", "minLength": 1},
        "qualifiedName": {"type": "string", "description": "Unique over all kinds and databases."},
        "guid": {
            "description": "UUIDv5 of the qualified name.",
            "type": "string",
            "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        },
        "contentHash": {
            "description": "SHA-256 of the type and of the attributes that are not volatile.",
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
        },
        "scope": {
            "type": "object",
            "properties": {
                "kind": _TEXT,
                "database": _TEXT,
                "schema": {"type": ["string", "null"]},
            },
            "required": ["kind", "database", "schema"],
            "additionalProperties": False,
        },
        "runId": {"type": "string", "minLength": 1},
        "firstSeen": {**_TIME, "description": "When the first of an unbroken row of runs saw it."},
        "lastSeen": {**_TIME, "description": "When the snapshot of this run was taken."},
        "relationshipAttributes": {"type": ["object", "null"]},
        "attributes": {"type": "object"},
    }


def _of_kind(kind: Kind) -> Schema:
    return {
        "if": {"properties": {"scope": {"properties": {"kind": {"const": kind.name}}}}},
        "then": {
            "properties": {
                "attributes": {"$ref": f"#/$defs/{kind.name}"},
                "relationshipAttributes": {"$ref": f"#/$defs/{kind.name}.links"},
            }
        },
    }


def _attributes(transformer: Transformer, kind: Kind) -> Schema:
    columns = transformer.attribute_columns(kind, list(kind.columns))
    named = {"database_name", *kind.identity}
    return {
        "description": f"Attributes of {' or '.join(type_names(kind))}.",
        "type": "object",
        "properties": {
            name: _value(kind.columns[column], nullable=column not in named)
            for name, column in columns.items()
        },
        "required": [name for name, column in columns.items() if column in named],
    }


def _value(kind: ColumnType, *, nullable: bool) -> Schema:
    found: Schema = {"type": [_TYPES[kind], "null"] if nullable else _TYPES[kind]}
    return {**found, "items": _TEXT} if kind == "list" else found


def _links(transformer: Transformer, kind: Kind) -> Schema:
    link = {"$ref": "#/$defs/link"}
    references = {reference.name for reference in kind.references}
    names = list(transformer.relationships(kind, list(kind.columns)))
    if not names:
        return {"type": "null"}
    return {
        "type": "object",
        "properties": {
            name: {"anyOf": [link, {"type": "null"}]} if name in references else link
            for name in names
        },
        "required": [name for name in names if name not in references],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(entity_schema(), indent=2) + "\n")
