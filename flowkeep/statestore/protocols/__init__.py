"""What the ledger can be asked, as Protocols: frozen records in, frozen records out, all async.

Rules that hold for every method:

- `tenant_id` comes first. A read from a wrong tenant finds nothing (`NotFound` or None); a write
  to another tenant's object is `Forbidden` and changes nothing.
- Each method is one transaction. Inside `store.transaction()` or `store.using(connection)` it is a
  savepoint of that transaction instead: when it fails, only its own changes are undone.
- A change of a run and its event are written together; a change bumps `revision` by one.
- Lists take a limit of 1 to 100 and a cursor taken from the last row of the page before.
- A ledger that cannot be reached raises `LedgerUnavailable`; it never looks like "missing".
"""

from flowkeep.statestore.protocols.actions import ActionRepository
from flowkeep.statestore.protocols.api_keys import ApiKeyRepository
from flowkeep.statestore.protocols.apps import AppRepository
from flowkeep.statestore.protocols.archive import ArchiveRepository
from flowkeep.statestore.protocols.audit import AuditRepository, IdempotencyRepository
from flowkeep.statestore.protocols.definitions import DefinitionRepository
from flowkeep.statestore.protocols.large_payloads import LargePayloadRepository
from flowkeep.statestore.protocols.reads import RunReads
from flowkeep.statestore.protocols.reconciliation import ReconciliationRepository
from flowkeep.statestore.protocols.requests import PendingRequestRepository, RequestRepository
from flowkeep.statestore.protocols.retention import RetentionRepository
from flowkeep.statestore.protocols.run_deletes import RunDeletes
from flowkeep.statestore.protocols.run_lists import RunLists
from flowkeep.statestore.protocols.runs import RunRepository
from flowkeep.statestore.protocols.schedules import ScheduleRecordRepository, ScheduleRepository
from flowkeep.statestore.protocols.state import SecretRepository, StateRepository
from flowkeep.statestore.protocols.statistics import (
    RunCounts,
    StatisticsRepository,
    SystemStatisticsRepository,
)
from flowkeep.statestore.protocols.system import SystemRepository
from flowkeep.statestore.protocols.tasks import TaskRepository
from flowkeep.statestore.protocols.verification import LedgerCheckRepository

__all__ = [
    "ActionRepository",
    "ApiKeyRepository",
    "AppRepository",
    "ArchiveRepository",
    "AuditRepository",
    "DefinitionRepository",
    "IdempotencyRepository",
    "LargePayloadRepository",
    "LedgerCheckRepository",
    "PendingRequestRepository",
    "ReconciliationRepository",
    "RequestRepository",
    "RetentionRepository",
    "RunCounts",
    "RunDeletes",
    "RunLists",
    "RunReads",
    "RunRepository",
    "ScheduleRecordRepository",
    "ScheduleRepository",
    "SecretRepository",
    "StateRepository",
    "StatisticsRepository",
    "SystemRepository",
    "SystemStatisticsRepository",
    "TaskRepository",
]
