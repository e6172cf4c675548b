"""SNS e-mail. AWS sends the mail; MiniStack only logs that it would. Here it becomes a file of the inbox."""

import collections
import functools
import json
import os
import tempfile
import time

from ministack.services import sns
from told import awkward

# AWS: "10 messages per second" to an address, a quota that cannot be raised ("Amazon SNS endpoints and quotas"); whoever gets more is suspended.
MAILS_A_SECOND = 10
# When each address was last sent mails, and who is suspended.
_sent: dict = collections.defaultdict(collections.deque)
suspended: set = set()


def apply() -> None:
    inbox = os.environ["SLIPWAY_INBOX"]
    fanout = sns._fanout

    @functools.wraps(fanout)
    def corrected(topic_arn, message_id, message, subject, message_structure="", message_attributes=None, **rest):
        fanout(topic_arn, message_id, message, subject, message_structure, message_attributes, **rest)
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        for subscription in topic["subscriptions"]:
            body = sns._resolve_message_for_protocol(message, message_structure, "email")
            if (subscription.get("protocol") == "email" and subscription.get("confirmed")
                    and sns._matches_filter_policy(subscription, message_attributes or {}, body)
                    and not _is_suspended(subscription["endpoint"])):
                _deliver(inbox, topic_arn, subscription["endpoint"], subject or "AWS Notification Message", body)

    sns._fanout = corrected


def _is_suspended(address) -> bool:
    if not awkward("rates"):
        return False
    sent, now = _sent[address], time.monotonic()
    sent.append(now)
    while sent[0] <= now - 1:
        sent.popleft()
    if len(sent) > MAILS_A_SECOND:
        suspended.add(address)
    return address in suspended


def _deliver(inbox, topic, to, subject, body) -> None:
    """Writes a mail so that a reader sees all of it or nothing, and names sort by time."""
    now = time.time_ns()
    text = json.dumps({"to": to, "subject": subject, "body": body, "topic": topic, "at": now // 1_000_000})
    handle, draft = tempfile.mkstemp(dir=inbox, suffix=".draft")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(draft, os.path.join(inbox, f"{now}-{os.path.basename(draft)[:-6]}.json"))
