"""Changes of routines, triggers, views, sequences, types and comments; and what is no change."""

from tests.extraction.mutations.model import (
    Enum,
    Function,
    Named,
    Sequence,
    Trigger,
    View,
)
from tests.extraction.mutations.mutator import Mutations, at


def create_function(m: Mutations) -> str | None:
    schema = m.one(m.model.schemas)
    if schema is None:
        return None
    for_triggers = m.one([True, False]) or False
    argument = "" if for_triggers else m.one(["integer", "text"]) or ""
    function = Function(m.new("f"), schema, argument, m.number(), for_triggers)
    m.model.functions.append(function)
    return _function(function)


def replace_function(m: Mutations) -> str | None:
    function = m.one(m.model.functions)
    if function is None:
        return None
    function.body = m.number()
    return _function(function)


def _function(function: Function) -> str:
    if function.for_triggers:
        body = f"BEGIN RETURN NEW; /* {function.body} */ END"
        returns = f"RETURNS trigger LANGUAGE plpgsql AS '{body}'"
    else:
        returns = f"RETURNS integer LANGUAGE sql AS 'SELECT {function.body}'"
    return f"CREATE OR REPLACE FUNCTION {at(function)}({function.argument}) {returns}"


def change_function(m: Mutations) -> str | None:
    function = m.one(m.model.functions)
    if function is None:
        return None
    old = f"{at(function)}({function.argument})"
    what = m.one(["drop", "rename", "own"])
    if what == "drop":
        m.model.drop_function(function)
        return f"DROP FUNCTION {old} CASCADE"
    if what == "own":
        function.owner = "second"
        return f"ALTER FUNCTION {old} OWNER TO {m.second}"
    function.name = m.new("f")
    return f"ALTER FUNCTION {old} RENAME TO {function.name}"


def add_trigger(m: Mutations) -> str | None:
    table, function = m.table(), m.one([one for one in m.model.functions if one.for_triggers])
    if table is None or function is None:
        return None
    trigger = Trigger(m.new("g"), function)
    table.triggers.append(trigger)
    return (
        f"CREATE TRIGGER {trigger.name} BEFORE UPDATE ON {at(table)}"
        f" FOR EACH ROW EXECUTE FUNCTION {at(function)}()"
    )


def change_trigger(m: Mutations) -> str | None:
    table = m.one([one for one in m.model.tables if one.triggers])
    trigger = m.one(table.triggers) if table else None
    if table is None or trigger is None:
        return None
    what = m.one(["drop", "rename", "switch"])
    if what == "drop":
        table.triggers.remove(trigger)
        return f"DROP TRIGGER {trigger.name} ON {at(table)}"
    if what == "switch":
        trigger.enabled = not trigger.enabled
        word = "ENABLE" if trigger.enabled else "DISABLE"
        return f"ALTER TABLE {at(table)} {word} TRIGGER {trigger.name}"
    old, trigger.name = trigger.name, m.new("g")
    return f"ALTER TRIGGER {old} ON {at(table)} RENAME TO {trigger.name}"


def create_view(m: Mutations) -> str | None:
    table, schema = m.table(), m.one(m.model.schemas)
    if table is None or schema is None:
        return None
    view = View(m.new("v"), schema, table, [(one, one.name) for one in table.columns[:2]])
    m.model.views.append(view)
    return _view(view)


def replace_view(m: Mutations) -> str | None:
    view = m.one(m.model.views)
    if view is None:
        return None
    used = [column for column, _ in view.columns]
    column = m.one([one for one in view.source.columns if one not in used])
    if column is None:
        return None
    view.columns.append((column, m.new("o")))
    return _view(view)


def _view(view: View) -> str:
    listed = ", ".join(f"z.{column.name} AS {out}" for column, out in view.columns)
    return f"CREATE OR REPLACE VIEW {at(view)} AS SELECT {listed} FROM {at(view.source)} AS z"


def change_view(m: Mutations) -> str | None:
    view = m.one(m.model.views)
    if view is None:
        return None
    if m.one([True, False]):
        m.model.views.remove(view)
        return f"DROP VIEW {at(view)}"
    old, view.name = at(view), m.new("v")
    return f"ALTER VIEW {old} RENAME TO {view.name}"


def create_sequence(m: Mutations) -> str | None:
    schema = m.one(m.model.schemas)
    if schema is None:
        return None
    sequence = Sequence(m.new("q"), schema, 1)
    m.model.sequences.append(sequence)
    return f"CREATE SEQUENCE {at(sequence)}"


def change_sequence(m: Mutations) -> str | None:
    sequence = m.one(m.model.sequences)
    if sequence is None:
        return None
    what = m.one(["drop", "rename", "step", "own"])
    old = at(sequence)
    if what == "drop":
        m.model.sequences.remove(sequence)
        return f"DROP SEQUENCE {old}"
    if what == "step":
        sequence.increment = m.number()
        return f"ALTER SEQUENCE {old} INCREMENT {sequence.increment}"
    if what == "rename":
        sequence.name = m.new("q")
        return f"ALTER SEQUENCE {old} RENAME TO {sequence.name}"
    table = m.table()
    column = m.column(table) if table else None
    if table is None or column is None or table.schema is not sequence.schema:
        return None
    if table.owner != sequence.owner:
        return None
    sequence.owned_by = (table, column)
    return f"ALTER SEQUENCE {old} OWNED BY {at(table)}.{column.name}"


def create_enum(m: Mutations) -> str | None:
    schema = m.one(m.model.schemas)
    if schema is None:
        return None
    enum = Enum(m.new("e"), schema, ["a", "b"])
    m.model.enums.append(enum)
    return f"CREATE TYPE {at(enum)} AS ENUM ('a', 'b')"


def change_enum(m: Mutations) -> str | None:
    enum = m.one(m.model.enums)
    if enum is None:
        return None
    what = m.one(["drop", "rename", "add", "label"])
    old = at(enum)
    if what == "drop":
        m.model.drop_enum(enum)
        return f"DROP TYPE {old} CASCADE"
    if what == "rename":
        enum.name = m.new("e")
        return f"ALTER TYPE {old} RENAME TO {enum.name}"
    label = m.new("l")
    if what == "add":
        enum.labels.insert(0, label)
        return f"ALTER TYPE {old} ADD VALUE '{label}' BEFORE '{enum.labels[1]}'"
    before, enum.labels[0] = enum.labels[0], label
    return f"ALTER TYPE {old} RENAME VALUE '{before}' TO '{label}'"


def comment(m: Mutations) -> str | None:
    model = m.model
    places: list[tuple[Named, str]] = [(one, f"SCHEMA {one.name}") for one in model.schemas]
    places += [(one, f"VIEW {at(one)}") for one in model.views]
    places += [(one, f"SEQUENCE {at(one)}") for one in model.sequences]
    places += [(one, f"TYPE {at(one)}") for one in model.enums]
    places += [(one, f"FUNCTION {at(one)}({one.argument})") for one in model.functions]
    for table in model.tables:
        name = at(table)
        places.append((table, f"TABLE {name}"))
        places += [(one, f"COLUMN {name}.{one.name}") for one in table.columns]
        places += [(one, f"CONSTRAINT {one.name} ON {name}") for one in table.constraints]
        places += [(one, f"TRIGGER {one.name} ON {name}") for one in table.triggers]
        places += [(one, f"INDEX {table.schema.name}.{one.name}") for one in table.indexes]
    found = m.one(places)
    if found is None:
        return None
    found[0].comment = m.one([None, "note", m.new("note ")])
    text = "NULL" if found[0].comment is None else f"'{found[0].comment}'"
    return f"COMMENT ON {found[1]} IS {text}"


def fill(m: Mutations) -> str | None:
    """Rows and statistics, which are no change."""
    table = m.table()
    if table is None:
        return None
    nulls = ", NULL" * (len(table.columns) - 1)  # a default could break a foreign key
    return f"INSERT INTO {at(table)} VALUES ({m.number()}{nulls}); ANALYZE {at(table)}"
