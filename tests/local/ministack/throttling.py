"""The limits of an HTTP API's routes. MiniStack keeps a stage's settings and holds nobody to them.

AWS counts requests by the token bucket, each one a token: a bucket holds the burst, and the rate fills it again; what finds it empty is
answered 429 before anything is invoked ("Throttle requests to your HTTP APIs", Amazon API Gateway developer guide). A route's settings come
before those of the stage, and a bucket is its route's, not a client's. AWS calls the limits targets and not ceilings; here they are exact.
Without settings those of the account hold, 10,000 a second, which nothing here reaches."""

import functools
import time

from ministack.services import apigateway

TOO_MANY = (429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}')

_buckets = {}


class Bucket:
    def __init__(self, rate, burst, now=time.monotonic):
        self.rate, self.burst, self.now = rate, burst, now
        self.tokens, self.at = burst, now()

    def takes(self) -> bool:
        now = self.now()
        self.tokens, self.at = min(self.burst, self.tokens + (now - self.at) * self.rate), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def limits(stage, route_key):
    """The rate and the burst of a route, if there are any."""
    settings = {**(stage.get("defaultRouteSettings") or {}), **((stage.get("routeSettings") or {}).get(route_key) or {})}
    rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
    return (float(rate), float(burst)) if rate is not None and burst is not None else None


def bucket(api_id, stage_name, route_key):
    limit = limits((apigateway._stages.get(api_id) or {}).get(stage_name) or {}, route_key)
    place = (api_id, stage_name, route_key)
    if limit is None:
        _buckets.pop(place, None)
        return None
    # New settings begin with a full bucket.
    if place not in _buckets or (_buckets[place].rate, _buckets[place].burst) != limit:
        _buckets[place] = Bucket(*limit)
    return _buckets[place]


def apply() -> None:
    execute = apigateway._handle_execute_in_scope

    @functools.wraps(execute)
    async def corrected(api_id, stage, path, method, *rest):
        route = apigateway._match_route(api_id, method, "/" + path.lstrip("/"))
        its = bucket(api_id, stage, route.get("routeKey")) if route else None
        return await execute(api_id, stage, path, method, *rest) if its is None or its.takes() else TOO_MANY

    apigateway._handle_execute_in_scope = corrected
