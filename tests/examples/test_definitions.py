"""The example `definitions`, and the definitions that pages show."""

import dataclasses
import json
import re
from itertools import pairwise

import pytest

from examples.definitions import main as example
from flowkeep.activities.definition_actions import MOST_RESULT_BYTES
from flowkeep.clients.authoring import Authoring
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus
from flowkeep.contracts.definition_run import ActionCall
from flowkeep.definitions import document
from flowkeep.definitions.actions import ActionContext, ActionRegistry
from flowkeep.definitions.plan import MOST_ACTIVE
from flowkeep.definitions.spec import MOST_TASKS, DefinitionSpec, Human, Retry, Task, Transition
from flowkeep.definitions.template_functions import FUNCTIONS
from flowkeep.definitions.template_limits import (
    DEEPEST_BRACKETS,
    DEEPEST_DATA,
    MOST_BITS,
    MOST_CHARACTERS,
    MOST_ENTRIES,
    MOST_NODES,
    MOST_OPERATIONS,
    MOST_TEXT,
)
from flowkeep.definitions.template_lists import FILTERS
from flowkeep.definitions.template_tests import TESTS
from flowkeep.definitions.validate import validate
from flowkeep.errors import AlreadyTerminal, Forbidden, InvalidInput, NotFound, RunFailed
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from tests.documents import Page, page, pages
from tests.examples.definition_runs import FILES, asked, result_of, rows, served, start, states
from tests.support import eventually

__all__ = ["served"]


async def test_hello(
    client: WorkflowClient, example_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program stores all eight and runs the first; a parameter left out has its default."""
    assert await example.main("hello", {}, example_settings) == {"greeting": "Hello, world!"}
    printed = capsys.readouterr().out.partition("\n")
    assert json.loads(printed[2]) == {"greeting": "Hello, world!"}
    stored = await client.store.definitions.list("default")
    assert len(stored.data) == len(FILES) == 8
    assert not any(one.draft for one in stored.data)
    run = (await client.store.runs.get_paginated_runs("default")).data[0]
    assert printed[0] == f"run {run.id}"
    assert await states(client, run.id) == {"greet": "succeeded"}


async def test_monthly_sales(served: WorkflowClient) -> None:
    """Numbers stay numbers and lists lists from task to task; the report says the same."""
    handle = await start(served, 2, month="2026-01")
    result = await handle.result()
    assert result.pop("report") == f"default/reports/{handle.run_id}.txt"
    assert result == {"revenue": 15_550, "mean": 7775.0, "late": ["2026-01-17"]}
    report = Storage(served.settings.storage.url).get(f"default/reports/{handle.run_id}.txt")
    assert report.decode().splitlines() == [
        "SALES OF 2026-01",
        "2 orders, 155.5 EUR",
        "late: 2026-01-17",
    ]
    found = sorted(await rows(served, handle.run_id), key=lambda one: one.started_at)
    assert [one.task_name for one in found] == ["read_orders", "find_late", "write_report"]
    assert all(a.finished_at <= b.started_at for a, b in pairwise(found))
    with pytest.raises(InvalidInput, match=r"parameters\.month"):
        await start(served, 2, month="January")


async def test_order_check(served: WorkflowClient) -> None:
    """Both branches lead to a shipment, one of them to none, none of them to a refusal."""
    taken = [("pen", "ada"), ("ink", "ada"), ("ink", "broke")]
    runs = [
        await start(served, 3, article=article, pieces=3, customer=customer)
        for article, customer in taken
    ]
    both, one, neither = [await run.result() for run in runs]
    shipment = "parcel of 3 pen with invoice to ada"
    assert both == {"shipment": shipment, "packed": True, "refused": False}
    assert one == {"shipment": None, "packed": False, "refused": False}
    assert neither == {"shipment": None, "packed": False, "refused": True}
    checks = {"stock": "succeeded", "credit": "succeeded"}
    done, not_done = "succeeded", "skipped"
    wanted = [(done, done, done, not_done), (not_done, done, not_done, not_done)]
    wanted.append((not_done, not_done, not_done, done))
    for run, ends in zip(runs, wanted, strict=True):
        names = dict(zip(("pack", "invoice", "ship", "refuse"), ends, strict=True))
        assert await states(served, run.run_id) == {**checks, **names}


async def test_price_list(served: WorkflowClient) -> None:
    """Batches of three, then one call per article; results are in the order of the items."""
    handle = await start(served, 4)
    result = await handle.result()
    assert result["labels"] == [
        "1. pen: 12.00",
        "2. ink: 4.50",
        "3. paper: 3.90",
        "4. ruler: 2.10",
        "5. eraser: 0.95",
        "6. stapler: 8.99",
    ]
    assert result["unknown"] == ["compass"]
    found = await rows(served, handle.run_id)
    batches = [(one.task_index, one.batch) for one in found if one.task_name == "price"]
    assert sorted(batches) == [(0, "0"), (3, "1"), (6, "2")]
    labels = [one.task_index for one in found if one.task_name == "label"]
    assert sorted(labels) == list(range(6))
    empty = await result_of(served, 4, articles=[])
    assert empty == {"labels": [], "unknown": []}


async def test_booking(served: WorkflowClient) -> None:
    """A busy bank is asked again, a refusal takes the reservation back, a slow partner is left."""
    customers = ("ada", "patient", "slow", "broke")
    runs = {who: await start(served, 5, seat=f"{who}-1", customer=who) for who in customers}
    ends = {who: await run.result() for who, run in runs.items()}
    booked = {"booked": True, "cents": 3500, "problem": None}
    assert ends["ada"] == ends["patient"] == booked
    assert ends["slow"] == {**booked, "cents": 4000}
    assert ends["broke"] == {"booked": False, "cents": 3500, "problem": "CARD_DECLINED"}

    charged = [
        one for one in await rows(served, runs["patient"].run_id) if one.task_name == "charge"
    ]
    tried = {one.attempt: (str(one.status), one.error and one.error.code) for one in charged}
    busy = ("failed", "BANK_BUSY")
    assert tried == {1: busy, 2: busy, 3: ("succeeded", None)}

    async def has_timed_out() -> None:  # its worker tells when it has let go of it
        assert (await states(served, runs["slow"].run_id)).get("discount") == "timed_out"

    await eventually(has_timed_out)
    assert await states(served, runs["broke"].run_id) == {
        "reserve": "succeeded",
        "discount": "succeeded",
        "charge": "failed",
        "release": "succeeded",
        "confirm": "skipped",
    }
    assert await served.store.state.get_state("default", "seats/ada-1")
    with pytest.raises(NotFound):
        await served.store.state.get_state("default", "seats/broke-1")


async def test_refund(served: WorkflowClient) -> None:
    """A small one is paid at once; for a big one the answer of a manager counts, once."""
    small = await start(served, 6, customer="ada", cents=100)
    assert await small.result() == {"paid": "100 to ada", "decided_by": None}
    assert (await states(served, small.run_id))["approve"] == "skipped"

    answer = served.questions.answer
    paid, refused = [await start(served, 6, customer="ada", cents=9_900) for _ in range(2)]
    question = await asked(served, paid, "approve")
    assert question.input["title"] == "Refund 99.0 EUR to ada?"
    assert await paid.status() is RunStatus.WAITING
    yes, no = {"approved": True}, {"approved": False, "reason": "too late"}
    with pytest.raises(Forbidden):
        await answer("default", paid.run_id, "approve", yes, by="eve@shop.example")
    with pytest.raises(InvalidInput, match="approved"):
        await answer("default", paid.run_id, "approve", {}, by="mia@shop.example")
    await answer("default", paid.run_id, "approve", yes, by="mia@shop.example")
    with pytest.raises(AlreadyTerminal):
        await answer("default", paid.run_id, "approve", no, by="noor@shop.example")
    assert await paid.result() == {"paid": "9900 to ada", "decided_by": "mia@shop.example"}

    await asked(served, refused, "approve")
    await answer("default", refused.run_id, "approve", no, by="noor@shop.example")
    assert await refused.result() == {"paid": None, "decided_by": "noor@shop.example"}
    assert await states(served, refused.run_id) == {
        "approve": "succeeded",
        "escalate": "skipped",
        "pay": "skipped",
        "decline": "succeeded",
    }


async def test_refund_that_nobody_decides(served: WorkflowClient) -> None:
    """When the deadline passes the question is closed, and the next person is asked."""
    text = FILES[5].read_text()
    assert text.count("deadline: 2d\n") == 1
    hasty = text.replace("deadline: 2d\n", "deadline: 200ms\n")
    await Authoring(served.store).apply("default", hasty)
    handle = await served.definitions.run("refund", {"customer": "ada", "cents": 9_900})
    await asked(served, handle, "escalate")
    yes = {"approved": True}
    with pytest.raises(AlreadyTerminal, match="ran out of time"):
        await served.questions.answer(
            "default", handle.run_id, "approve", yes, by="mia@shop.example"
        )
    await served.questions.answer("default", handle.run_id, "escalate", yes, by="head@shop.example")
    assert await handle.result() == {"paid": "9900 to ada", "decided_by": "head@shop.example"}
    assert (await states(served, handle.run_id))["approve"] == "timed_out"


async def test_export(served: WorkflowClient) -> None:
    """It asks until the export is ready, waits in between, and gives up after ten questions."""
    handle = await start(served, 7, pieces=3, every=0.01)
    name = f"exports/{handle.run_id}"
    assert await handle.result() == {"file": f"{name}.csv", "asked": 3}
    found = [(one.activity_id, str(one.type)) for one in await rows(served, handle.run_id)]
    assert sorted(found) == [
        ("ask", "activity"),
        ("ask#1", "activity"),
        ("ask#2", "activity"),
        ("begin", "activity"),
        ("fetch", "activity"),
        ("wait", "timer"),
        ("wait#1", "timer"),
    ]
    endless = await start(served, 7, pieces=100, every=0)
    with pytest.raises(RunFailed, match="'ask' would run more than 10 times"):
        await endless.result()
    assert (await states(served, endless.run_id))["ask#9"] == "succeeded"


def test_the_reference_is_complete() -> None:
    """The page of the format names every field, filter, test, function, action and input."""
    reference = page("docs/reference/definition-format.md")
    told = set(re.findall(r"`([\w.]+)(?:\(.*?\))?`", reference.prose))
    models = (DefinitionSpec, Task, Transition, Retry, Human)
    wanted = {name for model in models for name in model.model_fields}
    wanted |= {*FILTERS, *TESTS, *FUNCTIONS, "defined", "undefined"}
    for one in ActionRegistry.built_in(allow_shell=True):
        wanted |= {one.ref, *one.param_schema["properties"]}
    wanted |= {field.name for field in dataclasses.fields(ActionContext)}
    assert wanted - told == set()
    [filters] = re.findall(r"\*\*Filters:\*\*(.*?)\n\n", reference.prose, re.DOTALL)
    assert re.findall(r"`(\w+)`", filters) == list(FILTERS)


def test_the_reference_tells_the_limits() -> None:
    """The limits of templates and documents stand on the page as they are."""
    prose = page("docs/reference/definition-format.md").prose
    limits = [MOST_CHARACTERS, MOST_OPERATIONS, MOST_TEXT, MOST_ENTRIES, MOST_BITS, MOST_TASKS]
    assert [f"{one:,}" for one in limits if f"{one:,}" not in prose] == []
    assert f"{MOST_CHARACTERS:,} and {MOST_NODES}" in prose
    assert f"{DEEPEST_DATA} and {DEEPEST_BRACKETS}" in prose
    assert f"{document.LARGEST // 2**20} MiB, {document.DEEPEST} levels" in prose
    assert f"At most {MOST_ACTIVE} actions" in prose
    assert f"{MOST_RESULT_BYTES // 2**20} MiB" in prose
    assert ActionCall(task="t").inline_bytes == 64 * 1024


def shown_definitions() -> list[tuple[Page, str]]:
    """Every definition that a page shows."""
    return [
        (one, block) for one in pages() for block in one.fences("yaml") if block.startswith("ref:")
    ]


def test_definitions_of_pages_are_valid() -> None:
    """Every block of a page that begins like a definition is one, without an error."""
    shown = shown_definitions()
    assert {str(one) for one, _ in shown} >= {
        "docs/guides/definitions.md",
        "docs/guides/definitions-compared.md",
        "docs/reference/definition-format.md",
    }
    wrong = [
        f"{one}: {problem}"
        for one, block in shown
        for problem in validate(document.read(block, name=str(one)).data).errors
    ]
    assert wrong == []
