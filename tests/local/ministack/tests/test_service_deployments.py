"""Service deployments and revisions of every kind of deployment, with the calls that read them; rolling updates that fail, or are stopped."""

import concurrent.futures
import datetime
import threading
import types

import botocore.exceptions
import deployments
import pytest
import service_deployments
import strategies
from patience import until
from test_corrections import user_of
from web import CLUSTER, DIGEST, alarm, pause

PLACE = "arn:aws:ecs:us-east-1:000000000000"


def test_a_rolling_update_has_a_service_deployment_without_stages_and_weights(web):
    web.made()
    arn = web.deploy("v2")
    shown = web.until("SUCCESSFUL", arn=arn)

    assert arn.startswith(f"{PLACE}:service-deployment/{CLUSTER}/{web.name}/")
    assert not {"lifecycleStage", "rollback", "stoppedAt"} & shown.keys()
    target = shown["targetServiceRevision"]
    until(lambda: True if web.shown(arn)["sourceServiceRevisions"][0]["runningTaskCount"] == 0 else None)
    assert target == {"arn": target["arn"], "requestedTaskCount": 1, "runningTaskCount": 1, "pendingTaskCount": 0}
    assert shown["createdAt"] <= shown["finishedAt"]
    assert [one["arn"] for one in shown["sourceServiceRevisions"]] == [web.shown(web.listed()[1]["serviceDeploymentArn"])["targetServiceRevision"]["arn"]]
    assert [one["arn"] for one in web.service()["currentServiceRevisions"]] == [target["arn"]]
    assert "currentServiceDeployment" not in web.service()


def test_a_revision_says_what_it_runs_and_where(web):
    web.made()
    arn = web.newest()["targetServiceRevisionArn"]
    answer = web.ecs.describe_service_revisions(serviceRevisionArns=[arn, arn + "0"])

    revision, = answer["serviceRevisions"]
    assert (revision["taskDefinition"], revision["serviceArn"]) == (web.service()["taskDefinition"], web.service()["serviceArn"])
    assert revision["containerImages"] == [{"containerName": "web", "image": f"web@{DIGEST}", "imageDigest": DIGEST}]
    assert revision["resolvedConfiguration"] == {"loadBalancers": [{"targetGroupArn": web.groups[0], "productionListenerRule": web.rules["production"]}]}
    assert answer["failures"] == [{"arn": arn + "0", "reason": "MISSING"}]


def test_deployments_are_listed_newest_first_by_status_time_and_page(web):
    web.made()
    for version in ("v2", "v3"):
        web.until("SUCCESSFUL", arn=web.deploy(version))
    arns = [one["serviceDeploymentArn"] for one in web.listed()]
    times = [one["createdAt"] for one in web.listed()]

    assert (len(arns), times) == (3, sorted(times, reverse=True))
    page = web.ecs.list_service_deployments(cluster=CLUSTER, service=web.name, maxResults=2)
    rest = web.ecs.list_service_deployments(cluster=CLUSTER, service=web.name, nextToken=page["nextToken"])
    assert [one["serviceDeploymentArn"] for one in page["serviceDeployments"] + rest["serviceDeployments"]] == arns
    assert "nextToken" not in rest
    assert web.listed(status=["IN_PROGRESS"]) == []
    assert len(web.listed(status=["SUCCESSFUL"])) == 3
    assert len(web.listed(createdAt={"after": times[0]})) == 1
    assert web.listed(createdAt={"before": times[-1] - datetime.timedelta(seconds=1)}) == []


def test_more_tasks_alone_are_no_deployment(web):
    web.made()
    web.ecs.update_service(cluster=CLUSTER, service=web.name, desiredCount=2)

    assert len(web.listed()) == 1


def test_a_rolling_update_that_is_stopped_is_rolled_back(web):
    web.made()
    arn = web.deploy("v2", {"STATUS": "500"})
    web.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    shown = web.until("ROLLBACK_SUCCESSFUL", arn=arn)

    assert shown["rollback"]["serviceRevisionArn"] == shown["sourceServiceRevisions"][0]["arn"]
    assert (web.ask(), web.service()["taskDefinition"][-2:]) == ("v1", ":1")


def test_the_circuit_breaker_rolls_back_a_service_deployment(web):
    web.made()
    breaker = {"enable": True, "rollback": True}
    arn = web.deploy("v2", {"EXIT": "1"}, deploymentCircuitBreaker=breaker)
    shown = web.until("ROLLBACK_SUCCESSFUL", arn=arn)

    assert shown["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert "circuit breaker" in shown["rollback"]["reason"]
    good = web.until("SUCCESSFUL", arn=web.deploy("v3"))
    assert good["deploymentCircuitBreaker"]["status"] == "MONITORING_COMPLETE"


def test_without_rollback_a_failed_deployment_is_stopped(web):
    web.made()
    arn = web.deploy("v2", {"EXIT": "1"}, deploymentCircuitBreaker={"enable": True, "rollback": False})

    assert "stoppedAt" in web.until("STOPPED", arn=arn)
    assert "rollback" not in web.shown(arn)


def test_an_alarm_fails_a_rolling_update(web):
    web.made()
    alarms = alarm(web.cloud, "rolls", "OK")
    arn = web.deploy("v2", {"STATUS": "500"}, alarms=alarms)
    alarm(web.cloud, "rolls", "ALARM")

    shown = web.until("ROLLBACK_SUCCESSFUL", arn=arn)
    assert (shown["alarms"]["status"], shown["alarms"]["triggeredAlarmNames"]) == ("TRIGGERED", ["rolls"])
    assert web.ask() == "v1"


def test_a_newer_rolling_update_stops_the_older_one(web):
    web.made()
    older = web.deploy("v2", {"STATUS": "500"})
    newer = web.deploy("v3")

    web.until("SUCCESSFUL", arn=newer)
    assert web.shown(older)["status"] == "STOPPED"


def test_what_is_not_there_or_not_valid_is_refused_in_awss_words(web):
    web.made()
    newest = web.newest()["serviceDeploymentArn"]
    ecs, nowhere = web.ecs, f"{PLACE}:service-deployment/{CLUSTER}/{web.name}/nothing"
    refused = ecs.exceptions
    for error, call in [
            (refused.ServiceNotFoundException, lambda: ecs.list_service_deployments(cluster=CLUSTER, service="nobody")),
            (refused.ClusterNotFoundException, lambda: ecs.list_service_deployments(cluster="nowhere", service=web.name)),
            (refused.InvalidParameterException, lambda: web.listed(maxResults=101)),
            (refused.InvalidParameterException, lambda: web.listed(status=["DONE"])),
            (refused.InvalidParameterException, lambda: ecs.describe_service_deployments(serviceDeploymentArns=[newest] * 21)),
            (refused.ServiceDeploymentNotFoundException, lambda: ecs.stop_service_deployment(serviceDeploymentArn=nowhere)),
            (refused.ServiceDeploymentNotFoundException, lambda: ecs.continue_service_deployment(serviceDeploymentArn=nowhere, hookId="h")),
            (refused.InvalidParameterException, lambda: ecs.continue_service_deployment(serviceDeploymentArn=newest, hookId="h")),
            (refused.InvalidParameterException, lambda: ecs.stop_service_deployment(serviceDeploymentArn=newest, stopType="ABORT")),
            (refused.ConflictException, lambda: ecs.stop_service_deployment(serviceDeploymentArn=newest))]:
        with pytest.raises(error):
            call()
    assert ecs.describe_service_deployments(serviceDeploymentArns=[nowhere])["failures"] == [{"arn": nowhere, "reason": "MISSING"}]


def test_a_deployment_is_continued_by_whoever_may_do_that_to_the_service_too(running):
    deployment = f"{PLACE}:service-deployment/staging/web/abc"
    for name, resources in {"both": [deployment, f"{PLACE}:service/staging/web"], "service": [f"{PLACE}:service/staging/web"],
                            "deployment": [deployment]}.items():
        ecs = user_of(running, f"continues-{name}", {"Action": "ecs:ContinueServiceDeployment", "Resource": resources})
        with pytest.raises(botocore.exceptions.ClientError) as error:
            ecs.continue_service_deployment(serviceDeploymentArn=deployment, hookId="h")
        assert ("AccessDenied" in str(error.value)) == (name != "both"), (name, error.value)


def test_a_revision_is_read_by_whoever_may_read_it_and_its_service(running):
    revision = f"{PLACE}:service-revision/staging/web/1"
    for name, resources in {"both": [revision, f"{PLACE}:service/staging/web"], "service": [f"{PLACE}:service/staging/web"],
                            "revision": [revision], "other": [revision, f"{PLACE}:service/staging/other"]}.items():
        ecs = user_of(running, f"reads-revisions-{name}", {"Action": "ecs:DescribeServiceRevisions", "Resource": resources})
        if name == "both":
            assert ecs.describe_service_revisions(serviceRevisionArns=[revision])["failures"][0]["reason"] == "MISSING"
        else:
            with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*ecs:DescribeServiceRevisions"):
                ecs.describe_service_revisions(serviceRevisionArns=[revision])


def test_a_service_that_is_deleted_ends_its_deployment(web):
    web.made(strategy="BLUE_GREEN", bakeTimeInMinutes=0)
    arn = web.deploy("v2", strategy="BLUE_GREEN", bakeTimeInMinutes=0, lifecycleHooks=[pause("PRE_SCALE_UP")])
    web.until_paused(arn)
    web.ecs.delete_service(cluster=CLUSTER, service=web.name, force=True)

    assert "deleted" in web.until("STOPPED", arn=arn)["statusReason"]
    until(lambda: True if [one["status"] for one in web.shown(arn)["lifecycleHookDetails"]] == ["FAILED"] else None)
    assert web.service()["status"] == "INACTIVE"


def test_a_service_that_is_deleted_ends_its_rolling_update(web):
    web.made()
    arn = web.deploy("v2", {"STATUS": "500"}, alarms=alarm(web.cloud, "never-fires", "OK"))
    web.ecs.delete_service(cluster=CLUSTER, service=web.name, force=True)
    shown = web.until("STOPPED", arn=arn, patience=5)

    assert ("deleted" in shown["statusReason"], shown["alarms"]["status"]) == (True, "MONITORING_COMPLETE")


def test_the_last_fifty_deployments_of_a_service_are_kept(web):
    web.ecs.create_service(taskDefinition=web.revision("v1"), **{**web.create, "desiredCount": 0})
    first = web.newest()
    for _ in range(50):
        web.ecs.update_service(cluster=CLUSTER, service=web.name, forceNewDeployment=True)

    assert len(web.listed(maxResults=100)) == 50
    arn = first["serviceDeploymentArn"]
    assert web.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["failures"] == [{"arn": arn, "reason": "MISSING"}]
    revision = first["targetServiceRevisionArn"]
    assert web.ecs.describe_service_revisions(serviceRevisionArns=[revision])["failures"] == [{"arn": revision, "reason": "MISSING"}]


def test_two_calls_that_stop_one_deployment_roll_it_back_once(web):
    web.made(strategy="BLUE_GREEN", bakeTimeInMinutes=0)
    arn = web.deploy("v2", strategy="BLUE_GREEN", bakeTimeInMinutes=0, lifecycleHooks=[pause("POST_SCALE_UP")])
    web.until_paused(arn)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for call in [pool.submit(web.ecs.stop_service_deployment, serviceDeploymentArn=arn) for _ in range(8)]:
            call.result()

    assert "StopServiceDeployment" in web.until("ROLLBACK_SUCCESSFUL", arn=arn)["rollback"]["reason"]
    told = web.cloud.told.of("ECS Hook State Change", serviceDeploymentArn=arn)
    assert [one["eventName"] for one in told] == ["HOOK_AWAITING_ACTION", "HOOK_FAILED"]


def test_only_one_of_many_ends_a_service_deployment():
    record = object.__new__(service_deployments.ServiceDeployment)
    record.lock, record.status, record.reason, record.times = threading.RLock(), "IN_PROGRESS", None, {}
    record.alarms = strategies.Alarms({})

    assert record.becomes("ROLLBACK_REQUESTED", only_from=("IN_PROGRESS",))
    assert not record.becomes("ROLLBACK_REQUESTED", only_from=("IN_PROGRESS",))
    assert record.ends("STOPPED", "somebody stopped it")
    assert not record.ends("SUCCESSFUL", "it was done")
    assert (record.status, record.reason) == ("STOPPED", "somebody stopped it")


def test_a_rolling_update_that_fails_is_not_rolled_back_to_one_that_is_being_restored():
    done = types.SimpleNamespace(status="SUCCESSFUL")
    restored = deployments.Deployment(id="a", rolloutState="IN_PROGRESS")
    restored.record, older = done, deployments.Deployment(id="b", rolloutState="COMPLETED")
    newest, ended = deployments.Deployment(id="c", rolloutState="FAILED"), []
    record = types.SimpleNamespace(
        status="IN_PROGRESS", reason=None, deployment=newest, configuration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        alarms=types.SimpleNamespace(fired=[]), service={"deployments": [newest, restored, older]},
        ends=lambda *arguments: ended.append(arguments), rolls_back=lambda *arguments: ended.append(arguments))
    service_deployments.failed(record)

    assert record.restores is older
