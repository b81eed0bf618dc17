"""Views over the small catalogue, some of them over other views."""

from collections.abc import Callable, Mapping
from functools import cache

from benchmarks._query_log_builder import Select, Source, query_source, table_source, union
from benchmarks._query_log_catalogue import Catalogue, Table, small_catalogue
from benchmarks._query_log_values import Query, Value, aggregate, condition, derive, reading

Open = Callable[[str, str], Source]
"""Name of a table with its schema, and alias, to a source."""


def _open_orders(of: Open) -> Query:
    orders, customers = of("sales.orders", "o"), of("sales.customers", "c")
    items = [(orders.value(name), name) for name in ("id", "customer_id", "placed_at", "total")]
    items += [(customers.value("name"), "customer"), (customers.value("segment"), "segment")]
    on = condition("{} = {}", orders.value("customer_id"), customers.value("id"))
    where = [condition("{} IS NULL", orders.value("shipped_at"))]
    return Select(items, orders, [("JOIN", customers, on)], where).query()


def _customer_revenue(of: Open) -> Query:
    orders = of("sales.orders", "")
    items = [
        (orders.value("customer_id"), "customer_id"),
        (aggregate("sum({})", orders.value("total")), "revenue"),
        (Value("count(*)", "number"), "orders"),
        (aggregate("max({})", orders.value("placed_at"), kind="time"), "last_order_at"),
    ]
    where = [condition("{} <> 'cancelled'", orders.value("status"))]
    return Select(items, orders, where=where, group=[orders.value("customer_id")]).query()


def _line_values(of: Open) -> Query:
    lines, products = of("sales.order_lines", "l"), of("sales.products", "p")
    gift = condition("{}", lines.value("gift"))
    net = derive("{} * {}", lines.value("quantity"), lines.value("unit_price"), kind="number")
    case = derive(f"CASE WHEN {gift.text} THEN 0 ELSE {{}} END", net, kind="number")
    items = [
        (lines.value("id"), "id"),
        (lines.value("order_id"), "order_id"),
        (lines.value("product_id"), "product_id"),
        (reading(case, gift), "net"),
        (derive("upper({})", products.value("sku"), kind="text"), "sku"),
    ]
    on = condition("{} = {}", lines.value("product_id"), products.value("id"))
    return Select(items, lines, [("LEFT JOIN", products, on)]).query()


def _people(of: Open) -> Query:
    contacts, users = of("crm.contacts", "c"), of("public.users", "u")
    name = derive(
        "{} || ' ' || {}", contacts.value("first_name"), contacts.value("last_name"), kind="text"
    )
    first = Select(
        [
            (contacts.value("id"), "id"),
            (name, "name"),
            (contacts.value("created_at"), "created_at"),
            (contacts.value("account_id"), "account_id"),
        ],
        contacts,
    )
    second = Select(
        [
            (users.value("id"), "id"),
            (users.value("full_name"), "name"),
            (users.value("created_at"), "created_at"),
            (Value("NULL::bigint", "key"), "account_id"),
        ],
        users,
        where=[condition("NOT {}", users.value("disabled"))],
    )
    return union(first.query(), second.query())


def _good_customers(of: Open) -> Query:
    revenue, customers = of("sales.customer_revenue", "r"), of("sales.customers", "c")
    items = [
        (customers.value("id"), "customer_id"),
        (customers.value("email"), "email"),
        (revenue.value("revenue"), "revenue"),
        (
            derive("{} / {}", revenue.value("revenue"), revenue.value("orders"), kind="number"),
            "mean",
        ),
        (customers.value("country_id"), "country_id"),
    ]
    on = condition("{} = {}", revenue.value("customer_id"), customers.value("id"))
    where = [condition("{} > 1000", revenue.value("revenue"))]
    return Select(items, revenue, [("JOIN", customers, on)], where).query()


def _best_customers(of: Open) -> Query:
    good = of("sales.good_customers", "g")
    ranked = Value("rank() OVER (ORDER BY g.mean DESC)", "number", {}, good.value("mean").uses)
    inner = Select(
        [(value, name) for name, value in zip(good.columns, good.values(), strict=True)], good
    )
    inner.items = [*inner.items, (ranked, "place")]
    ranks = query_source(inner.query(), "ranks")
    countries = of("public.countries", "n")
    items = [
        (ranks.value("customer_id"), "customer_id"),
        (ranks.value("email"), "email"),
        (ranks.value("mean"), "mean"),
        (ranks.value("place"), "place"),
        (countries.value("title"), "country"),
    ]
    on = condition("{} = {}", ranks.value("country_id"), countries.value("id"))
    where = [condition("{} <= 100", ranks.value("place"))]
    return Select(items, ranks, [("JOIN", countries, on)], where).query()


def _product_sales(of: Open) -> Query:
    lines, orders = of("sales.line_values", "v"), of("sales.open_orders", "o")
    items = [
        (lines.value("product_id"), "product_id"),
        (derive("date_trunc('month', {})", orders.value("placed_at"), kind="time"), "month"),
        (aggregate("sum({})", lines.value("net")), "net"),
        (aggregate("count(DISTINCT {})", orders.value("customer_id")), "customers"),
    ]
    on = condition("{} = {}", lines.value("order_id"), orders.value("id"))
    group = [lines.value("product_id"), items[1][0]]
    return Select(items, lines, [("JOIN", orders, on)], group=group).query()


def _ticket_load(of: Open) -> Query:
    tickets, people = of("crm.tickets", "t"), of("crm.people", "p")
    items = [
        (tickets.value("user_id"), "user_id"),
        (people.value("name"), "name"),
        (Value("count(*)", "number"), "tickets"),
        (aggregate("avg({})", tickets.value("priority")), "priority"),
    ]
    on = condition("{} = {}", tickets.value("user_id"), people.value("id"))
    where = [condition("{} IN ('open', 'waiting')", tickets.value("state"))]
    group = [tickets.value("user_id"), people.value("name")]
    return Select(items, tickets, [("JOIN", people, on)], where, group).query()


_MAKERS: Mapping[str, Callable[[Open], Query]] = {
    "sales.open_orders": _open_orders,
    "sales.customer_revenue": _customer_revenue,
    "sales.line_values": _line_values,
    "crm.people": _people,
    "sales.good_customers": _good_customers,
    "sales.best_customers": _best_customers,
    "sales.product_sales": _product_sales,
    "crm.ticket_load": _ticket_load,
}


@cache
def views() -> Mapping[Table, Query]:
    """Return the queries of the small catalogue's views, and enter them in the catalogue."""
    catalogue = small_catalogue()
    made: dict[Table, Query] = {}
    for name, make in _MAKERS.items():
        schema, _, table = name.partition(".")
        query = make(lambda name, alias: _open(catalogue, made, name, alias))
        view = Table(schema, table)
        made[view] = query
        catalogue.definitions[view] = query.text
        catalogue.view_columns[view] = {one: value.kind for one, value in query.columns.items()}
    return made


def _open(catalogue: Catalogue, made: Mapping[Table, Query], name: str, alias: str) -> Source:
    schema, _, table = name.partition(".")
    return table_source(catalogue, made, Table(schema, table), alias)
