"""Which objects of a source are extracted: rules, and the conditions in SQL made of them.

A `Rule` says what a name must look like. `compile_rules` makes conditions with bound values of
all rules, which stand in the slots of the statements: `{schema_filter}`, `{table_filter}`,
`{procedure_filter}`, `{database_filter}`. `Scope` judges names that are already here, by the same
rules.
"""

from flowkeep.extraction.filters.compile import CompiledFilter, compile_rules
from flowkeep.extraction.filters.rule import Action, Case, Level, Match, Pattern, Rule
from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.filters.syntax import Bind, FilterSyntax
from flowkeep.extraction.filters.text import parse_rule

__all__ = [
    "Action",
    "Bind",
    "Case",
    "CompiledFilter",
    "FilterSyntax",
    "Level",
    "Match",
    "Pattern",
    "Rule",
    "Scope",
    "compile_rules",
    "parse_rule",
]
