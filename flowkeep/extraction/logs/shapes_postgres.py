"""Shapes of PostgreSQL's statements, by PostgreSQL's own parser."""

import hashlib
import re
from collections.abc import Callable
from importlib.metadata import version

from flowkeep.extraction.logs import redact, shape_comments, shape_lists
from flowkeep.extraction.logs.shape import (
    MAX_BYTES,
    Reason,
    Shape,
    Unreadable,
    exceeds,
    is_marker,
    key_of,
    sorted_tables,
)
from flowkeep.extraction.logs.shape_depth import depth_of
from flowkeep.extraction.logs.shape_kinds import Statements, kind_of, spared_of, summary_of
from flowkeep.extraction.logs.shape_memo import Memo
from flowkeep.extraction.logs.shape_skeleton import skeleton, structure, unnumbered

MAX_LEVELS = 4_000
"""Levels of operators that the parser goes through safely: it recurses in C, without a check of
its own, over up to 400 bytes of the stack per level. The smallest usual stack has 2 MiB."""
_LONG = 2 * MAX_LEVELS
"""Characters below which a text cannot have more levels: an operator and an operand each."""
_REDACTABLE = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "PREPARE", "COPY", "CALL"}
    | {"SELECT INTO", "CREATE TABLE AS", "CREATE MATERIALIZED VIEW", "CREATE VIEW"}
    | {"DECLARE CURSOR"}
)
"""Commands with queries, whose literals the tokens take out where the parser leaves some."""
_MAY_HOLD_LITERAL = re.compile(r"'|--|/\*|\$(?![0-9])|(?<![\w$])\d")
"""Matches wherever a string, a comment, a dollar quote or a number begins, and elsewhere too."""
_DEEPEST_COMMENT = 50
"""Comments in comments: the parser's time grows with the square of their number."""
_SIGNED_COMMENT = re.compile(r"-\s*(?:--|/\*)")
"""Where the normaliser takes the comment for the number, and leaves that."""
_HASH_BYTES = 8


class PostgresShaper:
    """Makes shapes by `pgparse`, a binding of libpg_query; see `Shaper`.

    Args:
        max_bytes: Longest statement to read, in bytes of UTF-8.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        import pgparse

        self.parser = f"pgparse {version('pgparse')}"
        self._max_bytes = max_bytes
        self._normalize: Callable[[str], str] = pgparse.normalize
        self._error: type[Exception] = pgparse.PGQueryError
        self._reader = redact.Reader("postgres")
        self._memo = Memo()
        self._by_skeleton = Memo()
        self._by_key = Memo()

    def shape(self, text: str) -> Shape | Unreadable:
        """Return the statement's shape; see `Shaper.shape`."""
        name = skeleton(text) if len(text) <= _LONG else None
        if name is None:
            return self._shape(text)
        if (known := self._by_skeleton.get(name)) is None:
            known = self._shape(text)
            if isinstance(known, Shape):  # another literal may well make sense of it
                self._by_skeleton.put(name, known)
        return known

    def _shape(self, text: str) -> Shape | Unreadable:
        if exceeds(text, self._max_bytes):
            return Unreadable("too_long")
        if shape_comments.nested(text) > _DEEPEST_COMMENT:
            return Unreadable("too_deep")
        if "\0" in text:  # where the parser would end without a word
            return Unreadable("syntax", text.index("\0"))
        if len(text) > _LONG:
            shorter = self._shortened(text)
            if isinstance(shorter, Unreadable):
                return shorter
            text = shorter
        if _SIGNED_COMMENT.search(text) is not None and self._fingerprint(text):
            text = shape_comments.removed(text)
        try:
            normal = self._normalize(text)
        except UnicodeEncodeError:  # lone surrogates, which stand for bytes that are not UTF-8
            return self._shape(text.encode(errors="surrogatepass").decode(errors="replace"))
        except self._error as error:
            return _refusal(error, text)
        plain = shape_comments.removed(normal)
        name = unnumbered(plain)
        if (known := self._memo.get(name)) is None:
            known = self._read(text, plain)
            self._memo.put(name, known)
        return known

    def _shortened(self, text: str) -> str | Unreadable:
        """Return a long text without comments and with one member of each list of literals.

        PostgreSQL's parser takes 500 bytes for every member of such a list.
        """
        read = self._reader.read(text)
        if read is None:
            return self._why(text)
        if depth_of(read).tree > MAX_LEVELS:
            return Unreadable("too_deep")
        literal = shape_lists.with_constants(read)
        words = shape_lists.shorten(
            read, redact.sources(read), literal, shape_lists.signs(read, literal)
        )
        shorter = redact.rewritten(read, words)
        print_ = self._fingerprint(text)
        return shorter if print_ and self._fingerprint(shorter) == print_ else text

    def _read(self, text: str, plain: str) -> Shape | Unreadable:
        """Make a shape.

        Args:
            text: The statement.
            plain: It as the parser normalises it, without comments.
        """
        import pgparse

        from flowkeep.extraction.logs.lineage.pg_tables import table_set

        try:
            statements = pgparse.parse(text)
            if not statements:
                return Unreadable("empty")
            tables = sorted_tables(table_set(statements))
        except RecursionError:
            return Unreadable("too_deep")
        except self._error as error:
            return _refusal(error, text)
        except (KeyError, TypeError, ValueError):  # names of more parts than PostgreSQL has
            return Unreadable("syntax")
        redacted, fingerprint, dropped = self._redacted(text, plain, statements)
        exact = f"{fingerprint}-{_hash(structure(redacted))}"
        key = key_of(self.parser, "postgres", exact, tables)
        known = self._by_key.get(key)
        if known is None or (isinstance(known, Shape) and known.dropped and not dropped):
            kind = kind_of(statements)
            known = Shape(key, fingerprint, self.parser, redacted, kind, tables, dropped)
            self._by_key.put(key, known)
        return known

    def _redacted(
        self, text: str, plain: str, statements: Statements
    ) -> tuple[str, str, str | None]:
        """Return the redacted text, a fingerprint free of literals, and why the text is dropped.

        The fingerprint is that of the redacted text: the statement's own covers literals of some
        commands, a password for example. A text that only the normaliser writes, such as `DO $1`,
        has none, and a hash of its words takes its place.
        """
        if _is_surely_clean(plain) and (print_ := self._fingerprint(plain)):
            verified = not shape_comments.may_hold(text) or print_ == self._fingerprint(text)
            if verified:
                return plain, print_, None
        summary = summary_of(statements)
        read = self._reader.read(plain)
        if read is None:
            return summary, _hash(summary), "unverified"
        spared = self._spared(read)
        words = redact.numbered(read, spared)
        for index, is_sign in enumerate(shape_lists.signs(read, read.literal)):
            if is_sign:  # of the literal behind it, as the parser has it
                words[index] = ""
        own = _hash(" ".join(filter(None, words)).lower().rstrip("; "))
        if redact.is_clean(read, spared):
            print_ = self._fingerprint(plain)
            if print_ and print_ == self._fingerprint(text):
                return plain, print_, None
            if plain == self._normalize_or_none(shape_comments.removed(text)):
                return plain, print_ or own, None
            return summary, own, "unverified"
        if not _REDACTABLE.issuperset(kind_of(statements).split("; ")):
            return summary, own, "literals"
        candidate = redact.rewritten(read, words)
        print_ = self._fingerprint(candidate)
        again = self._reader.read(candidate)
        clean = again is not None and redact.is_clean(again, self._spared(again))
        if clean and print_ and print_ == self._fingerprint(text):
            return candidate, print_, None
        return summary, own, "unverified"

    def _why(self, text: str) -> Unreadable:
        """Return what is wrong with a text of which the tokens cannot be read."""
        import pgparse

        try:
            pgparse.fingerprint(text)  # which stops at some depth
        except self._error as error:
            return _refusal(error, text)
        except UnicodeEncodeError:
            return Unreadable("syntax")
        return Unreadable("syntax")

    def _fingerprint(self, text: str) -> str | None:
        import pgparse

        try:
            return str(pgparse.fingerprint(text))
        except (self._error, UnicodeEncodeError):
            return None

    def _normalize_or_none(self, text: str) -> str | None:
        """Return the normalised text, None when the text cannot be parsed."""
        try:
            return self._normalize(text)
        except (self._error, UnicodeEncodeError):
            return None

    def _spared(self, read: redact.Read) -> set[int]:
        """Return the characters of integers that are no values, see `spared_of`."""
        import pgparse

        if not any(read.literal):
            return set()
        try:
            found = spared_of(pgparse.parse(read.text))
        except (self._error, UnicodeEncodeError, RecursionError):
            return set()
        if read.text.isascii():
            return found
        whole = read.text.encode()
        return {len(whole[:byte].decode(errors="replace")) for byte in found}


def _is_surely_clean(text: str) -> bool:
    """Tell by its characters that a text has no literal and no comment; most need no tokens."""
    return _MAY_HOLD_LITERAL.search(text) is None


def _hash(words: str) -> str:
    return hashlib.blake2b(words.encode(), digest_size=_HASH_BYTES).hexdigest()


def _refusal(error: Exception, text: str) -> Unreadable:
    """Return why the parser refuses a text; its message quotes the text."""
    if is_marker(text):
        return Unreadable("redacted_at_source")
    message = str(error)
    if message.startswith("memory exhausted"):
        reason: Reason = "too_deep"
    elif message.startswith(("unterminated", "syntax error at end of input")):
        reason = "truncated"
    else:
        reason = "syntax"
    position = getattr(error, "position", None)
    return Unreadable(reason, position - 1 if position else None)
