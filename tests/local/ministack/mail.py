"""SNS e-mail. AWS sends the mail; MiniStack only logs that it would. Here it becomes a file of the inbox."""

import functools
import json
import os
import tempfile
import time

from ministack.services import sns


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
                    and sns._matches_filter_policy(subscription, message_attributes or {}, body)):
                _deliver(inbox, topic_arn, subscription["endpoint"], subject or "AWS Notification Message", body)

    sns._fanout = corrected


def _deliver(inbox, topic, to, subject, body) -> None:
    """Writes a mail so that a reader sees all of it or nothing, and names sort by time."""
    now = time.time_ns()
    text = json.dumps({"to": to, "subject": subject, "body": body, "topic": topic, "at": now // 1_000_000})
    handle, draft = tempfile.mkstemp(dir=inbox, suffix=".draft")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(draft, os.path.join(inbox, f"{now}-{os.path.basename(draft)[:-6]}.json"))
