"""What ran between two snapshots of `pg_stat_statements`.

An entry's counters only grow, unless it is made anew: after a reset of all entries or of some, an
eviction, or a crash, which discards them. PostgreSQL 17 tells when an entry was made; before, it
can be told from a counter that is smaller. What an entry had counted between the last snapshot and
its end is lost, so such counts are lower bounds.
"""

from dataclasses import dataclass, field

from flowkeep.extraction.logs.sources.stat_statements_snapshot import Counters, Key, Snapshot

_NOTHING = Counters(0, 0, 0)


@dataclass(slots=True)
class Difference:
    """What was added.

    Attributes:
        added: Entry to what it gained; entries without a new call are left out.
        notes: Codes of what makes the counts lower bounds: `reset` (all counters), `discarded`
            (by a crash), `evictions` (how often), `entries_anew` (how many counted from zero),
            `hidden_shrunk` (how many roles' hidden entries cannot be told).
    """

    added: dict[Key, Counters] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)


def since_reset(new: Snapshot) -> Difference:
    """Return everything that a snapshot counts."""
    found = Difference(added={key: one for key, one in new.entries.items() if one.calls > 0})
    if new.evictions:
        found.notes["evictions"] = new.evictions
    return found


def difference(old: Snapshot, new: Snapshot) -> Difference:
    """Return what was added between two snapshots.

    Args:
        old: The earlier one.
        new: The later one.
    """
    told = None not in (old.stats_reset, new.stats_reset)  # else the extension was upgraded
    reset = told and new.stats_reset != old.stats_reset
    discarded = not reset and _discarded(old, new)
    if reset or discarded:
        found = since_reset(new)
        found.notes["reset" if reset else "discarded"] = 1
        return found
    found = Difference()
    for key, counters in new.entries.items():
        before = old.entries.get(key, _NOTHING)
        if key.hidden:
            if counters.below(before):
                _note(found, "hidden_shrunk")
                continue
        elif key in old.entries and _anew(before, counters):
            _note(found, "entries_anew")
            before = _NOTHING
        gained = counters.minus(before)
        if gained.calls > 0:
            found.added[key] = gained
    evictions = (new.evictions or 0) - (old.evictions or 0)
    if evictions > 0:
        found.notes["evictions"] = evictions
    return found


def _anew(before: Counters, now: Counters) -> bool:
    if before.since is not None and now.since is not None:
        return now.since != before.since
    return now.below(before)


def _discarded(old: Snapshot, new: Snapshot) -> bool:
    """Return whether the server has lost all counters without saying when.

    A server that is shut down saves them, one that crashes does not. The number of evictions,
    which is saved with them, then begins at zero too. Where there were none, most entries being
    gone or smaller after a start tells it.
    """
    before, now = old.evictions or 0, new.evictions or 0
    if now < before:
        return True
    if new.started == old.started or now > before:
        return False
    lost = known = 0
    for key, counters in old.entries.items():
        if not key.hidden:
            known += 1
            lost += key not in new.entries or _anew(counters, new.entries[key])
    return 2 * lost > known


def _note(found: Difference, code: str) -> None:
    found.notes[code] = found.notes.get(code, 0) + 1
