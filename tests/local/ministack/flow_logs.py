"""Flow logs. AWS keeps for how long a flow log gathers before it writes, its role and its tags; MiniStack forgets
them, so Terraform would make the flow log anew each time."""

import functools
import re

from ministack.services import ec2


def apply() -> None:
    create, describe = ec2._create_flow_logs, ec2._describe_flow_logs

    @functools.wraps(create)
    def keeping(params):
        before = set(ec2._flow_logs)
        answer = create(params)
        for name in set(ec2._flow_logs) - before:
            ec2._flow_logs[name]["MaxAggregationInterval"] = ec2._p(params, "MaxAggregationInterval") or "600"
            ec2._parse_tag_specs(params, "vpc-flow-log", name)  # as AWS calls them there
            ec2._flow_logs[name]["Role"] = ec2._p(params, "DeliverLogsPermissionArn")
        return answer

    @functools.wraps(describe)
    def reporting(params):
        status, headers, body = describe(params)

        def whole(found):
            log = ec2._flow_logs[found.group(1)]
            return (f"{found.group(0)}<maxAggregationInterval>{log['MaxAggregationInterval']}</maxAggregationInterval>"
                    f"<deliverLogsPermissionArn>{log['Role']}</deliverLogsPermissionArn>")

        text = body.decode() if isinstance(body, bytes) else body
        return status, headers, re.sub(r"<flowLogId>([^<]+)</flowLogId>", whole, text).encode()

    for name, corrected in (("_create_flow_logs", keeping), ("_describe_flow_logs", reporting)):
        for action, handler in list(ec2._ACTION_MAP.items()):
            if handler is getattr(ec2, name):
                ec2._ACTION_MAP[action] = corrected
        setattr(ec2, name, corrected)
