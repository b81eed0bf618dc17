"""Tables that generated statements name: a small catalogue by hand, and one of any size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import NamedTuple

SEARCH_PATH = ("public",)
"""Schemas in which generated statements' names without a schema are to be looked for."""
TABLES_PER_SCHEMA = 50


class Table(NamedTuple):
    """A table or view."""

    schema: str
    name: str


class Column(NamedTuple):
    """A column of a table or view."""

    schema: str
    table: str
    name: str

    @property
    def owner(self) -> Table:
        return Table(self.schema, self.table)


Kinds = Mapping[str, str]
"""Columns in their order, and what sort of value each has: `key`, `text`, `number`, `time`, `flag`
or `json`."""


@dataclass(frozen=True)
class Catalogue:
    """Tables that statements are composed of.

    Attributes:
        tables: Tables, and their columns.
        references: By a column's name, the column it refers to.
        definitions: Views, and the text of their query.
        view_columns: Columns of the views.
    """

    tables: Mapping[Table, Kinds]
    references: Mapping[str, Column]
    definitions: dict[Table, str] = field(default_factory=dict)
    view_columns: dict[Table, Kinds] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[Table, ...]:
        """The tables, in their order."""
        return tuple(self.tables)

    def to_json(self, databases: Sequence[str]) -> dict[str, list[list[object]]]:
        """Return lists of database, schema, name and columns or definition, for each database."""
        columns = {**self.tables, **self.view_columns}
        return {
            "tables": [
                [one, *table, list(columns[table])] for one in databases for table in columns
            ],
            "views": [
                [one, *view, text] for one in databases for view, text in self.definitions.items()
            ],
        }


_LETTERS = {"k": "key", "t": "text", "n": "number", "d": "time", "f": "flag", "j": "json"}
_TABLES = """
sales.customers id:k name:t email:t country_id:k segment:t created_at:d credit_limit:n manager_id:k
sales.orders id:k customer_id:k user_id:k status:t placed_at:d shipped_at:d total:n channel:t paid:f
sales.order_lines id:k order_id:k product_id:k quantity:n unit_price:n tax_rate:n note:t gift:f
sales.products id:k sku:t title:t category_id:k price:n cost:n weight:n active:f launched_at:d
sales.categories id:k parent_id:k title:t margin:n position:n
sales.invoices id:k order_id:k number:t issued_at:d due_at:d amount:n settled:f
sales.payments id:k invoice_id:k method:t amount:n received_at:d reference:t
sales.returns id:k order_id:k product_id:k quantity:n reason:t received_at:d
sales.shipments id:k order_id:k warehouse_id:k carrier:t sent_at:d delivered_at:d cost:n
sales.warehouses id:k code:t country_id:k capacity:n opened_at:d
sales.stock product_id:k warehouse_id:k quantity:n counted_at:d shelf:t
sales.daily_totals id:k channel:t day:d revenue:n orders:n refreshed_at:d
sales.product_totals product_id:k label:t month:d sold:n revenue:n refreshed_at:d
crm.accounts id:k name:t owner_id:k country_id:k industry:t revenue:n created_at:d
crm.contacts id:k account_id:k customer_id:k first_name:t last_name:t phone:t created_at:d
crm.activities id:k contact_id:k user_id:k kind:t happened_at:d minutes:n details:j
crm.campaigns id:k title:t budget:n starts_at:d ends_at:d active:f
crm.members campaign_id:k contact_id:k joined_at:d answer:t score:n
crm.tickets id:k customer_id:k user_id:k subject:t priority:n state:t opened_at:d closed_at:d
crm.ticket_events id:k ticket_id:k user_id:k body:t happened_at:d payload:j
crm.customer_scores customer_id:k segment:t score:n orders:n spent:n scored_at:d
crm.LeadSource id:k Label:t weight:n Valid_From:d account_id:k
countries id:k code:t title:t currency:t population:n
users id:k login:t full_name:t role:t created_at:d last_seen_at:d disabled:f
sessions id:k user_id:k started_at:d ended_at:d agent:t pages:n
events id:k session_id:k user_id:k name:t happened_at:d payload:j duration:n
audit_log id:k user_id:k action:t object_name:t happened_at:d details:t
settings id:k user_id:k name:t value:t changed_at:d
jobs id:k user_id:k queue:t state:t run_at:d attempts:n payload:j
rates id:k currency:t day:d rate:n country_id:k
"""
_REFERENCES = """
customer_id=sales.customers user_id=public.users order_id=sales.orders product_id=sales.products
category_id=sales.categories parent_id=sales.categories invoice_id=sales.invoices
warehouse_id=sales.warehouses country_id=public.countries manager_id=public.users
owner_id=public.users account_id=crm.accounts contact_id=crm.contacts campaign_id=crm.campaigns
ticket_id=crm.tickets session_id=public.sessions
"""


@cache
def small_catalogue() -> Catalogue:
    """Return 30 tables in three schemas, without views."""
    tables = {}
    for line in _TABLES.split("\n")[1:-1]:
        name, *columns = line.split()
        kinds = {column: _LETTERS[letter] for column, letter in (one.split(":") for one in columns)}
        tables[_table(name)] = kinds
    references = {}
    for pair in _REFERENCES.split():
        name, _, target = pair.partition("=")
        references[name] = Column(*_table(target), "id")
    return Catalogue(tables, references)


@cache
def large_catalogue(tables: int = 10_000) -> Catalogue:
    """Return tables of 20 columns in schemas of 50.

    Args:
        tables: How many.
    """
    found: dict[Table, Kinds] = {}
    references: dict[str, Column] = {}
    for number in range(tables):
        schema = f"s{number // TABLES_PER_SCHEMA:03}"
        stem = f"t{number:05}"
        # Three of the next tables of the schema, and the first ones behind the last.
        first = number - number % TABLES_PER_SCHEMA
        size = min(TABLES_PER_SCHEMA, tables - first)
        others = [first + (number - first + step) % size for step in (1, 7, 19)]
        references[f"{stem}_id"] = Column(schema, stem, "id")
        kinds = {"id": "key"} | {f"t{other:05}_id": "key" for other in others}
        for place in range(20 - len(kinds)):
            kind = ("text", "number", "time", "text", "number", "flag")[place % 6]
            kinds[f"{kind}_{place:02}"] = kind
        found[Table(schema, stem)] = kinds
    return Catalogue(found, references)


def _table(name: str) -> Table:
    schema, _, table = name.rpartition(".")
    return Table(schema or "public", table)
