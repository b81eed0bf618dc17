"""DataHub's aggregator over statements of a log; runs in DataHub's environment, by its path.

    python _query_log_datahub_load.py usage|lineage LOG [CATALOGUE]

It is asked for as little as it can be. With `usage` it counts tables and columns by user and day
and knows no catalogue; what cannot be switched off is that it looks for the lineage of columns.
With `lineage` it knows the tables and makes lineage, queries and usage. Nothing is formatted or
sent anywhere; what it would send is made, and dropped. Statements and catalogue are read before,
and one statement is parsed that has nothing to do with them.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datahub.ingestion.source.usage.usage_common import BaseUsageConfig
from datahub.metadata.urns import CorpUserUrn
from datahub.sql_parsing._models import _TableName
from datahub.sql_parsing.schema_resolver import SchemaResolver
from datahub.sql_parsing.sql_parsing_aggregator import (
    ObservedQuery,
    QueryLogSetting,
    SqlParsingAggregator,
)
from datahub.sql_parsing.sqlglot_lineage import sqlglot_lineage

_SECOND = 1_000_000


def observed_of(log: Path) -> list[ObservedQuery]:
    found = []
    with log.open() as lines:
        for line in lines:
            text, user, database, at, _ = json.loads(line)
            found.append(
                ObservedQuery(
                    query=text,
                    timestamp=datetime.fromtimestamp(at / _SECOND, UTC),
                    user=CorpUserUrn(user),
                    default_db=database,
                    default_schema="public",
                )
            )
    return found


def resolver_of(catalogue: Path | None) -> SchemaResolver:
    resolver = SchemaResolver(platform="postgres", env="PROD")
    for database, schema, name, columns in (
        json.loads(catalogue.read_text())["tables"] if catalogue else []
    ):
        table = _TableName(database=database, db_schema=schema, table=name)
        urn = resolver.get_urn_for_table(table)
        resolver.add_raw_schema_info(urn, dict.fromkeys(columns, "varchar"))
    return resolver


def aggregator_of(
    what: str, catalogue: Path | None, observed: list[ObservedQuery]
) -> SqlParsingAggregator:
    times = [one.timestamp for one in observed if one.timestamp]
    usage = BaseUsageConfig(
        start_time=min(times).replace(hour=0, minute=0, second=0, microsecond=0),
        end_time=max(times),
        include_top_n_queries=False,
    )
    return SqlParsingAggregator(
        platform="postgres",
        schema_resolver=resolver_of(catalogue),
        generate_lineage=what == "lineage",
        generate_queries=what == "lineage",
        generate_usage_statistics=True,
        usage_config=usage,
        format_queries=False,
        query_log=QueryLogSetting.DISABLED,
    )


def measure(what: str, log: Path, catalogue: Path | None) -> dict[str, Any]:
    observed = observed_of(log)
    aggregator = aggregator_of(what, catalogue, observed)
    sqlglot_lineage("SELECT a FROM b WHERE c = 'd'", schema_resolver=resolver_of(None))
    wall, cpu = time.perf_counter(), time.process_time()
    for one in observed:
        aggregator.add_observed_query(one)
    made = sum(1 for _ in aggregator.gen_metadata())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    report = aggregator.report
    return {
        "statements": len(observed),
        "seconds": wall,
        "cpu_seconds": cpu,
        "peak_mib": peak_mib(),
        "made": made,
        "failed": report.num_observed_queries_failed,
        "columns_failed": report.num_observed_queries_column_failed,
    }


def peak_mib() -> float:
    """Return the most memory this process ever had, in MiB: VmHWM of proc_pid_status(5)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    last = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    print("answer: " + json.dumps(measure(sys.argv[1], Path(sys.argv[2]), last)))
