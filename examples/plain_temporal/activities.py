"""Activities of the plain SDK: functions."""

from temporalio import activity


@activity.defn
async def charge(order: str) -> str:
    """Charge the customer; the first try meets a payment service that is away."""
    if activity.info().attempt == 1:
        raise ConnectionError("the payment service does not answer")
    return f"receipt-{order}"


@activity.defn
def send_receipt(receipt: str) -> str:
    """Send the receipt; blocking work, in a thread."""
    return f"{receipt} sent"
