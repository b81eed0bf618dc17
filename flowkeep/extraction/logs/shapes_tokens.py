"""Shapes of any dialect's statements, by sqlglot's tokens."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.logs import redact, shape_lists
from flowkeep.extraction.logs.shape import (
    MAX_BYTES,
    Shape,
    TableName,
    Unreadable,
    exceeds,
    is_marker,
    key_of,
    sorted_tables,
)
from flowkeep.extraction.logs.shape_depth import depth_of
from flowkeep.extraction.logs.shape_memo import Memo

if TYPE_CHECKING:
    from sqlglot import exp

MAX_BRACKETS = 300
"""Levels of brackets that sqlglot goes through safely: it recurses over them."""
MAX_LEVELS = 10_000
"""Levels of operators, which it does not recurse over, but the freeing of its trees does."""
_LITERAL = "?"
_UNQUOTED = frozenset({"PUT", "GET", "SET"})
"""Commands that take files or values without quotes."""
_SCHEME = b"1"
"""Changes with whatever changes the fingerprints of the same sqlglot."""
_HASH_BYTES = 8


class TokenShaper:
    """Makes shapes by the tokens of sqlglot; see `Shaper`.

    Literals become `?`. A statement is remembered by its words without literals, so that only the
    first of a shape is parsed, and no literal reaches the parser, its errors or its log.

    Args:
        dialect: The dialect, as sqlglot names it.
        max_bytes: Longest statement to read, in bytes of UTF-8.

    Raises:
        ConfigurationError: If there is no such dialect.
    """

    def __init__(self, dialect: str, max_bytes: int = MAX_BYTES) -> None:
        from sqlglot.dialects.dialect import Dialect

        try:
            self._reader = redact.Reader(dialect)
        except ValueError:
            raise ConfigurationError(
                f"there is no SQL dialect {dialect!r}",
                hint="name one that sqlglot knows, for example mysql, snowflake or bigquery",
            ) from None
        self.parser = f"sqlglot {version('sqlglot')}"
        logging.getLogger("sqlglot").addFilter(_holds_no_statement)
        self._dialect = dialect
        self._max_bytes = max_bytes
        strategy = Dialect.get_or_raise(dialect).normalization_strategy.name
        self._fold_names = strategy not in ("CASE_SENSITIVE", "CASE_INSENSITIVE")
        self._fold_all = strategy in ("CASE_INSENSITIVE", "CASE_INSENSITIVE_UPPERCASE")
        self._upper = strategy == "UPPERCASE"
        self._memo = Memo()
        self._by_key = Memo()

    def shape(self, text: str) -> Shape | Unreadable:
        """Return the statement's shape; see `Shaper.shape`."""
        if exceeds(text, self._max_bytes):
            return Unreadable("too_long")
        if "\0" in text:
            return Unreadable("syntax", text.index("\0"))
        if not text.isascii():  # lone surrogates stand for bytes that are not UTF-8
            text = text.encode(errors="surrogatepass").decode(errors="replace")
        if is_marker(text):
            return Unreadable("redacted_at_source")
        read = self._reader.read(text)
        if read is None:
            return Unreadable("truncated")  # of a string, a name or a comment
        name = " ".join(
            _LITERAL if literal else text[token.start : token.end + 1]
            for token, literal in zip(read.tokens, read.literal, strict=True)
        )
        known = self._memo.get(name)
        if known is None:
            known = self._read(read)
            self._memo.put(name, known)
        return known

    def _words(self, read: redact.Read) -> list[str | None]:
        """Return the words of the redacted text; None and empty ones are left out."""
        literal = shape_lists.with_constants(read)
        sign = shape_lists.signs(read, literal)
        words: list[str | None] = []
        for index, token in enumerate(read.tokens):
            tail = index > 0 and literal[index] and read.literal[index - 1]
            tail = tail and read.tokens[index - 1].end + 1 == token.start and bool(words[-1])
            if sign[index] or (tail and not _is_string(read.source(index))):
                words.append("")
            else:
                words.append(_LITERAL if literal[index] else read.source(index))
        return shape_lists.shorten(read, words, literal, sign)

    def _read(self, read: redact.Read) -> Shape | Unreadable:
        """Make a shape, by parsing the text with other literals in place of its own."""
        import sqlglot
        from sqlglot.errors import SqlglotError

        words = self._words(read)
        if all(not word or word == ";" for word in words):
            return Unreadable("empty")
        depth = depth_of(read)
        if depth.brackets > MAX_BRACKETS or depth.tree > MAX_LEVELS:
            return Unreadable("too_deep")
        neutral = [
            ("'x'" if _is_string(read.source(index)) else "0") if word == _LITERAL else word
            for index, word in enumerate(words)
        ]
        try:
            trees = sqlglot.parse(redact.rewritten(read, neutral), read=self._dialect)
            found = [tree for tree in trees if tree is not None]
            tables = sorted_tables({table for tree in found for table in _tables(tree)})
            kind = "; ".join(dict.fromkeys(_kind(tree) for tree in found))
        except RecursionError:
            return Unreadable("too_deep")
        except (SqlglotError, ValueError, IndexError, AttributeError, TypeError):
            return Unreadable("syntax")  # sqlglot's own failures too
        if not found:
            return Unreadable("empty")
        if any(_is_no_statement(tree) for tree in found):
            return Unreadable("syntax")
        unquoted = not _UNQUOTED.isdisjoint(kind.split("; "))
        fingerprint = _hash([kind] if unquoted else self._folded(read, words))
        key = key_of(self.parser, self._dialect, fingerprint, tables)
        known = self._by_key.get(key)
        if known is None:
            changed = read.commented or words != redact.sources(read)
            redacted = redact.rewritten(read, words) if changed else read.text
            again = self._reader.read(redacted)
            sure = again is not None and redact.is_clean(again) and not unquoted
            dropped = None if sure else "unverified"
            text = kind if dropped else redacted
            known = Shape(key, fingerprint, self.parser, text, kind, tables, dropped)
            self._by_key.put(key, known)
        return known

    def _folded(self, read: redact.Read, words: list[str | None]) -> Iterator[str]:
        """Yield the words in the case that means the same to the dialect."""
        last = len(words)
        while last and words[last - 1] in ("", ";", None):
            last -= 1
        types = redact.token_types()
        for index in range(last):
            token, word = read.tokens[index], words[index]
            if not word:
                continue
            quoted = token.token_type is types.identifier
            if word == _LITERAL or not (quoted or token.token_type is types.variable):
                yield word.upper()
                continue
            called = index + 1 < len(read.tokens) and read.source(index + 1) == "("
            name = token.text
            if self._fold_all or (not quoted and (self._fold_names or called)):
                name = name.upper() if self._upper else name.lower()
            yield f'"{name}'


def _hash(words: Iterable[str]) -> str:
    """Return the fingerprint of a sequence of words."""
    digest = hashlib.blake2b(_SCHEME, digest_size=_HASH_BYTES)
    for word in words:
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()


def _holds_no_statement(record: logging.LogRecord) -> bool:
    """Keep sqlglot from logging statements, which its warnings quote."""
    return record.levelno > logging.WARNING


def _is_string(source: str) -> bool:
    return "'" in source or '"' in source or "$" in source


def _is_no_statement(tree: "exp.Expr") -> bool:
    """Tell whether a tree is an expression only, which is what sqlglot takes any words for."""
    from sqlglot import exp

    return isinstance(tree, exp.Condition | exp.Alias | exp.Aliases | exp.Tuple | exp.Star)


def _tables(tree: "exp.Expr") -> set[TableName]:
    """Return the tables a tree names; names of its CTEs are none."""
    from sqlglot import exp

    inner = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    found: set[TableName] = set()
    for table in tree.find_all(exp.Table):
        if table.name and not (not table.db and table.name.lower() in inner):
            found.add((table.catalog or None, table.db or None, table.name))
    return found


def _kind(tree: Any) -> str:
    """Return the command of a statement, for example `CREATE TABLE AS`."""
    from sqlglot import exp

    match tree:
        case exp.Command():
            return str(tree.this).upper()
        case exp.Query():
            return "SELECT INTO" if tree.args.get("into") else "SELECT"
        case exp.Create():
            made = f"CREATE {tree.kind or ''}".strip()
            return f"{made} AS" if tree.expression and tree.kind == "TABLE" else made
        case exp.Drop() | exp.Alter():
            return f"{tree.key.upper()} {tree.args.get('kind') or ''}".strip()
        case exp.Transaction():
            return "BEGIN"
        case exp.TruncateTable():
            return "TRUNCATE"
    return str(tree.key).upper()
