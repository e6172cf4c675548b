"""A route of an HTTP API takes as many requests as its settings say, whoever sends them."""

import collections
import pathlib
import re
import time
import urllib.error
import urllib.request

import pytest
from throttling import Bucket

SETTINGS = pathlib.Path(__file__).parents[4] / "infra/modules/approval/variables.tf"


def asked(cloud, api, path, times=1, method="GET"):
    """How often each status was answered."""
    statuses = collections.Counter()
    for _ in range(times):
        request = urllib.request.Request(f"{cloud.endpoint}{path}", method=method, headers={"Host": f"{api}.execute-api.localhost"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                statuses[answer.status] += 1
        except urllib.error.HTTPError as error:
            statuses[error.code] += 1
            assert error.code != 429 or error.read() == b'{"message":"Too Many Requests"}'
    return dict(statuses)


@pytest.fixture(scope="module")
def page(cloud):
    """An API with two routes, and what sets its stage."""
    apis = cloud.client("apigatewayv2")
    api = apis.create_api(Name="page", ProtocolType="HTTP")["ApiId"]
    target = apis.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=cloud.function, PayloadFormatVersion="2.0")["IntegrationId"]
    for route in ("GET /page/{token}", "POST /page/{token}", "GET /style.css"):
        apis.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{target}")
    apis.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    return api, lambda **settings: apis.update_stage(ApiId=api, StageName="$default", **settings)


def limit(rate, burst):
    return {"ThrottlingRateLimit": rate, "ThrottlingBurstLimit": burst}


def test_a_route_takes_its_burst_at_once_and_then_its_rate(cloud, page):
    api, sets = page
    sets(DefaultRouteSettings=limit(1, 3))

    assert asked(cloud, api, "/page/one", times=5) == {200: 3, 429: 2}
    time.sleep(1.1)
    assert asked(cloud, api, "/page/two", times=2) == {200: 1, 429: 1}


def test_each_route_has_a_bucket_of_its_own(cloud, page):
    api, sets = page
    sets(DefaultRouteSettings=limit(1, 2), RouteSettings={"POST /page/{token}": limit(1, 4)})

    assert asked(cloud, api, "/page/one", times=3) == {200: 2, 429: 1}
    assert asked(cloud, api, "/style.css", times=3) == {200: 2, 429: 1}
    assert asked(cloud, api, "/page/one", times=5, method="POST") == {200: 4, 429: 1}
    assert asked(cloud, api, "/nowhere", times=3) == {404: 3}


def test_without_settings_a_route_takes_what_comes(cloud, page):
    api, sets = page
    sets(DefaultRouteSettings={}, RouteSettings={})

    assert asked(cloud, api, "/page/one", times=30) == {200: 30}


def refused(rate, burst, seconds=600, flood=100):
    """How many of an approver's requests, one a second, are refused beside a client who sends so many."""
    clock = [0.0]
    bucket = Bucket(rate, burst, lambda: clock[0])
    refused = 0
    for second in range(seconds):
        for number in range(flood):
            clock[0] = second + number / flood
            bucket.takes()
            if number == flood // 2:
                refused += not bucket.takes()
    return refused


def test_one_client_with_a_hundred_requests_a_second_keeps_no_approver_out():
    rate, burst = (int(re.search(rf'variable "{name}" \{{.*?default += (\d+)', SETTINGS.read_text(), re.S)[1])
                   for name in ("requests_per_second", "requests_burst"))

    assert refused(rate, burst) == 0
    # With ten a second, as it once was, hardly anybody gets in.
    assert refused(10, 20) > 400
