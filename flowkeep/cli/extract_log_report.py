"""What an extraction of query logs leaves, for people and for programs."""

from dataclasses import dataclass
from typing import Any, ClassVar

import click

from flowkeep.cli.extract_report import Report
from flowkeep.cli.output import print_fields, print_table, show_bytes
from flowkeep.contracts.query_extraction import QueryExtractionResult

_COUNTS = ("fetched", "statements", "parsed", "utility", "failed", "rejected", "repeated")


@dataclass
class LogReport(Report):
    """The outcome of an extraction of query logs."""

    result_model: ClassVar[type[QueryExtractionResult]] = QueryExtractionResult
    verbs: ClassVar[tuple[str, ...]] = ("verify",)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        content = super().as_dict()
        manifest = self.manifest or {}
        content["kinds"] = [
            {"kind": kind, "rows": rows, "size": size} for kind, rows, size in _kinds(manifest)
        ]
        return {**content, "logs": manifest.get("logs"), "windows": manifest.get("windows")}

    def show_counts(self, manifest: dict[str, Any]) -> None:
        """Print what the manifest counts: rows of the log, then of the outputs."""
        logs = manifest["logs"]
        span = {"log": logs["identity"], "since": logs["since"], "until": logs["until"]}
        counts = {"windows": len(manifest["windows"]), **{name: logs[name] for name in _COUNTS}}
        print_fields({**span, **{name: f"{count:,}" for name, count in counts.items()}})
        click.echo()
        print_table(
            ("kind", "rows", "size"),
            ((kind, f"{rows:,}", show_bytes(size)) for kind, rows, size in _kinds(manifest)),
        )


def _kinds(manifest: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Return kind, rows and bytes of all files."""
    return [
        (
            scope["kind"],
            scope["written"],
            sum(part["bytes"] for part in (*scope["parts"], *scope["assets"]["parts"])),
        )
        for scope in manifest.get("scopes", ())
    ]
