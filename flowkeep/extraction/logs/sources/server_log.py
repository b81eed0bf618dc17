"""PostgreSQL's own log, in whichever format its collector wrote it."""

from flowkeep.extraction.logs.sources.messages import FAILURES, SEVERITIES, read_message
from flowkeep.extraction.logs.sources.record_parser import NUL, SWAPPED, RecordParser, time_problem
from flowkeep.extraction.logs.statement import LoggedStatement


class ServerLogParser(RecordParser):
    """Tells the statements among a server's messages."""

    def take(
        self,
        offset: int,
        time: str,
        user: str,
        database: str,
        severity: str,
        message: str,
        statement: str,
        query_id: int,
    ) -> None:
        """Account for one record. This runs for every line of a log: arguments are positional.

        Args:
            offset: Where it begins in the file.
            time: When it was written, as the server writes times.
            user: Who caused it.
            database: Where.
            severity: `LOG`, `ERROR` …
            message: What happened.
            statement: The statement that caused it; the server leaves it out of the records that
                are about the statement themselves.
            query_id: Identifier of the statement, or 0.
        """
        try:
            at = self.time.logged(time)
        except (ValueError, OverflowError) as error:
            self.reject(
                time_problem(error), offset, user=user, database=database, length=len(message)
            )
            return
        if at < self.latest - SWAPPED:
            self.note("clock_went_back")
        self.latest = at
        calls, errors = 1, 0
        if severity == "LOG" and not statement:
            logged = read_message(message)
            if isinstance(logged, str):
                self.count_other(logged)
                return
            text, duration = logged
        elif severity in FAILURES and statement:
            text, duration = statement, None
            calls, errors = 0, 1
        else:
            self.count_other(severity.lower() if severity in SEVERITIES else "unknown")
            return
        if NUL in text:
            text = self.without_nul(text)
        place = f"{self.name}:{offset}"
        self.statements.append(
            LoggedStatement(
                text, at, user, database, duration, None, query_id, calls, errors, place
            )
        )
