"""Terraform's provider, whose tries of one call MiniStack cannot tell apart. Under load an answer of the endpoint gets lost; the
provider asks again, and "already exists" is what it hears of the thing that its first try has made. AWS answers such calls
seldom twice, and a plan heals it; a cloud that begins from nothing does not begin at all.

A second try (same `amz-sdk-invocation-id`) of the provider hears what the first one was answered. The functions' calls are never
touched: what a lost answer means for them is what the faults are about.
"""

import asyncio
import functools
import logging

from ministack import app

_answers: dict[str, asyncio.Future] = {}
_log = logging.getLogger("slipway.provider")


def apply() -> None:
    dispatch = app._dispatch_service_request

    @functools.wraps(dispatch)
    async def corrected(method, path, headers, body, *rest):
        call = headers.get("amz-sdk-invocation-id")
        if not call or "Terraform/" not in headers.get("user-agent", ""):
            return await dispatch(method, path, headers, body, *rest)
        first = _answers.get(call)
        if first is None:
            # On its own: a provider that goes away in the middle does not undo what its call does.
            first = asyncio.ensure_future(dispatch(method, path, headers, body, *rest))
            _answers[call] = first
        else:
            _log.info("%s of one call: %s", headers.get("amz-sdk-request", "another try"), headers.get("x-amz-target", path))
        try:
            status, answered, content = await asyncio.shield(first)
        except BaseException:
            if first.done():
                _answers.pop(call, None)
            raise
        # What failed is done again.
        if status >= 300:
            _answers.pop(call, None)
        return status, dict(answered), content

    app._dispatch_service_request = corrected
