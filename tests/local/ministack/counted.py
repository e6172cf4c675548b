"""The requests of a load balancer, which MiniStack does not count.

AWS: `RequestCount` is "the number of requests processed over IPv4 and IPv6. This metric is only incremented for requests where the load
balancer node was able to choose a target", by load balancer, and by load balancer and target group ("CloudWatch metrics for your
Application Load Balancer", Application Load Balancers user guide). It comes a minute later there, and here at once. Health checks are no
requests.
"""

import functools

from load_balancer import balancers_of
from ministack.services import alb, cloudwatch


def apply() -> None:
    proxy = alb._proxy_http_target

    @functools.wraps(proxy)
    async def counting(target, group, *request, **details):
        count(group["TargetGroupArn"])
        return await proxy(target, group, *request, **details)

    alb._proxy_http_target = counting


def count(group) -> None:
    own = group.rsplit(":", 1)[-1]
    for balancer in balancers_of(group):
        name = balancer.split(":loadbalancer/", 1)[-1]
        for dimensions in ({"LoadBalancer": name}, {"LoadBalancer": name, "TargetGroup": own}):
            cloudwatch.record_metric("AWS/ApplicationELB", "RequestCount", 1, "Count", dimensions)
