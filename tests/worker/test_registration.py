"""Mistakes that Temporal would answer with silence are errors when a worker is built."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from temporalio import activity, workflow

from flowkeep.activities import ActivitiesInterface
from flowkeep.errors import ConfigurationError
from flowkeep.registration import Registration
from flowkeep.workflows import SequenceWorkflow, WorkflowInterface


class Steps(ActivitiesInterface):
    @activity.defn
    async def one(self, args: dict[str, Any]) -> int:
        return 1

    @activity.defn
    async def two(self, args: dict[str, Any]) -> int:
        return 2

    async def unmarked(self, args: dict[str, Any]) -> int:
        return 0


class OtherSteps(ActivitiesInterface):
    @activity.defn
    async def one(self, args: dict[str, Any]) -> int:
        return 11


class NeedsArguments(ActivitiesInterface):
    def __init__(self, url: str) -> None:
        self.url = url


class UnmarkedOverride(Steps):
    async def one(self, args: dict[str, Any]) -> int:
        return 5


class RenamedOverride(Steps):
    @activity.defn(name="uno")
    async def one(self, args: dict[str, Any]) -> int:
        return 5


def lists(*names: str) -> Any:
    return staticmethod(lambda activities: [getattr(activities, name) for name in names])


@workflow.defn
class Good(SequenceWorkflow):
    activities_cls = Steps
    get_activities = lists("one", "two")


@workflow.defn
class GoodToo(SequenceWorkflow):
    activities_cls = OtherSteps
    get_activities = lists("one")


class NoBase:
    @activity.defn
    async def one(self, args: dict[str, Any]) -> int:
        return 1


@workflow.defn
class ForeignActivities(SequenceWorkflow):
    activities_cls = NoBase  # type: ignore[assignment]
    get_activities = lists("one")


class NoDefn(SequenceWorkflow):
    activities_cls = Steps
    get_activities = lists("one")


class InheritsDefn(Good):
    """A subclass needs a mark of its own."""


@workflow.defn
class NoActivitiesClass(SequenceWorkflow):
    get_activities = lists("one")


@workflow.defn
class NoList(SequenceWorkflow):
    activities_cls = Steps


@workflow.defn
class ListsUnmarked(SequenceWorkflow):
    activities_cls = Steps
    get_activities = lists("one", "unmarked")


@workflow.defn
class ListNeedsInstance(SequenceWorkflow):
    activities_cls = Steps

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Callable[..., Any]]:
        return [activities.created_in_init]


@workflow.defn
class OverridesUnmarked(SequenceWorkflow):
    activities_cls = UnmarkedOverride
    get_activities = lists("two")


@workflow.defn
class OverridesRenamed(SequenceWorkflow):
    activities_cls = RenamedOverride
    get_activities = lists("two")


@workflow.defn
class WantsInstance(SequenceWorkflow):
    activities_cls = NeedsArguments
    get_activities = lists()


@workflow.defn(name="Good")
class SameType(WorkflowInterface):
    activities_cls = Steps
    get_activities = lists("one")


@pytest.mark.parametrize(
    ("classes", "activities", "message"),
    [
        ([NoDefn], [], r"NoDefn is not marked with @workflow\.defn"),
        ([InheritsDefn], [], r"InheritsDefn is not marked with @workflow\.defn"),
        ([NoActivitiesClass], [], "NoActivitiesClass has no activities_cls"),
        ([ForeignActivities], [], "ForeignActivities is no subclass of ActivitiesInterface"),
        ([NoList], [], "NoList has no get_activities"),
        ([ListsUnmarked], [], r"ListsUnmarked: Steps\.unmarked is not marked with @activity"),
        ([ListNeedsInstance], [], "gets the class instead of an instance"),
        ([OverridesUnmarked], [], r"UnmarkedOverride\.one overrides an activity without"),
        ([OverridesRenamed], [], r"overrides the activity 'one' as 'uno'"),
        ([WantsInstance], [], "no instance of NeedsArguments"),
        ([Good, SameType], [], "both registered as workflow type 'Good'"),
        ([Good], [Steps().one], "Good lists the activity 'two', which is not registered"),
        ([Good], [Steps().one, Steps().one, Steps().two], "several activities are registered"),
        ([Good], ["one"], "holds 'one', which is no activity"),
        ([Good], [Steps().unmarked], "unmarked is not marked with @activity.defn"),
    ],
)
def test_mistakes_are_named(classes: list[type], activities: list[Any], message: str) -> None:
    """Each mistake is a ConfigurationError that names the object and the way out."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        Registration(classes, activities)
    assert caught.value.hint or "(" in str(caught.value)
    assert not caught.value.retryable


def test_base_activities_are_added() -> None:
    """get_workflow_args and preflight_check are served though the list leaves them out."""
    steps = Steps()
    registration = Registration([Good], Good.get_activities(steps))
    assert set(registration.activities) == {"one", "two", "get_workflow_args", "preflight_check"}


def test_groups_are_flattened() -> None:
    """A parallel group inside the list registers each of its activities."""
    steps = Steps()
    registration = Registration([Good], [(steps.one, [steps.two])])
    assert {"one", "two"} <= set(registration.activities)


def test_two_connectors_share_names_through_a_router() -> None:
    """Activities of one name bound to different activity classes become one router."""
    registration = Registration(
        [Good, GoodToo],
        [*Good.get_activities(Steps()), *GoodToo.get_activities(OtherSteps())],
    )
    router = registration.activities["one"].__self__
    assert set(router._targets) == {"Good", "GoodToo"}
    assert registration.activities["two"].__self__.__class__ is Steps
