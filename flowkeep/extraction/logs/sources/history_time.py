"""Moments as whole microseconds since 1970 UTC, and as text."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Return a moment as microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """Return microseconds since 1970 as a moment in UTC."""
    return _EPOCH + at * _MICROSECOND


def as_text(at: int) -> str:
    """Return a moment in ISO form with all six digits, as marks and windows hold it."""
    return moment(at).isoformat(timespec="microseconds")


def from_text(text: str) -> int:
    """Return the moment of a text in ISO form, in microseconds since 1970.

    Raises:
        ValueError: If it is none.
    """
    found = datetime.fromisoformat(text)
    return micros(found if found.tzinfo else found.replace(tzinfo=UTC))


def as_sql(at: int, separator: str = " ") -> str:
    """Return a moment as SQL writes it, in UTC without a zone."""
    naive = moment(at).replace(tzinfo=None)
    return naive.isoformat(sep=separator, timespec="microseconds")
