"""Activities: the code of single steps, in classes that workflows point to.

`ActivitiesInterface` is the base. Heavy libraries do not belong here: they live in `statestore`,
`extraction` and `storage`, and load when an activity first uses them.
"""

from flowkeep.activities.base import ActivitiesInterface

__all__ = ["ActivitiesInterface"]
