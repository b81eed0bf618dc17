"""Actions of definitions as Temporal activities, one per action, all bound to one instance.

What an input refers to, stored values and secrets, is put in here: neither Temporal's history nor
the ledger sees it.
"""

import asyncio
import functools
import hashlib
import logging
import traceback
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from pydantic_core import from_json
from temporalio import activity
from temporalio import exceptions as temporal

from flowkeep.activities.base import ActivitiesInterface, output_path
from flowkeep.activities.definition_actions_errors import as_failure
from flowkeep.contracts.definition_run import ActionCall
from flowkeep.contracts.secret_names import secret_id
from flowkeep.definitions.action_context import ActionContext, ActionError
from flowkeep.definitions.action_definition import Action
from flowkeep.definitions.action_references import (
    STORED,
    KnownSecrets,
    Reference,
    check_stored_key,
    find_references,
    replace_references,
    reserved_path,
)
from flowkeep.errors import ConfigurationError, InvalidInput, NotFound

MOST_RESULT_BYTES = 16 * 1024 * 1024
"""Most bytes of JSON of one result."""

MOST_INPUT_BYTES = 64 * 1024 * 1024
"""Most bytes of stored values that one input may refer to."""

Activity = Callable[..., Any]


class DefinitionActions(ActivitiesInterface):
    """Carries actions out; each is an activity of its own, named by the action's ref."""

    async def execute(self, action: Action, call: ActionCall) -> Any:
        """Carry out one attempt.

        Args:
            action: Which one.
            call: What it is called with.

        Returns:
            The result as plain JSON types, or `{"$stored": key, "bytes": n}` when it is big.

        Raises:
            ApplicationError: If it fails; type, code and whether another attempt may follow are
                those of the error, and no secret of the input shows in it.
        """
        secrets = KnownSecrets()
        try:
            return await self._attempt(action, call, secrets)
        except (asyncio.CancelledError, temporal.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a function raises
            failure = error
        # Out of the handler: what is raised in it would carry the error itself, secrets included.
        raise as_failure(failure, call, secrets, activity.info().attempt)

    async def _attempt(self, action: Action, call: ActionCall, secrets: KnownSecrets) -> Any:
        info = activity.info()
        if info.start_to_close_timeout is not None:
            self.allow_silence(info.start_to_close_timeout.total_seconds())
        values = await self._resolved(call.input, secrets)
        arguments = action.validate_input(values)
        context: ActionContext | None = None
        if action.signature.context is not None:
            context = self._context(action, call, secrets, info)
            arguments[action.signature.context] = context
        if action.is_async:
            result = await action.function(**arguments)
        else:
            result = await self._in_thread(action, arguments, context)
        return await self._kept(action, call, result, secrets)

    def _context(
        self, action: Action, call: ActionCall, secrets: KnownSecrets, info: activity.Info
    ) -> ActionContext:
        def progress(**details: Any) -> None:
            self.progress(**secrets.scrub(details))

        return ActionContext(
            ref=action.ref,
            task=call.task,
            key=f"{self.services.run.run_id}/{info.activity_id}",
            attempt=info.attempt,
            services=self.services,
            log=_Log(activity.logger, secrets),
            progress=progress,
            hide=secrets.add,
        )

    async def _in_thread(
        self, action: Action, arguments: dict[str, Any], context: ActionContext | None
    ) -> Any:
        """Call a plain function; one that is cancelled is told, and waited for."""
        call = functools.partial(_called, action, arguments)
        working = asyncio.ensure_future(self.run_blocking(call))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            if context is not None:
                context.stopped.set()
            await asyncio.wait([working])
            if not working.cancelled():
                working.exception()  # it was stopped: what it says of that interests nobody
            raise

    async def _resolved(self, values: dict[str, Any], secrets: KnownSecrets) -> dict[str, Any]:
        """Put stored values and secrets in the place of their references."""
        found = list(dict.fromkeys(find_references(values)))
        if not found:
            return values
        known: dict[Reference, Any] = {}
        left = MOST_INPUT_BYTES
        for reference in found:
            if reference.kind == STORED:
                data = await self._stored(reference.name, left)
                left -= len(data)
                known[reference] = from_json(data)
            else:
                known[reference] = await self._secret(reference.name)
                secrets.add(known[reference])
        replaced: dict[str, Any] = replace_references(values, known)
        return replaced

    async def _secret(self, name: str) -> Any:
        services = self.services
        try:
            return await services.secrets.get(secret_id(services.run.tenant_id, name))
        except NotFound:
            raise NotFound(
                f"the secret {name!r} does not exist",
                hint="store it for the tenant of this run",
                code="SECRET_NOT_FOUND",
            ) from None

    async def _stored(self, key: str, most: int) -> bytes:
        services = self.services
        check_stored_key(key, services.run.tenant_id)

        def read() -> bytes:
            data = bytearray()
            for piece in services.storage.chunks(key):
                data += piece
                if len(data) > most:
                    raise InvalidInput(
                        f"the stored values of the input have more than {MOST_INPUT_BYTES:,} bytes",
                        hint="pass on less, or a reference of your own",
                        code="INPUT_TOO_LARGE",
                    )
            return bytes(data)

        return await self.run_blocking(read)

    async def _kept(
        self, action: Action, call: ActionCall, result: Any, secrets: KnownSecrets
    ) -> Any:
        """Return the result, or store it and return where."""
        data = action.encode_result(result)
        if len(data) > MOST_RESULT_BYTES:
            raise ActionError(
                f"the result of {action.ref} has {len(data):,} bytes; {MOST_RESULT_BYTES:,} are"
                " allowed",
                code="RESULT_TOO_LARGE",
                hint="store it yourself and return where it is",
                retryable=False,
            )
        if secrets.appear_in(data):
            raise ActionError(
                f"the result of {action.ref} shows a secret that it was given",
                code="SECRET_IN_RESULT",
                hint="results go into the history of the run: leave the secret out",
                retryable=False,
            )
        if b'"$s' in data and (path := reserved_path(from_json(data))) is not None:
            raise ActionError(
                f"the result of {action.ref} has a reserved key: {path}",
                code="RESERVED_KEY",
                hint="references are made by flowkeep only; rename the key",
                retryable=False,
            )
        if len(data) <= call.inline_bytes:
            return from_json(data)
        run = self.services.run
        folder = output_path(run.tenant_id, run.app_id, run.workflow_type, run.run_id)
        key = f"{folder}/results/{hashlib.sha256(data).hexdigest()}.json"
        await self.run_blocking(self.services.storage.put, key, data)
        return {STORED: key, "bytes": len(data)}


def activity_of(action: Action, host: DefinitionActions | None = None) -> Activity:
    """Return the activity that carries an action out, named by its ref.

    Args:
        action: Which one.
        host: Whose method it becomes; the activities of one worker share one.

    Raises:
        ConfigurationError: If the workflow carries the action out itself.
    """
    if action.by_workflow:
        raise ConfigurationError(
            f"{action.ref} is carried out by the workflow", hint="no worker needs an activity of it"
        )

    # The SDK takes an annotated `self` for an argument that travels.
    async def carry_out(self, call: ActionCall) -> Any:  # type: ignore[no-untyped-def]
        return await self.execute(action, call)

    carry_out.__name__ = action.ref
    carry_out.__qualname__ = f"{DefinitionActions.__qualname__}.{action.ref}"
    owner = host or DefinitionActions()
    marked: Activity = activity.defn(name=action.ref)(carry_out).__get__(owner, DefinitionActions)
    return marked


def activities_of(
    actions: Iterable[Action], host: DefinitionActions | None = None
) -> list[Activity]:
    """Return the activities of all actions that workers carry out, bound to one instance.

    Args:
        actions: For example the values of an `ActionRegistry`.
        host: The instance.
    """
    owner = host or DefinitionActions()
    return [activity_of(action, owner) for action in actions if not action.by_workflow]


def _called(action: Action, arguments: dict[str, Any]) -> Any:
    try:
        return action.function(**arguments)
    except (SystemExit, StopIteration) as error:  # no future can hold these: the worker would die
        why = type(error).__name__
    raise ActionError(f"the function of {action.ref} raised {why}", code=why.upper())


class _Log(logging.LoggerAdapter[Any]):
    """The activity's logger without the secrets of the call."""

    def __init__(self, logger: Any, secrets: KnownSecrets) -> None:
        super().__init__(logger, {})
        self._secrets = secrets

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log a text in which no secret shows, a traceback included."""
        if not self.isEnabledFor(level):
            return
        text = str(msg) % args if args else str(msg)
        if kwargs.pop("exc_info", None):
            text = f"{text}\n{traceback.format_exc().rstrip()}"
        self.logger.log(level, self._secrets.redact(text), **kwargs)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Leave everything as it is."""
        return msg, kwargs
