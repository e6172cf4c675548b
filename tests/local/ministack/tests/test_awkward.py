"""What AWS does by itself, where a file says so; how reads lag is in test_lag.py."""

import json
import time

from conftest import until


def told(cloud, **awkward):
    (cloud.folder / "awkward.json").write_text(json.dumps({"now": awkward}))


def test_a_task_is_replaced_as_spot_does_it(cloud):
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="replaced")
    ecs.register_task_definition(family="replaced", containerDefinitions=[{"name": "web", "image": "web"}])
    ecs.create_service(cluster="replaced", serviceName="web", taskDefinition="replaced", desiredCount=1)
    runs = lambda: ecs.list_tasks(cluster="replaced", serviceName="web")["taskArns"]  # noqa: E731
    first = until(runs)[0]

    told(cloud, replaces_seconds=1)
    try:
        until(lambda: first not in runs() or None)
    finally:
        (cloud.folder / "awkward.json").unlink()

    task = ecs.describe_tasks(cluster="replaced", tasks=[first])["tasks"][0]
    assert (task["stopCode"], task["stoppedReason"]) == ("SpotInterruption", "Your Spot Task was interrupted.")
    assert until(runs), "the service starts another"
    ecs.delete_service(cluster="replaced", service="web", force=True)


def test_an_address_that_gets_more_than_ten_mails_a_second_is_suspended(cloud):
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="many")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="many@example.com")
    mails = lambda: [file for file in cloud.folder.glob("*.json") if "many@example.com" in file.read_text()]  # noqa: E731

    told(cloud, rates=True)
    try:
        for _ in range(15):
            sns.publish(TopicArn=topic, Subject="Many", Message="many@example.com")
        time.sleep(1.2)
        sns.publish(TopicArn=topic, Subject="Many", Message="many@example.com")
    finally:
        (cloud.folder / "awkward.json").unlink()

    assert len(mails()) == 10, "and none after it"
