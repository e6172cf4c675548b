"""Deployments that shift traffic: BLUE_GREEN, CANARY and LINEAR, seen from outside, with requests that are counted where they arrive."""

import time

import botocore.exceptions
import pytest
from patience import until
from web import CLUSTER, Web, alarm, pause, production, role

STAGES = ["PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT",
          "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"]
BLUE_GREEN = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}


def stage(shown):
    return shown.get("lifecycleStage")


def in_order(seen, stages):
    """Whether stages were seen in their order; looks may miss one that is short."""
    places = [stages.index(one) for one in seen if one]
    return len(places) > 2 and places == sorted(places)


def test_a_deployment_passes_its_stages_in_order_and_is_held_at_each_that_may_pause(web):
    web.made(**BLUE_GREEN)
    pausing = [one for one in STAGES if one.startswith(("PRE_", "POST_"))]
    arn, held, hook = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause(*pausing)]), [], None
    for _ in pausing:
        hook = web.until_paused(arn, other_than=hook and hook["hookId"])
        shown = web.shown(arn)
        held.append((stage(shown), shown["targetServiceRevision"]["runningTaskCount"], shown["targetServiceRevision"]["requestedTestTrafficWeight"], production(shown)))
        web.go_on(hook, arn=arn)
    web.until("SUCCESSFUL", arn=arn)

    assert held == [("PRE_SCALE_UP", 0, 0, 0), ("POST_SCALE_UP", 1, 0, 0), ("POST_TEST_TRAFFIC_SHIFT", 1, 100, 0),
                    ("PRE_PRODUCTION_TRAFFIC_SHIFT", 1, 100, 0), ("POST_PRODUCTION_TRAFFIC_SHIFT", 1, 100, 100)]


def test_blue_green_goes_through_the_stages_and_shifts_all_at_once(web):
    web.made(**BLUE_GREEN)
    assert (web.weights(), web.targets()) == ([100, 0], [1, 0])

    arn = web.deploy("v2", strategy="BLUE_GREEN", bakeTimeInMinutes=2)
    seen = web.followed(arn, stage, production)

    assert in_order([stage for stage, _ in seen], STAGES)
    assert {percent for _, percent in seen} == {0.0, 100.0}
    assert {percent for stage, percent in seen if stage in STAGES[:6]} == {0.0}
    assert {percent for stage, percent in seen if stage in STAGES[7:]} == {100.0}
    ended = web.shown(arn)
    assert (ended["status"], web.weights(), web.weights("test"), web.targets()) == ("SUCCESSFUL", [0, 100], [0, 100], [0, 1])
    assert [web.ask() for _ in range(10)] == ["v2"] * 10
    # The next one takes the first target group again.
    web.until("SUCCESSFUL", arn=web.deploy("v3"))
    assert (web.ask(), web.weights(), web.targets()) == ("v3", [100, 0], [1, 0])


def test_the_old_tasks_run_until_the_bake_has_ended(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", strategy="BLUE_GREEN", bakeTimeInMinutes=3)

    baking = until(lambda: found if stage(found := web.shown(arn)) == "BAKE_TIME" else None, 30)
    old, new = baking["sourceServiceRevisions"], baking["targetServiceRevision"]
    assert ([one["runningTaskCount"] for one in old], new["runningTaskCount"], web.ask()) == ([1], 1, "v2")
    web.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    ended = web.until("ROLLBACK_SUCCESSFUL", arn=arn)

    assert (web.ask(), web.service()["taskDefinition"][-2:], web.service()["runningCount"]) == ("v1", ":1", 1)
    assert ended["rollback"]["serviceRevisionArn"] == old[0]["arn"]
    assert "StopServiceDeployment" in ended["rollback"]["reason"]
    with pytest.raises(web.ecs.exceptions.ConflictException):
        web.ecs.stop_service_deployment(serviceDeploymentArn=arn)


def test_a_pause_holds_the_new_tasks_where_only_the_test_rule_reaches_them(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    hook = web.until_paused(arn)

    assert [web.ask() for _ in range(20)] == ["v1"] * 20
    assert [web.ask("test") for _ in range(20)] == ["v2"] * 20
    assert web.engine.requests == {"v1": 20, "v2": 20}
    shown = web.shown(arn)
    assert (stage(shown), production(shown), shown["targetServiceRevision"]["requestedTestTrafficWeight"]) == ("POST_TEST_TRAFFIC_SHIFT", 0.0, 100.0)
    assert (hook["targetType"], hook["timeoutAction"], "targetArn" in hook) == ("PAUSE", "ROLLBACK", False)
    assert 1400 * 60 < hook["expiresAt"].timestamp() - time.time() < 1441 * 60
    event = web.cloud.told.of("ECS Hook State Change", hookId=hook["hookId"])[0]
    assert {name: event[name] for name in ("eventType", "eventName", "hookType", "lifecycleStage", "serviceDeploymentArn")} == {
        "eventType": "INFO", "eventName": "HOOK_AWAITING_ACTION", "hookType": "PAUSE", "lifecycleStage": "POST_TEST_TRAFFIC_SHIFT",
        "serviceDeploymentArn": arn}
    assert web.go_on(hook, arn=arn)["serviceDeploymentArn"] == arn
    web.until("SUCCESSFUL", arn=arn)
    assert [one["eventName"] for one in web.cloud.told.of("ECS Hook State Change", hookId=hook["hookId"])] == ["HOOK_AWAITING_ACTION", "HOOK_SUCCEEDED"]
    with pytest.raises(web.ecs.exceptions.InvalidParameterException, match="it is SUCCESSFUL"):
        web.go_on(hook, arn=arn)


def test_a_version_that_is_rolled_back_at_its_pause_meets_no_request(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    hook = web.until_paused(arn)
    web.go_on(hook, "ROLLBACK", arn)

    while (shown := web.shown(arn))["status"] != "ROLLBACK_SUCCESSFUL":
        assert shown["status"] in ("IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
        assert web.ask() == "v1"
    assert web.ask() == "v1"
    assert web.engine.requests["v2"] == 0
    assert (web.counted(web.groups[0]), web.counted(web.groups[1])) == (web.counted(), 0)
    assert web.counted() >= 2
    assert (web.weights(), web.weights("test"), web.targets()) == ([100, 0], [100, 0], [1, 0])
    assert [one["eventName"] for one in web.cloud.told.of("ECS Hook State Change", hookId=hook["hookId"])][-1] == "HOOK_FAILED"


@pytest.mark.parametrize("at", [one for one in STAGES if one.startswith(("PRE_", "POST_"))])
def test_a_deployment_is_stopped_at_whatever_stage_it_is_held(web, at):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause(at)])
    hook = web.until_paused(arn)
    web.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    ended = web.until("ROLLBACK_SUCCESSFUL", arn=arn)

    until(lambda: True if (web.ask(), web.targets(), web.service()["runningCount"]) == ("v1", [1, 0], 1) else None)
    assert (web.weights(), [one["status"] for one in ended["lifecycleHookDetails"]]) == ([100, 0], ["FAILED"])
    assert len(web.service()["deployments"]) == 1
    assert [one["eventName"] for one in web.cloud.told.of("ECS Hook State Change", hookId=hook["hookId"])] == ["HOOK_AWAITING_ACTION", "HOOK_FAILED"]
    web.until("SUCCESSFUL", arn=web.deploy("v3", **BLUE_GREEN))
    assert web.ask() == "v3"


def test_tasks_that_are_replaced_while_a_deployment_is_held_come_again_on_their_side(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    hook = web.until_paused(arn)
    tasks = web.ecs.list_tasks(cluster=CLUSTER, serviceName=web.name)["taskArns"]
    for task in tasks:
        web.ecs.stop_task(cluster=CLUSTER, task=task)
    assert web.targets() == [0, 0]
    # MiniStack looks at what somebody stopped at the next call alone.
    web.ecs.update_service(cluster=CLUSTER, service=web.name)

    until(lambda: True if (web.ask(), web.ask("test"), web.targets()) == ("v1", "v2", [1, 1]) else None, 30)
    assert not set(tasks) & set(web.ecs.list_tasks(cluster=CLUSTER, serviceName=web.name)["taskArns"])
    web.go_on(hook, arn=arn)
    web.until("SUCCESSFUL", arn=arn)


@pytest.mark.parametrize("action, status, answers", [("CONTINUE", "SUCCESSFUL", "v2"), ("ROLLBACK", "ROLLBACK_SUCCESSFUL", "v1")])
def test_a_pause_times_out_with_its_action(web, action, status, answers):
    running = web.made(**BLUE_GREEN).cloud
    (running.folder / "awkward.json").write_text('{"now": {"hook_minute_seconds": 1}}')
    try:
        arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause("POST_SCALE_UP", timeoutInMinutes=1, action=action)])
        hook = web.until_paused(arn)
        web.until(status, arn=arn)
    finally:
        (running.folder / "awkward.json").unlink()

    assert web.ask() == answers
    assert [one["eventName"] for one in running.told.of("ECS Hook State Change", hookId=hook["hookId"])] == ["HOOK_AWAITING_ACTION", "HOOK_TIMED_OUT"]


def test_a_canary_gets_its_share_and_asks_before_each_step(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", strategy="CANARY", bakeTimeInMinutes=0, canaryConfiguration={"canaryPercent": 12.5, "canaryBakeTimeInMinutes": 0},
                     lifecycleHooks=[pause("PRE_PRODUCTION_TRAFFIC_SHIFT")])
    first = web.until_paused(arn)
    assert (production(web.shown(arn)), web.weights()) == (0.0, [100, 0])

    web.go_on(first, arn=arn)
    second = web.until_paused(arn, other_than=first["hookId"])
    assert (production(web.shown(arn)), web.weights()) == (12.5, [875, 125])
    answers = [web.ask() for _ in range(240)]
    assert 8 <= answers.count("v2") <= 60
    assert web.engine.requests["v2"] == answers.count("v2")
    web.go_on(second, arn=arn)
    web.until("SUCCESSFUL", arn=arn)
    assert web.ask() == "v2"


def test_linear_shifts_in_equal_steps_and_bakes_between_them(web):
    web.made(**BLUE_GREEN)
    began = time.monotonic()
    arn = web.deploy("v2", strategy="LINEAR", bakeTimeInMinutes=0, linearConfiguration={"stepPercent": 40.0, "stepBakeTimeInMinutes": 1})

    assert [percent for percent in web.followed(arn, production)] == [0.0, 40.0, 80.0, 100.0]
    assert time.monotonic() - began > 2


def test_a_version_that_is_unhealthy_gets_no_traffic_and_no_circuit_breaker_counts_it(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", {"STATUS": "500"}, **BLUE_GREEN)
    until(lambda: True if web.shown(arn)["status"] == "IN_PROGRESS" and max(
        one["failedTasks"] for one in web.service()["deployments"]) >= 3 else None, 40)

    assert (stage(web.shown(arn)), web.shown(arn)["deploymentCircuitBreaker"]) == ("SCALE_UP", {"status": "DISABLED"})
    web.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    web.until("ROLLBACK_SUCCESSFUL", arn=arn)
    assert [web.ask() for _ in range(5)] == ["v1"] * 5
    assert web.engine.requests["v2"] == 0
    until(lambda: True if web.service()["runningCount"] == 1 else None)


def test_an_alarm_in_the_bake_rolls_back(web):
    web.made(**BLUE_GREEN)
    alarms = alarm(web.cloud, "bakes", "OK")
    arn = web.deploy("v2", strategy="BLUE_GREEN", bakeTimeInMinutes=30, alarms=alarms)
    until(lambda: True if stage(web.shown(arn)) == "BAKE_TIME" else None, 30)
    assert web.shown(arn)["alarms"] == {"status": "MONITORING", "alarmNames": ["bakes"]}

    alarm(web.cloud, "bakes", "ALARM")
    ended = web.until("ROLLBACK_SUCCESSFUL", arn=arn)
    assert ended["alarms"] == {"status": "TRIGGERED", "alarmNames": ["bakes"], "triggeredAlarmNames": ["bakes"]}
    assert "bakes" in ended["rollback"]["reason"]
    assert web.ask() == "v1"


def test_alarms_are_ignored_where_one_fires_when_the_deployment_starts(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", **BLUE_GREEN, alarms=alarm(web.cloud, "fires-already", "ALARM"))

    assert web.until("SUCCESSFUL", "ROLLBACK_SUCCESSFUL", arn=arn)["alarms"]["status"] == "DISABLED"
    assert web.ask() == "v2"


def test_a_newer_deployment_takes_over_and_reconciles_first(web):
    web.made(**BLUE_GREEN)
    older = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause("POST_PRODUCTION_TRAFFIC_SHIFT")])
    web.until_paused(older)
    assert web.ask() == "v2"
    newer = web.deploy("v3", **BLUE_GREEN, lifecycleHooks=[pause("RECONCILE_SERVICE")])
    hook = web.until_paused(newer)
    # The traffic is the last completed revision's again, and the one that never was is gone.
    assert (stage(web.shown(newer)), web.ask(), web.weights(), web.service()["runningCount"]) == ("RECONCILE_SERVICE", "v1", [100, 0], 1)
    web.go_on(hook, arn=newer)

    assert in_order(web.followed(newer, stage), ["RECONCILE_SERVICE", *STAGES])
    assert (web.shown(older)["status"], web.shown(newer)["status"], web.ask()) == ("STOPPED", "SUCCESSFUL", "v3")
    assert len(web.service()["deployments"]) == 1
    assert web.service()["runningCount"] == 1


def test_a_rolling_update_takes_over_from_a_shift(web):
    web.made(**BLUE_GREEN)
    older = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause("POST_PRODUCTION_TRAFFIC_SHIFT")])
    hook = web.until_paused(older)
    newer = web.deploy("v3", {"STATUS": "500"}, strategy="ROLLING")

    assert (web.shown(older)["status"], web.weights()) == ("STOPPED", [100, 0])
    # Nothing of it is good: whoever answers meanwhile is what served before.
    for _ in range(10):
        assert (web.ask(), web.shown(newer)["status"]) == ("v1", "IN_PROGRESS")
        time.sleep(0.05)
    with pytest.raises(web.ecs.exceptions.InvalidParameterException, match="it is STOPPED"):
        web.go_on(hook, arn=older)
    web.ecs.stop_service_deployment(serviceDeploymentArn=newer)
    web.until("ROLLBACK_SUCCESSFUL", arn=newer)
    web.until("SUCCESSFUL", arn=web.deploy("v4"))
    until(lambda: True if (web.ask(), web.targets()) == ("v4", [1, 0]) else None)


def test_an_alarm_without_rollback_stops_the_deployment_where_it_is(web):
    web.made(**BLUE_GREEN)
    alarms = {**alarm(web.cloud, "only-stops", "OK"), "rollback": False}
    arn = web.deploy("v2", **BLUE_GREEN, alarms=alarms, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    web.until_paused(arn)
    alarm(web.cloud, "only-stops", "ALARM")

    assert "only-stops" in web.until("STOPPED", arn=arn)["statusReason"]
    until(lambda: True if [one["status"] for one in web.shown(arn)["lifecycleHookDetails"]] == ["FAILED"] else None)
    time.sleep(0.3)
    assert (web.ask(), web.ask("test"), web.targets(), web.weights()) == ("v1", "v2", [1, 1], [100, 0])
    web.until("SUCCESSFUL", arn=web.deploy("v3", **BLUE_GREEN))
    assert (web.ask(), web.service()["runningCount"]) == ("v3", 1)


def test_both_revisions_are_scaled_while_traffic_shifts(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    hook = web.until_paused(arn)
    web.ecs.update_service(cluster=CLUSTER, service=web.name, desiredCount=2)

    def running(shown):
        return [one["runningTaskCount"] for one in (*shown["sourceServiceRevisions"], shown["targetServiceRevision"])]
    until(lambda: True if running(web.shown(arn)) == [2, 2] else None, 20)
    web.go_on(hook, arn=arn)
    web.until("SUCCESSFUL", arn=arn)
    until(lambda: True if (web.service()["runningCount"], web.targets()) == (2, [0, 2]) else None)


def test_a_first_deployment_is_held_as_well_and_has_nothing_to_go_back_to(web):
    web.create["desiredCount"] = 0
    web.ecs.create_service(taskDefinition=web.revision("v1"), deploymentConfiguration={**BLUE_GREEN, "lifecycleHooks": [pause("PRE_SCALE_UP")]}, **web.create)
    hook = web.until_paused()
    assert web.service()["currentServiceDeployment"] == web.newest()["serviceDeploymentArn"]

    web.go_on(hook, "ROLLBACK")
    assert "no completed service deployment" in web.until("ROLLBACK_FAILED")["statusReason"]
    web.until("SUCCESSFUL", arn=web.deploy("v2", **BLUE_GREEN))


def test_a_service_tells_no_rollout_state_while_its_strategy_shifts_traffic(web):
    web.made(**BLUE_GREEN)

    assert all("rolloutState" not in one for one in web.service()["deployments"])
    web.until("SUCCESSFUL", arn=web.deploy("v2", strategy="ROLLING"))
    assert [one["rolloutState"] for one in web.service()["deployments"]] == ["COMPLETED"]
    # It stays in the target group that has the traffic.
    assert (web.ask(), web.weights(), web.targets()) == ("v2", [100, 0], [1, 0])


def test_a_deployment_tells_of_itself_as_a_rolling_update_does_but_not_that_it_failed(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[pause("POST_SCALE_UP")])
    web.go_on(web.until_paused(arn), "ROLLBACK", arn)
    web.until("ROLLBACK_SUCCESSFUL", arn=arn)
    time.sleep(0.3)

    told = [event["detail"] for event in web.cloud.told.events if event["detail-type"] == "ECS Deployment State Change"
            and event["resources"] == [web.service()["serviceArn"]]]
    assert [one["eventName"].removeprefix("SERVICE_DEPLOYMENT_") for one in told] == [
        "IN_PROGRESS", "COMPLETED", "IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    assert told[1]["deploymentId"] == told[4]["deploymentId"] != told[2]["deploymentId"]


def test_rules_that_do_not_have_both_target_groups_roll_back_at_once(web):
    web.advanced.pop("testListenerRule")
    web.made(**BLUE_GREEN)
    web.elb.modify_rule(RuleArn=web.rules["production"], Actions=[{"Type": "forward", "TargetGroupArn": web.groups[0]}])
    actions = web.elb.describe_rules(RuleArns=[web.rules["production"]])["Rules"][0]["Actions"]
    arn = web.deploy("v2")

    assert "Both targetGroup and alternateTargetGroup must be associated" in web.until("ROLLBACK_SUCCESSFUL", arn=arn)["rollback"]["reason"]
    assert web.engine.requests["v2"] == 0
    # ECS refused the rule, and does not write it on the way back either.
    assert web.elb.describe_rules(RuleArns=[web.rules["production"]])["Rules"][0]["Actions"] == actions


def test_a_task_that_dies_again_and_again_is_started_again_ever_later(web):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", {"EXIT": "1"}, **BLUE_GREEN)

    def made():
        arns = web.ecs.list_tasks(cluster=CLUSTER, family=web.name, desiredStatus="STOPPED")["taskArns"]
        times = sorted(one["createdAt"] for one in web.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]) if arns else []
        return times if len(times) >= 3 else None
    first, second, third = until(made, 30)[:3]
    assert ((second - first).total_seconds() > 0.39, (third - second).total_seconds() > 0.79) == (True, True), (first, second, third)
    web.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    web.until("ROLLBACK_SUCCESSFUL", arn=arn)


def test_ecs_shifts_by_a_role_that_it_may_take_and_that_may_change_the_rules(web):
    web.made()
    for_this = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "elasticloadbalancing:ModifyRule", "Resource": list(web.rules.values())},
        {"Effect": "Allow", "Action": "elasticloadbalancing:*Targets", "Resource": web.groups}]}
    for_one = {**for_this, "Statement": [{**for_this["Statement"][0], "Resource": web.rules["test"]}, for_this["Statement"][1]]}
    nobodys = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}

    def shifts_by(arn):
        balancer = {**web.create["loadBalancers"][0], "advancedConfiguration": {**web.advanced, "roleArn": arn}}
        web.ecs.update_service(cluster=CLUSTER, service=web.name, deploymentConfiguration=BLUE_GREEN, loadBalancers=[balancer])

    for arn, words in [(role(web.cloud, f"{web.name}-one-rule", for_one), f"ModifyRule on {web.rules['production']}"),
                       (role(web.cloud, f"{web.name}-nobodys", for_this, nobodys), "Unable to assume role")]:
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            shifts_by(arn)
    managed = role(web.cloud, f"{web.name}-managed", None)
    web.cloud.iam.attach_role_policy(RoleName=f"{web.name}-managed", PolicyArn="arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers")
    for arn in (managed, role(web.cloud, f"{web.name}-this", for_this)):
        shifts_by(arn)
    web.until("SUCCESSFUL", arn=web.deploy("v2"))


@pytest.fixture(scope="module")
def refusing(running, engine):
    return Web(running, engine).made()


@pytest.mark.parametrize("wrong, words", [
    ({"strategy": "BLUE_GREEN"}, "bakeTimeInMinutes must be provided"),
    ({**BLUE_GREEN, "bakeTimeInMinutes": 1441}, "bakeTimeInMinutes is 1441"),
    ({**BLUE_GREEN, "deploymentCircuitBreaker": {"enable": True, "rollback": True}}, "rolling update"),
    ({**BLUE_GREEN, "canaryConfiguration": {"canaryPercent": 5.0}}, "only valid when the deployment strategy is CANARY"),
    ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.05}}, "canaryPercent is 0.05"),
    ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.9}}, "stepPercent is 2.9"),
    ({**BLUE_GREEN, "lifecycleHooks": [pause("PRODUCTION_TRAFFIC_SHIFT")]}, "PAUSE hooks cannot be configured at PRODUCTION_TRAFFIC_SHIFT"),
    ({**BLUE_GREEN, "lifecycleHooks": [pause("PRE_SCALE_UP", timeoutInMinutes=20161)]}, "timeoutInMinutes is 20161"),
    ({**BLUE_GREEN, "lifecycleHooks": [pause("PRE_SCALE_UP")] * 11}, "more than 10 hooks"),
    ({**BLUE_GREEN, "lifecycleHooks": [{"lifecycleStages": ["PRE_SCALE_UP"]}]}, "hookTargetArn must be provided"),
    ({"strategy": "ROLLING", "lifecycleHooks": [pause("PRE_SCALE_UP")]}, "rolling update"),
    ({"strategy": "BLUEGREEN"}, "deploymentConfiguration.strategy is BLUEGREEN: write one of ROLLING"),
    ({**BLUE_GREEN, "lifecycleHooks": [pause("BAKE_TIME")]}, "lifecycleStages is BAKE_TIME: write one of"),
    ({**BLUE_GREEN, "lifecycleHooks": [pause("POST_TEST_TRAFIC_SHIFT")]}, "lifecycleStages is POST_TEST_TRAFIC_SHIFT"),
    ({**BLUE_GREEN, "lifecycleHooks": [pause("PRE_SCALE_UP", action="rollback")]}, "timeoutConfiguration.action is rollback: write one of ROLLBACK"),
    ({**BLUE_GREEN, "lifecycleHooks": [{**pause("PRE_SCALE_UP"), "targetType": "LAMBDA"}]}, "targetType is LAMBDA: write one of AWS_LAMBDA"),
])
def test_what_ecs_does_not_take_is_refused(refusing, wrong, words):
    with pytest.raises(botocore.exceptions.ClientError, match=words):
        refusing.ecs.update_service(cluster=CLUSTER, service=refusing.name, deploymentConfiguration=wrong)
