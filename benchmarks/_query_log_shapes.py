"""Shapes: statements that differ in more than literals, each with its truth."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks._query_log_catalogue import Catalogue, Table, large_catalogue, small_catalogue
from benchmarks._query_log_inserting import INSERTING
from benchmarks._query_log_literals import Template
from benchmarks._query_log_maker import Maker
from benchmarks._query_log_reading import READING
from benchmarks._query_log_values import NOTHING, Statement, Truth, Value, written
from benchmarks._query_log_views import views
from benchmarks._query_log_writing import CHANGING

SHAPES = 200
_FAMILIES: Mapping[str, Callable[[Maker], Statement]] = {**READING, **INSERTING, **CHANGING}
_LITERAL_SEED = 20_241_004
_STRIDE = 7_919
"""A prime: steps of it reach every table once before one comes again."""

_ORDERS = Table("sales", "orders")
_UTILITIES: tuple[Statement, ...] = (
    Statement("SET statement_timeout = ‹small›", Truth("utility")),
    Statement("BEGIN", Truth("utility")),
    Statement("COMMIT", Truth("utility")),
    Statement("SET LOCAL application_name = ‹text›", Truth("utility")),
    Statement("SHOW server_version", Truth("utility")),
    Statement("ALTER ROLE reporter PASSWORD ‹text›", Truth("utility")),
    Statement("NOTIFY refreshed, ‹text›", Truth("utility")),
    Statement(
        "TRUNCATE TABLE sales.daily_totals",
        Truth.of("utility", NOTHING, {Table("sales", "daily_totals"): []}),
    ),
    Statement(
        "COPY sales.stock (product_id, warehouse_id, quantity) FROM STDIN",
        Truth.of(
            "utility",
            NOTHING,
            {
                Table("sales", "stock"): [
                    (name, Value("", "key")) for name in ("product_id", "warehouse_id", "quantity")
                ]
            },
        ),
    ),
    Statement(
        "ALTER TABLE sales.orders ALTER COLUMN channel\nSET DEFAULT ‹text›",
        Truth.of("utility", written(_ORDERS), {_ORDERS: []}),
    ),
)


@dataclass(frozen=True)
class Shape:
    """A statement without its literals.

    Attributes:
        number: Its place among the shapes.
        family: What sort of statement it is.
        text: With `‹…›` for literals.
        truth: What it reads and writes.
        template: Fills the literals in.
    """

    number: int
    family: str
    text: str
    truth: Truth
    template: Template = field(repr=False, compare=False)

    @property
    def query_id(self) -> int:
        """An identifier as a server would give it: a signed number of 64 bits."""
        return (self.number + 1) * 0x9E3779B97F4A7C15 % (1 << 64) - (1 << 63)


def shapes(count: int = SHAPES, seed: int = 1) -> list[Shape]:
    """Return shapes over the small catalogue and its views.

    Args:
        count: How many; ten of them, if there are as many, are utility statements.
        seed: Of what is drawn.
    """
    utilities = len(_UTILITIES) if count >= SHAPES else count // 20
    families = _families()
    names = list(families)
    found = []
    for number in range(count - utilities):
        name = names[number % len(names)]
        make = Maker(small_catalogue(), views(), f"{seed} {number}", number)
        found.append(_shape(number, name, families[name](make)))
    for statement in _UTILITIES[:utilities]:
        found.append(_shape(len(found), "utility", statement))
    return found


def distinct(count: int, seed: int = 1, tables: int = 10_000) -> list[Shape]:
    """Return shapes over the large catalogue, no two of which have the same fingerprint.

    Each has another table or another family than all others; the table stands where the family is
    about it.

    Args:
        count: How many.
        seed: Of what is drawn.
        tables: Size of the catalogue, `large_catalogue(tables)`.

    Raises:
        ValueError: If there are not as many pairs of table and family.
    """
    catalogue = large_catalogue(tables)
    # Those left out need tables that share a column, or documents.
    names = [name for name in _FAMILIES if name not in ("using", "insert_json")]
    if count > tables * len(names):
        raise ValueError(f"{tables} tables make {tables * len(names)} shapes, not {count}")
    start = zlib.crc32(str(seed).encode())
    found = []
    for number in range(count):
        name = names[(number + number // tables) % len(names)]
        found.append(_one_of(catalogue, number, (start + number * _STRIDE) % tables, name, seed))
    return found


def _one_of(catalogue: Catalogue, number: int, place: int, family: str, seed: int) -> Shape:
    make = Maker(catalogue, {}, f"{seed} {number}", number, catalogue.names[place])
    return _shape(number, family, _FAMILIES[family](make))


def _shape(number: int, family: str, statement: Statement) -> Shape:
    template = Template(statement.text, _LITERAL_SEED)
    return Shape(number, family, statement.text, statement.truth, template)


def _families() -> Mapping[str, Callable[[Maker], Statement]]:
    """Return all families, and some that are about a view."""
    of_views = ("simple", "star", "joined", "grouped", "with_ctes", "windows", "lateral")
    families = dict(_FAMILIES)
    for name in (*of_views, "create_table_as"):
        families[f"view_{name}"] = _of_view(families[name])
    return families


def _of_view(family: Callable[[Maker], Statement]) -> Callable[[Maker], Statement]:
    def make_of_view(make: Maker) -> Statement:
        return family(Maker(make.catalogue, make.views, make.seed, make.number, make.view()))

    return make_of_view
