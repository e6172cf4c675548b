"""Target health. AWS checks every target over HTTP, reports what it found and routes around what is unhealthy.
MiniStack calls every target healthy.

Thresholds, path, port and accepted codes are the target group's own. Times are shortened: a check every half
second and two seconds to answer, instead of the group's interval and time-out.
"""

import functools
import http.client
import random
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pace
from ministack.services import alb

INTERVAL = pace.of(0.5, 0.1)
TIMEOUT = 2.0

INITIAL, HEALTHY, UNHEALTHY = "initial", "healthy", "unhealthy"


class Health:
    """What the checks of one target found so far."""

    def __init__(self):
        self.state, self.good, self.bad = INITIAL, 0, 0
        self.reason = "Elb.RegistrationInProgress"
        self.description = "Target registration is in progress"

    def passed(self, group):
        self.good, self.bad = self.good + 1, 0
        # A new target needs one good check, one that was unhealthy needs as many as the threshold.
        if self.state == INITIAL or self.good >= group.get("HealthyThresholdCount", 5):
            self.state = HEALTHY

    def failed(self, group, reason, description):
        self.good, self.bad = 0, self.bad + 1
        self.reason, self.description = reason, description
        if self.bad >= group.get("UnhealthyThresholdCount", 2):
            self.state = UNHEALTHY


_health: dict = {}


def health_of(group_arn, target_id, port) -> Health:
    """The health of a target, as far as it is known."""
    return _health.setdefault((group_arn, str(target_id), int(port)), Health())


def apply() -> None:
    _know_protocols()
    alb._describe_target_health = _describe_target_health
    alb._ACTION_MAP["DescribeTargetHealth"] = _describe_target_health
    _route_to_healthy_targets()
    threading.Thread(target=_check_forever, name="slipway-target-health", daemon=True).start()


def _know_protocols() -> None:
    """AWS: a group for HTTP or HTTPS has a protocol version, HTTP1 where none is asked for; one for TCP, TLS or UDP is checked by
    TCP where nothing else is asked for; only checks by HTTP and HTTPS have a path and codes, which are of gRPC where the version
    is (CreateTargetGroup and TargetGroup, Elastic Load Balancing API reference, 2015-12-01). MiniStack forgets the version,
    checks every group by HTTP, and says a path and a code of every group."""
    create, to_xml = alb._create_tg, alb._tg_xml

    @functools.wraps(create)
    def created(params):
        before = set(alb._tgs)
        answer = create(params)
        for arn in set(alb._tgs) - before:
            group = alb._tgs[arn]
            if group["Protocol"] in ("HTTP", "HTTPS"):
                group["ProtocolVersion"] = alb._p(params, "ProtocolVersion", "HTTP1")
                group["Matcher"]["GrpcCode"] = alb._p(params, "Matcher.GrpcCode", "12")
                if group["ProtocolVersion"] == "GRPC":
                    group["HealthCheckPath"] = alb._p(params, "HealthCheckPath", "/AWS.ALB/healthcheck")
            else:
                group["HealthCheckProtocol"] = alb._p(params, "HealthCheckProtocol", "TCP")
            answer = alb._xml(200, "CreateTargetGroup", f"<TargetGroups>{alb._tg_xml(group)}</TargetGroups>")
        return answer

    @functools.wraps(to_xml)
    def described(group):
        version = group.get("ProtocolVersion")
        text = to_xml({**group, "LoadBalancerArns": balancers_of(group["TargetGroupArn"])})
        # The last one ends the group itself; the ARNs of its load balancers are members, too.
        fields, end, _ = text.rpartition("</member>")
        if version:
            fields += f"<ProtocolVersion>{version}</ProtocolVersion>"
        if group.get("HealthCheckProtocol", "HTTP") not in ("HTTP", "HTTPS"):
            fields = re.sub("<HealthCheckPath>.*?</HealthCheckPath>|<Matcher>.*?</Matcher>", "", fields)
        elif version == "GRPC":
            codes = f"<Matcher><GrpcCode>{group['Matcher'].get('GrpcCode', '12')}</GrpcCode></Matcher>"
            fields = re.sub("<Matcher>.*?</Matcher>", codes, fields)
        return fields + end

    alb._create_tg, alb._tg_xml = created, described
    alb._ACTION_MAP["CreateTargetGroup"] = created


def balancers_of(group) -> list:
    """AWS: a load balancer is one of a group's where any rule of it forwards there, not its listeners' default actions alone."""
    def forwards(action):
        weighted = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
        return group in (action.get("TargetGroupArn"), *(one.get("TargetGroupArn") for one in weighted))

    listeners = [alb._listeners.get(rule.get("ListenerArn")) for rule in list(alb._rules.values())
                 if any(forwards(action) for action in rule.get("Actions") or [])]
    return sorted({listener["LoadBalancerArn"] for listener in listeners if listener})


def _check_forever() -> None:
    with ThreadPoolExecutor(max_workers=16) as pool:
        busy: dict = {}
        while True:
            time.sleep(INTERVAL)
            # The underlying mapping: this thread belongs to no account or region of a request.
            groups = {group["TargetGroupArn"]: group for group in list(alb._tgs._data.values())}
            targets = {group["TargetGroupArn"]: [] for group in groups.values()}
            for key, registered in list(alb._targets._data.items()):
                if key[-1] in targets:
                    targets[key[-1]] = list(registered)
            known = {(arn, str(t["Id"]), int(t.get("Port") or groups[arn]["Port"]))
                     for arn, registered in targets.items() for t in registered
                     if groups[arn].get("TargetType") != "lambda"}
            for gone in set(_health) - known:
                _health.pop(gone, None)
            for target in known:
                if target not in busy or busy[target].done():
                    busy[target] = pool.submit(_check, groups[target[0]], target)
            busy = {target: future for target, future in busy.items() if target in known}


def _check(group, target) -> None:
    arn, host, port = target
    health = health_of(arn, host, port)
    checked = group.get("HealthCheckPort", "traffic-port")
    if group.get("HealthCheckProtocol", "HTTP") in ("TCP", "TLS"):
        return _connect(group, health, host, port if checked == "traffic-port" else int(checked))
    connection = http.client.HTTPConnection(host, port if checked == "traffic-port" else int(checked), timeout=TIMEOUT)
    try:
        connection.request("GET", group.get("HealthCheckPath", "/"), headers={"User-Agent": "ELB-HealthChecker/2.0"})
        status = connection.getresponse().status
    except TimeoutError:
        health.failed(group, "Target.Timeout", "Request timed out")
    except OSError:
        health.failed(group, "Target.FailedHealthChecks", "Health checks failed")
    except http.client.HTTPException:
        health.failed(group, "Target.FailedHealthChecks", "Health checks failed")
    else:
        if _accepts(group.get("Matcher", {}).get("HttpCode", "200"), status):
            health.passed(group)
        else:
            health.failed(group, "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]")
    finally:
        connection.close()


def _connect(group, health, host, port) -> None:
    """A check by TCP: a connection is enough."""
    try:
        socket.create_connection((host, port), timeout=TIMEOUT).close()
    except OSError:
        health.failed(group, "Target.FailedHealthChecks", "Health checks failed")
    else:
        health.passed(group)


def _accepts(matcher, status) -> bool:
    """Whether a matcher such as `200`, `200,202` or `200-299` accepts a status."""
    for part in matcher.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False


def _describe_target_health(params):
    arn = alb._p(params, "TargetGroupArn")
    if arn not in alb._tgs:
        return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
    group, registered = alb._tgs[arn], alb._targets.get(arn, [])
    wanted = {target["Id"] for target in alb._parse_targets_param(params)}
    members = []
    for target in registered:
        if wanted and target["Id"] not in wanted:
            continue
        port = target.get("Port", group.get("Port", 80))
        health = health_of(arn, target["Id"], port)
        why = ("" if health.state == HEALTHY else
               f"<Reason>{health.reason}</Reason><Description>{health.description}</Description>")
        members.append(
            f"<member><Target><Id>{target['Id']}</Id><Port>{port}</Port></Target>"
            f"<HealthCheckPort>{port}</HealthCheckPort>"
            f"<TargetHealth><State>{health.state}</State>{why}</TargetHealth></member>")
    return alb._xml(200, "DescribeTargetHealth",
                    f"<TargetHealthDescriptions>{''.join(members)}</TargetHealthDescriptions>")


def _route_to_healthy_targets() -> None:
    """AWS: requests go to healthy targets only, unless there is none: then to all of them."""
    proxy = alb._proxy_http_target

    @functools.wraps(proxy)
    async def corrected(target, group, *request, **details):
        arn = group["TargetGroupArn"]
        healthy = [candidate for candidate in alb._targets.get(arn, [])
                   if health_of(arn, candidate["Id"], candidate.get("Port") or group["Port"]).state == HEALTHY]
        return await proxy(random.choice(healthy) if healthy else target, group, *request, **details)

    alb._proxy_http_target = corrected
