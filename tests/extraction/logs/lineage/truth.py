"""Reads the truth: statements with the lineage that was worked out by hand.

A case is a statement on one line, and below it::

    = kind reads… -> writes… ~ read through views only…
    table.column=usages …                    columns read; `-` for a value that goes nowhere
    > table.column <- table.column=kinds …   a column written, and where it comes from
    > table.* <- …                           what decides which rows are written
    ! problem

Usages and kinds are letters: o output, j join, f filter, g group by, s sort, w window,
c conditional; I identity, T transformation, A aggregation. `?` marks what is only assumed.
Tables are those of the schema public unless they are written with another one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flowkeep.extraction.logs.lineage.model import Catalogue, Lineage
from flowkeep.extraction.logs.lineage.names import ColumnName, TableName

DATABASE = "shop"
SEARCH_PATH = ("public",)
_FILES = ("truth_queries.txt", "truth_changes.txt")
_USAGES = {
    "output": "o",
    "join": "j",
    "filter": "f",
    "group_by": "g",
    "sort": "s",
    "window": "w",
    "conditional": "c",
}
_KINDS = {
    "IDENTITY": "I",
    "TRANSFORMATION": "T",
    "AGGREGATION": "A",
    **{name.upper(): letter for name, letter in _USAGES.items()},
}


def _public(name: str) -> TableName:
    return TableName(DATABASE, "public", name)


def catalogue() -> Catalogue:
    """The tables and views of the cases."""
    tables = {
        _public("t"): ["id", "a", "b", "c", "d", "n"],
        _public("u"): ["id", "t_id", "x", "y", "z"],
        _public("v"): ["id", "p", "q"],
        _public("w"): ["id", "a", "r"],
        _public("emp"): ["id", "name", "dept_id", "boss_id", "salary"],
        _public("dept"): ["id", "title", "city"],
        _public("Odd"): ["A b", "Cd"],
        TableName(DATABASE, "s", "t"): ["id", "e", "f"],
        _public("tv"): ["m", "k"],
        _public("deptv"): ["title", "total"],
        _public("nested"): ["mm"],
        _public("loop1"): ["z"],
        _public("loop2"): ["z"],
    }
    views = {
        _public("tv"): "SELECT a AS m, b AS k FROM t WHERE c > 0;",
        _public("deptv"): "SELECT d.title, sum(e.salary) AS total FROM public.emp e "
        "JOIN public.dept d ON d.id = e.dept_id GROUP BY d.title",
        _public("nested"): " SELECT tv.m AS mm\n   FROM public.tv",
        _public("bare"): "SELECT b AS kk FROM t",
        _public("loop1"): "SELECT z FROM loop2",
        _public("loop2"): "SELECT z FROM loop1",
    }
    return Catalogue(tables, views)


@dataclass
class Case:
    """One statement and its truth, as sets of short strings."""

    topic: str
    sql: str
    kind: str = ""
    tables: dict[str, set[str]] = field(
        default_factory=lambda: {"reads": set(), "writes": set(), "through_views": set()}
    )
    column_reads: set[str] = field(default_factory=set)
    column_writes: set[str] = field(default_factory=set)
    edges: set[str] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)


def cases() -> list[Case]:
    """All cases."""
    return [case for name in _FILES for case in _read(Path(__file__).with_name(name))]


def _read(path: Path) -> Iterator[Case]:
    topic = ""
    case: Case | None = None
    for line in path.read_text().splitlines():
        if line.startswith("## "):
            topic = line[3:]
        elif not line.strip() or line.startswith("# "):
            if case is not None:
                yield case
            case = None
        elif case is None:
            case = Case(topic, line)
        else:
            _add(case, line)
    if case is not None:
        yield case


def _add(case: Case, line: str) -> None:
    if line.startswith("= "):
        case.kind, *words = line[2:].split()
        part = "reads"
        for word in words:
            if word in ("->", "~"):
                part = "writes" if word == "->" else "through_views"
            else:
                case.tables[part].add(word)
    elif line.startswith("> "):
        target, _, sources = line[2:].partition(" <- ")
        if not target.endswith(".*"):
            case.column_writes.add(target)
        for source in sources.split():
            column, _, kinds = source.partition("=")
            for letter in kinds.removesuffix("?"):
                unsure = "?" if kinds.endswith("?") else ""
                case.edges.add(f"{target.removesuffix('?')} <- {column}={letter}{unsure}")
    elif line.startswith("! "):
        case.problems.add(line[2:])
    else:
        for read in line.replace("A b", "A_b").split():
            column, _, usages = read.replace("A_b", "A b").partition("=")
            unsure = "?" if usages.endswith("?") else ""
            letters = "".join(sorted(usages.removesuffix("?").replace("-", "")))
            case.column_reads.add(f"{column}={letters}{unsure}")


def found(case: Case, lineage: Lineage) -> Case:
    """What was found of a case's statement, in the form of a case."""
    result = Case(case.topic, case.sql, lineage.kind)
    for part, names in result.tables.items():
        names |= {_short(table) for table in getattr(lineage, part)}
    for read in lineage.column_reads:
        letters = "".join(sorted(_USAGES[usage] for usage in read.usages))
        result.column_reads.add(f"{_column(read.column)}={letters}{'' if read.exact else '?'}")
    for write in lineage.column_writes:
        result.column_writes.add(_column(write.column) + ("" if write.exact else "?"))
    for edge in lineage.edges:
        assert edge.direct == (edge.transformation in ("IDENTITY", "TRANSFORMATION", "AGGREGATION"))
        kind = _KINDS[edge.transformation] + ("" if edge.exact else "?")
        result.edges.add(f"{_column(edge.target)} <- {_column(edge.source)}={kind}")
    for problem in lineage.problems:
        code, _, name = problem.partition(" ")
        result.problems.add(f"{code} {name.removeprefix('shop.').removeprefix('public.')}")
    return result


def _short(name: TableName) -> str:
    return name.table if name.schema in ("public", None) else f"{name.schema}.{name.table}"


def _column(name: ColumnName) -> str:
    return f"{_short(name.table)}.{name.column or '*'}"
