"""RDS instances. AWS keeps a managed master password in Secrets Manager, and reports the logs it exports, its
backup window and a volume's input and output; MiniStack forgets these, so Terraform would set them again and again. It also
looks for a container engine to run the database in: the local cloud's runs Python applications only, and the
instance would fail after some seconds. Here an instance is a record, available at once, and nobody can connect."""

import functools
import json
import re

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import rds, secretsmanager


def apply() -> None:
    rds._get_docker = lambda: None
    instances_keep_what_they_are_given()
    instances_report_it()
    secrets_die_with_their_instance()


def replace(name, corrected) -> None:
    original = getattr(rds, name)
    for action, handler in list(rds._ACTION_MAP.items()):
        if handler is original:
            rds._ACTION_MAP[action] = corrected
    setattr(rds, name, corrected)


def instances_keep_what_they_are_given() -> None:
    def keeping(change):
        @functools.wraps(change)
        def corrected(params):
            answer = change(params)
            instance = rds._instances.get(rds._p(params, "DBInstanceIdentifier"))
            if instance is None or answer[0] >= 300:
                return answer
            if rds._p(params, "ManageMasterUserPassword") == "true" and "_secret" not in instance:
                instance["_secret"] = secret_of(instance)
            for field in ("PreferredBackupWindow", "PreferredMaintenanceWindow"):
                instance[field] = rds._p(params, field) or instance.get(field)
            exported = set(instance["EnabledCloudwatchLogsExports"])
            for field in ("EnableCloudwatchLogsExports", "CloudwatchLogsExportConfiguration.EnableLogTypes"):
                exported |= set(rds._parse_member_list(params, field))
            exported -= set(rds._parse_member_list(params, "CloudwatchLogsExportConfiguration.DisableLogTypes"))
            instance["EnabledCloudwatchLogsExports"] = sorted(exported)
            if instance["StorageType"] == "gp3":  # what every volume below 400 GiB has
                instance["Iops"] = instance["Iops"] or 3000
                instance["StorageThroughput"] = instance["StorageThroughput"] or 125
            if instance["StorageEncrypted"] and not instance["KmsKeyId"]:
                instance["KmsKeyId"] = f"arn:aws:kms:{get_region()}:{get_account_id()}:key/aws-rds"
            # The answer was written before.
            return rds._single_instance_response(
                re.search(rb"<(\w+Response)\b", as_bytes(answer[2])).group(1).decode(),
                re.search(rb"<(\w+Result)\b", as_bytes(answer[2])).group(1).decode(), instance)
        return corrected

    for name in ("_create_db_instance", "_modify_db_instance"):
        replace(name, keeping(getattr(rds, name)))


def as_bytes(text) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def secret_of(instance) -> str:
    return secretsmanager.create_secret_in_process(
        f"rds!db-{new_uuid()}",
        json.dumps({"username": instance["MasterUsername"], "password": rds._generate_master_user_password()}),
        description=f"The secret associated with the primary RDS DB instance: {instance['DBInstanceArn']}")


def instances_report_it() -> None:
    show = rds._instance_xml

    @functools.wraps(show)
    def corrected(instance):
        logs = "".join(f"<member>{name}</member>" for name in instance["EnabledCloudwatchLogsExports"])
        shown = show(instance).replace(
            "<EnabledCloudwatchLogsExports/>", f"<EnabledCloudwatchLogsExports>{logs}</EnabledCloudwatchLogsExports>")
        if secret := instance.get("_secret"):
            key = f"arn:aws:kms:{get_region()}:{get_account_id()}:key/aws-secretsmanager"
            shown += (f"<MasterUserSecret><SecretArn>{secret}</SecretArn><SecretStatus>active</SecretStatus>"
                      f"<KmsKeyId>{key}</KmsKeyId></MasterUserSecret>")
        return shown

    rds._instance_xml = corrected


def secrets_die_with_their_instance() -> None:
    delete = rds._delete_db_instance

    @functools.wraps(delete)
    def corrected(params):
        secret = (rds._instances.get(rds._p(params, "DBInstanceIdentifier")) or {}).get("_secret")
        answer = delete(params)
        if secret and answer[0] < 300:
            secretsmanager.delete_secret_in_process(secret)
        return answer

    replace("_delete_db_instance", corrected)
