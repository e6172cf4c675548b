"""The events that AWS sends by itself and MiniStack does not. Each is made where MiniStack changes the state that it tells of, so that nothing is
too short to be seen; one thread gives them to the local cloud in the order in which they happened, and the local cloud delivers them through
the deployed rules."""

import json
import logging
import os
import queue
import threading
import time
import urllib.request
from datetime import datetime, timezone

logger = logging.getLogger("slipway.events")

# In seconds: how long the local cloud may take to take an event, and the pauses before it is offered again.
PATIENCE, PAUSES = 5, (0.1, 0.5, 2)

_happened: queue.SimpleQueue = queue.SimpleQueue()


def apply() -> None:
    threading.Thread(target=_tell_forever, name="slipway-events", daemon=True).start()


def happened(source, detail_type, resources, detail) -> None:
    """Something happened that AWS tells of, with its `detail` as it is now."""
    happened_once_settled(lambda event=json.dumps(document(source, detail_type, resources, detail)): event)


def happened_once_settled(describe) -> None:
    """The same for a change whose surroundings are still being changed: `describe` answers the event as JSON, or None, from another thread."""
    _happened.put(describe)


def document(source, detail_type, resources, detail) -> dict:
    return {"source": source, "detail-type": detail_type, "resources": resources, "detail": detail, "time": written()[:-5] + "Z"}


def written(seconds=None) -> str:
    """A time as AWS writes it into events, to the millisecond; now, when none is given."""
    at = datetime.fromtimestamp(time.time() if seconds is None else seconds, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _tell_forever() -> None:
    while True:
        describe = _happened.get()
        try:
            event = describe()
            if event is not None:
                _tell(event)
        except Exception:
            logger.exception("slipway: an event was lost")


def _tell(event) -> None:
    address = os.environ.get("SLIPWAY_EVENTS")
    if not address:
        return
    request = urllib.request.Request(address, event.encode(), {"content-type": "application/json"}, method="POST")
    for pause in (*PAUSES, None):
        try:
            return urllib.request.urlopen(request, timeout=PATIENCE).close()
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)
