"""Make a DuckDB file, extract it, and print what was found."""

import asyncio
import tempfile
from pathlib import Path

import duckdb

from examples.duckdb_connector.activities import DuckDBActivities
from examples.duckdb_connector.workflows import DuckDBExtraction
from flowkeep import RunHandle, Settings, Worker, WorkflowClient

SAMPLE = """
CREATE SCHEMA sales;
CREATE TABLE sales.customers (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, tags VARCHAR[]);
CREATE TABLE sales.orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES sales.customers (id),
    amount DECIMAL(10, 2) CHECK (amount >= 0)
);
CREATE VIEW sales.totals AS SELECT customer_id, sum(amount) AS total FROM sales.orders GROUP BY 1;
CREATE TABLE scratch (anything INTEGER);
COMMENT ON TABLE sales.orders IS 'what was bought';
"""


def make_sample(path: Path) -> str:
    """Make a database file with the sample and return its URL."""
    with duckdb.connect(path) as connection:
        connection.execute(SAMPLE)
    return f"duckdb:///{path}"


async def main(settings: Settings | None = None) -> RunHandle:
    with tempfile.TemporaryDirectory() as folder:
        url = await asyncio.to_thread(make_sample, Path(folder) / "shop.duckdb")
        async with (
            await WorkflowClient.connect(settings) as client,
            Worker(
                client,
                workflow_classes=[DuckDBExtraction],
                workflow_activities=DuckDBExtraction.get_activities(DuckDBActivities()),
            ),
        ):
            run = await client.start_workflow(
                {
                    "credentials": {"url": url},
                    "metadata": {
                        "filters": [
                            {
                                "action": "exclude",
                                "level": "table",
                                "match": "glob",
                                "value": "scr*",
                            }
                        ]
                    },
                },
                workflow_class=DuckDBExtraction,
            )
            result = await run.result()
            for kind, count in result["counts"].items():
                print(f"{kind}: {count}")
            return run


if __name__ == "__main__":
    asyncio.run(main())
