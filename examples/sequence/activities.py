"""The steps of a monthly report."""

from datetime import date
from typing import Any

from pydantic import BaseModel, Field
from temporalio import activity

from flowkeep import ActivitiesInterface, CheckResult, PreflightResult

ORDERS = (
    {"day": "2026-01-03", "cents": 12_000, "due": "2026-01-10", "delivered": "2026-01-09"},
    {"day": "2026-01-17", "cents": 3_550, "due": "2026-01-24", "delivered": "2026-01-29"},
    {"day": "2026-02-02", "cents": 990, "due": "2026-02-09", "delivered": "2026-02-09"},
)
"""Stands for the shop's database."""


class ReportArguments(BaseModel):
    """What a run is started with.

    Attributes:
        month: Year and month, for example 2026-01.
    """

    month: str = Field(pattern=r"^\d{4}-\d{2}$")


class ReportActivities(ActivitiesInterface):
    """One method per step."""

    @activity.defn(name="preflight_check")
    async def preflight_check(self, workflow_args: dict[str, Any]) -> PreflightResult:
        """Refuse a month without orders before anything else runs."""
        count = len(_orders_of(workflow_args["month"]))
        message = f"{count} orders in {workflow_args['month']}"
        return PreflightResult(checks=[CheckResult(name="orders", ok=count > 0, message=message)])

    @activity.defn
    async def read_orders(self, report: ReportArguments) -> int:
        """Keep the month's orders for the steps that follow; return their number."""
        orders = _orders_of(report.month)
        await self.services.state.save_state(self._key("orders"), {"orders": orders})
        return len(orders)

    @activity.defn
    async def sum_revenue(self, report: ReportArguments) -> int:
        """Return the revenue in cents."""
        return sum(order["cents"] for order in await self._orders())

    @activity.defn
    async def find_late(self, report: ReportArguments) -> list[str]:
        """Return the days of the orders that were delivered late."""
        return [
            order["day"]
            for order in await self._orders()
            if date.fromisoformat(order["delivered"]) > date.fromisoformat(order["due"])
        ]

    @activity.defn
    def write_report(self, report: ReportArguments) -> str:
        """Store the report; a plain function, so it runs in a thread and may block."""
        run = self.services.run
        key = f"{run.tenant_id}/reports/{report.month}/{run.run_id}.txt"
        self.services.storage.put(key, f"Report for {report.month}\n".encode())
        return self.services.storage.url_of(key)

    async def _orders(self) -> list[dict[str, Any]]:
        entry = await self.services.state.get_state(self._key("orders"))
        return list(entry.value["orders"])

    def _key(self, name: str) -> str:
        return f"{self.services.run.run_id}/{name}"


def _orders_of(month: str) -> list[dict[str, Any]]:
    return [order for order in ORDERS if str(order["day"]).startswith(month)]
