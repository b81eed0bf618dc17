"""What the tasks of the example definitions call: a pretended shop, and a small catalogue."""

import asyncio
from typing import Annotated, Any

from pydantic import BaseModel, Field

from flowkeep.definitions.actions import ActionContext, ActionError, Retry, action

ORDERS = (
    {"day": "2026-01-03", "cents": 12_000, "due": "2026-01-10", "delivered": "2026-01-09"},
    {"day": "2026-01-17", "cents": 3_550, "due": "2026-01-24", "delivered": "2026-01-29"},
    {"day": "2026-02-02", "cents": 990, "due": "2026-02-09", "delivered": "2026-02-09"},
)
STOCK = {"pen": 40, "ink": 2, "paper": 500}
PRICES = {"pen": 1_200, "ink": 450, "paper": 390, "ruler": 210, "eraser": 95, "stapler": 899}


class Order(BaseModel):
    """One order of the shop."""

    day: str
    cents: int
    due: str
    delivered: str


class Price(BaseModel):
    """What an article costs; null for one that the shop does not sell."""

    article: str
    cents: int | None


@action("shop.greet", idempotent=True)
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@action("shop.orders", idempotent=True)
def orders(month: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]) -> list[Order]:
    """Read the orders of a month."""
    return [Order.model_validate(one) for one in ORDERS if str(one["day"]).startswith(month)]


@action("shop.late", idempotent=True)
def late(orders: list[Order]) -> list[str]:
    """Return the days of the orders that were delivered late."""
    return [one.day for one in orders if one.delivered > one.due]


@action("shop.write_report", idempotent=True)
def write_report(heading: str, lines: list[str], context: ActionContext) -> str:
    """Store a report and return its key."""
    run = context.services.run
    key = f"{run.tenant_id}/reports/{run.run_id}.txt"
    context.services.storage.put(key, "\n".join([heading, *lines, ""]).encode())
    return key


@action("shop.stock", idempotent=True)
def stock(article: str) -> int:
    """Count the pieces of an article in stock."""
    return STOCK.get(article, 0)


@action("shop.credit", idempotent=True)
def credit(customer: str) -> str:
    """Tell whether a customer's credit is good or bad."""
    return "bad" if customer == "broke" else "good"


@action("shop.pack")
def pack(article: str, pieces: int) -> str:
    """Pack a parcel."""
    return f"parcel of {pieces} {article}"


@action("shop.invoice")
def invoice(customer: str) -> str:
    """Write an invoice."""
    return f"invoice to {customer}"


@action("shop.ship")
def ship(parcel: str, invoice: str) -> str:
    """Ship a parcel with its invoice."""
    return f"{parcel} with {invoice}"


@action("shop.tell")
def tell(who: str, text: str, context: ActionContext) -> None:
    """Tell somebody something; here, the log."""
    context.log.info("to %s: %s", who, text)


@action("shop.prices", idempotent=True)
def prices(articles: list[str]) -> list[Price]:
    """Look up what several articles cost, at once."""
    return [Price(article=one, cents=PRICES.get(one)) for one in articles]


@action("shop.label", idempotent=True)
def label(number: int, article: str, cents: int) -> str:
    """Write a label for the shelf."""
    return f"{number}. {article}: {cents / 100:.2f}"


@action("shop.reserve")
async def reserve(seat: str, context: ActionContext) -> str:
    """Reserve a seat; the call's key names the reservation, so a repetition makes no second one."""
    await context.services.state.save_state(f"seats/{seat}", {"reservation": context.key})
    return seat


@action("shop.release", idempotent=True)
async def release(reservation: str, context: ActionContext) -> None:
    """Give a seat back."""
    await context.services.state.delete_state(f"seats/{reservation}")


@action("shop.discount", idempotent=True)
async def discount(customer: str) -> int:
    """Ask a partner for a discount in cents; for `slow` it takes its time."""
    if customer == "slow":
        await asyncio.Event().wait()
    return 500


@action("shop.charge")
async def charge(customer: str, cents: int, context: ActionContext) -> str:
    """Charge a customer; the bank is busy at first for `patient`, and refuses `broke`."""
    if customer == "broke":
        raise ActionError("the bank refused", code="CARD_DECLINED", retryable=False)
    if customer == "patient" and context.attempt < 3:
        raise ActionError("the bank is busy", code="BANK_BUSY")
    return f"{cents} from {customer}"


@action("shop.pay", retry=Retry(count=5, delay=1.0))
def pay(customer: str, cents: int, context: ActionContext) -> str:
    """Pay money back; a bank would be given `context.key`, so that it pays once."""
    assert context.key
    return f"{cents} to {customer}"


@action("shop.begin_export")
async def begin_export(pieces: int, context: ActionContext) -> str:
    """Ask for an export and return its name."""
    name = f"exports/{context.services.run.run_id}"
    await context.services.state.save_state(name, {"left": pieces})
    return name


@action("shop.ask_export")
async def ask_export(export: str, context: ActionContext) -> dict[str, Any]:
    """Ask whether an export is ready; every question brings it nearer."""
    entry = await context.services.state.get_state(export)
    left = int(entry.value["left"]) - 1
    await context.services.state.save_state(export, {"left": left})
    return {"ready": left <= 0, "left": max(left, 0)}


@action("shop.fetch_export", idempotent=True)
def fetch_export(export: str) -> str:
    """Fetch an export that is ready."""
    return f"{export}.csv"


SHOP = [
    *(greet, orders, late, write_report, stock, credit, pack, invoice, ship, tell, prices, label),
    *(reserve, release, discount, charge, pay, begin_export, ask_export, fetch_export),
]
