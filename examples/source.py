"""The database that the extraction examples read."""

from flowkeep.extraction.sample.database import create_sample_database
from flowkeep.settings import Settings


def source_url(settings: Settings) -> str:
    """Return `FLOWKEEP_DEMO_SOURCE`, else create the sample database beside the ledger."""
    if settings.demo.source is not None:
        return settings.demo.source.get_secret_value()
    return create_sample_database(settings.database_url())
