"""Lifecycle hooks of deployments that shift traffic: functions that ECS asks, and pauses that somebody ends.

"Lifecycle hooks for Amazon ECS service deployments", "Lambda hooks for Amazon ECS service deployments", "Pause hooks for Amazon ECS
service deployments" and "Amazon ECS service deployment hook state change events", Amazon ECS developer guide: all hooks of a stage run in
parallel, each has its id, each must succeed; a hook that fails or times out with ROLLBACK has the whole deployment rolled back.

A time-out's minute is a real one, unless a test says how many seconds it has (`hook_minute_seconds`, `Cloud::set_awkward`); the pause
between two calls of a function that says IN_PROGRESS goes at the pace of the cloud.
"""

import json
import secrets
import threading
import time

import events
import pace
import strategies
from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import lambda_svc
from told import awkward

# In seconds, and in minutes: both of them AWS's defaults.
CALL_BACK_DELAY, TIMEOUT = 30, 1440


class HookRun:
    """One run of a hook at a stage of a deployment."""

    def __init__(self, record, hook, stage):
        self.record, self.hook, self.stage = record, hook, stage
        self.kind, self.target = strategies.kind_of(hook), hook.get("hookTargetArn")
        timeout = hook.get("timeoutConfiguration") or {}
        self.timeout_action = timeout.get("action", "ROLLBACK")
        self.expires_at = time.time() + timeout.get("timeoutInMinutes", TIMEOUT) * (awkward("hook_minute_seconds") or 60)
        self.id = f"ecs-{'pause' if self.kind == 'PAUSE' else 'lambda'}-{secrets.token_urlsafe(32)}"
        self.reason, self.lock = None, threading.Lock()
        self.status = "AWAITING_ACTION" if self.kind == "PAUSE" else "IN_PROGRESS"

    def begin(self) -> None:
        self.tell()
        if self.kind != "PAUSE":
            threading.Thread(target=self.ask_in_scope, args=(get_account_id(), get_region()), name="slipway-hook", daemon=True).start()

    @property
    def waits(self) -> bool:
        return self.status in ("AWAITING_ACTION", "IN_PROGRESS")

    @property
    def fails(self) -> bool:
        """Whether it has the deployment rolled back."""
        return self.status == "FAILED" or (self.status == "TIMED_OUT" and self.timeout_action == "ROLLBACK")

    def becomes(self, status, reason=None) -> bool:
        """Whether it does: what has ended stays as it is."""
        with self.lock:
            if not self.waits:
                return False
            self.status, self.reason = status, reason
        self.tell()
        return True

    def tell(self) -> None:
        service = self.record.service
        events.happened("aws.ecs", "ECS Hook State Change", [self.record.arn], {
            "eventType": "ERROR" if self.status == "FAILED" else "INFO", "eventName": f"HOOK_{self.status}", "hookId": self.id,
            "hookType": self.kind, "expiresAt": events.written(self.expires_at), "lifecycleStage": self.stage,
            "clusterArn": service["clusterArn"], "serviceArn": service["serviceArn"], "serviceDeploymentArn": self.record.arn,
            "updatedAt": events.written()})

    def look(self) -> None:
        """Times out, once it is late."""
        if self.waits and time.time() >= self.expires_at:
            self.becomes("TIMED_OUT", f"the lifecycle hook {self.id} timed out at {self.stage}")

    def shown(self) -> dict:
        target = {"targetArn": self.target} if self.target else {}
        return {"hookId": self.id, "targetType": self.kind, **target, "status": self.status, "expiresAt": round(self.expires_at, 3),
                "timeoutAction": self.timeout_action}

    def ask_in_scope(self, account, region) -> None:
        with request_scope(account, region):
            try:
                self.ask()
            except Exception as error:
                self.becomes("FAILED", f"the lifecycle hook {self.target} failed: {error}")

    def ask(self) -> None:
        """Asks the function until it says how it ended."""
        details = dict(self.hook.get("hookDetails") or {})
        while self.waits:
            answer = self.invoke(details)
            said = answer.get("hookStatus") if isinstance(answer, dict) else None
            if said == "SUCCEEDED":
                self.becomes("SUCCEEDED")
            elif said == "IN_PROGRESS":
                details |= answer.get("hookDetails") or {}
                time.sleep(answer.get("callBackDelay", CALL_BACK_DELAY) * pace.MINUTE / 60)
            else:
                words = "returned FAILED" if said == "FAILED" else f"returned no valid hookStatus: {json.dumps(answer)[:200]}"
                self.becomes("FAILED", f"the lifecycle hook {self.target} {words}")

    def invoke(self, details):
        if problem := strategies.of_role(self.hook["roleArn"], [("lambda:InvokeFunction", self.target)]):
            raise PermissionError(problem)
        function, config, name = lambda_svc._get_func_record_for_ref(self.target)
        if not function or not config:
            raise LookupError(f"there is no function {name}")
        result = lambda_svc._execute_function(lambda_svc._execution_record_for_config(function, config), self.payload(details))
        if result.get("error"):
            raise RuntimeError(f"its function failed: {str(result.get('body'))[:200]}")
        body = result.get("body")
        return json.loads(body) if isinstance(body, (str, bytes)) else body

    def payload(self, details) -> dict:
        """Weights are in it at the stages that shift them, "Lifecycle payloads" on the page of Lambda hooks."""
        record, shift = self.record, self.stage in ("PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
        return {"executionId": new_uuid(), "lifecycleStage": self.stage, "resourceArn": record.arn, "executionDetails": {
            "serviceArn": record.service["serviceArn"], "targetServiceRevisionArn": record.deployment.revision,
            "testTrafficWeights": dict(record.test) if self.stage == "TEST_TRAFFIC_SHIFT" else {},
            "productionTrafficWeights": dict(record.production) if shift else {}}, **({"hookDetails": details} if details else {})}


def begin_at(record, stage) -> list:
    """Begins the hooks of a stage, and answers them. They are shown before anybody is told of them."""
    configured = record.configuration.get("lifecycleHooks") or []
    begun = [HookRun(record, hook, stage) for hook in configured if stage in (hook.get("lifecycleStages") or [])]
    record.hooks = begun or record.hooks
    for hook in begun:
        hook.begin()
    return begun
