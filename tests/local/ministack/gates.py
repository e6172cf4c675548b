"""What the gates of a stage ask AWS for: scans of images, the labels of an image, and snapshots of databases.

ECR scans an image and keeps what it found; MiniStack knows no scans. Here a scan is what the file of the gates says: a digest with a
status and findings, as `cargo local scan` writes it. ECR says where a layer lies; MiniStack names a host of AWS, here it is its own
registry. A snapshot takes a while, a database may be busy, and an account has room for a number of snapshots; in MiniStack it is all there
at once. AWS tells of a snapshot that is there by an event; it has none for one that failed.

Shape: Amazon RDS user guide, "Amazon RDS event categories and event messages".
"""

import functools
import json
import os
import threading
import time

import events
from ministack.core.responses import error_response_json, json_response
from ministack.services import ecr, rds
from told import told

# How long a snapshot is on its way.
SECONDS = 0.5


def apply() -> None:
    images_are_scanned()
    layers_lie_here()
    snapshots_take_a_while()


def said() -> dict:
    """What the file of the gates says now."""
    return told("SLIPWAY_GATES")


def images_are_scanned() -> None:
    def describe(data):
        name, digest = data.get("repositoryName", ""), data.get("imageId", {}).get("imageDigest", "")
        if name not in ecr._repositories:
            return error_response_json("RepositoryNotFoundException", f"The repository {name} does not exist", 400)
        if not ecr._find_image(name, {"imageDigest": digest}):
            return error_response_json("ImageNotFoundException", f"The image {digest} does not exist", 400)
        scan = said().get("scans", {}).get(digest)
        if scan is None:
            return error_response_json("ScanNotFoundException", f"Image scan does not exist for the image with {digest}", 400)
        answer = {"repositoryName": name, "imageId": {"imageDigest": digest},
                  "imageScanStatus": {"status": scan["status"], "description": scan.get("description", "")}}
        if scan["status"] == "COMPLETE":
            answer["imageScanFindings"] = {"findings": [
                {"name": finding["name"], "severity": finding["severity"],
                 "attributes": [{"key": "package_name", "value": finding.get("package", "openssl")}]}
                for finding in scan.get("findings", [])]}
        return json_response(answer)

    def scanning(data):
        """By the repository's own setting: the registry has no filters here."""
        found, failures = [], []
        for name in data.get("repositoryNames", []):
            if repository := ecr._repositories.get(name):
                on_push = bool((repository.get("imageScanningConfiguration") or {}).get("scanOnPush"))
                found.append({"repositoryArn": repository["repositoryArn"], "repositoryName": name, "scanOnPush": on_push,
                              "scanFrequency": "SCAN_ON_PUSH" if on_push else "MANUAL", "appliedScanFilters": []})
            else:
                failures.append({"repositoryName": name, "failureCode": "REPOSITORY_NOT_FOUND",
                                 "failureReason": f"The repository with name '{name}' does not exist"})
        return json_response({"scanningConfigurations": found, "failures": failures})

    handle = ecr.handle_request

    @functools.wraps(handle)
    async def corrected(method, path, headers, body, query_params):
        if headers.get("x-amz-target", "").endswith(".DescribeImageScanFindings"):
            return describe(json.loads(body or b"{}"))
        if headers.get("x-amz-target", "").endswith(".BatchGetRepositoryScanningConfiguration"):
            return scanning(json.loads(body or b"{}"))
        return await handle(method, path, headers, body, query_params)

    ecr.handle_request = corrected


def layers_lie_here() -> None:
    def corrected(data):
        name, digest = data.get("repositoryName", ""), data.get("layerDigest", "")
        if name not in ecr._repositories:
            return error_response_json("RepositoryNotFoundException", f"The repository {name} does not exist", 400)
        url = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}/v2/{name}/blobs/{digest}"
        return json_response({"downloadUrl": url, "layerDigest": digest})

    ecr._get_download_url_for_layer = corrected


def replace(name, corrected) -> None:
    original = getattr(rds, name)
    for action, handler in list(rds._ACTION_MAP.items()):
        if handler is original:
            rds._ACTION_MAP[action] = corrected
    setattr(rds, name, corrected)


def snapshots_take_a_while() -> None:
    create, show = rds._create_db_snapshot, rds._instance_xml

    @functools.wraps(create)
    def creating(params):
        state = said().get("database", {})
        if state.get("status", "available") != "available":
            return rds._error("InvalidDBInstanceState", "The database is not in the available state.", 400)
        manual = [one for one in rds._snapshots.values() if one["SnapshotType"] == "manual"]
        if len(manual) >= state.get("quota", 100):
            return rds._error("SnapshotQuotaExceeded", "Cannot create more than the allowed number of manual snapshots.", 400)
        answer = create(params)
        name = rds._p(params, "DBSnapshotIdentifier")
        if answer[0] < 300:
            rds._snapshots[name]["Status"] = "creating"
            status, headers, body = answer
            answer = status, headers, body.replace(b"<Status>available<", b"<Status>creating<")
            threading.Thread(target=finish, args=(rds._snapshots[name],), daemon=True).start()
        return answer

    @functools.wraps(show)
    def showing(instance):
        status = said().get("database", {}).get("status")
        shown = show(instance)
        return shown.replace("<DBInstanceStatus>available<", f"<DBInstanceStatus>{status}<") if status else shown

    replace("_create_db_snapshot", creating)
    rds._instance_xml = showing


def finish(snapshot) -> None:
    """Lets a snapshot come to its end."""
    time.sleep(SECONDS)
    while (fate := said().get("database", {}).get("snapshots")) == "slow" and snapshot["Status"] == "creating":
        time.sleep(0.1)
    if snapshot["Status"] != "creating":  # It was deleted.
        return
    snapshot["Status"] = "failed" if fate == "fail" else "available"
    if fate != "fail":
        arn = snapshot["DBSnapshotArn"]
        events.happened("aws.rds", "RDS DB Snapshot Event", [arn], {
            "EventCategories": ["creation"], "SourceType": "SNAPSHOT", "SourceArn": arn, "Date": events.written(),
            "Message": "Manual snapshot created", "SourceIdentifier": snapshot["DBSnapshotIdentifier"], "EventID": "RDS-EVENT-0042"})
