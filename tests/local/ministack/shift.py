"""Deployments that shift traffic: BLUE_GREEN, CANARY and LINEAR, which MiniStack deploys as it deploys everything, with rolling updates.

AWS: a new revision of the service ("green") is started beside the one that serves ("blue"), in the other target group; traffic is shifted
by the weights of the test and the production listener rule; the old tasks run on for the bake, and shifting back needs none to be started.
"Amazon ECS blue/green service deployments workflow" (stages and their order), "Amazon ECS canary deployments", "Amazon ECS linear
deployments", "Stopping Amazon ECS service deployments" and "Continuing service deployments", Amazon ECS developer guide.

What AWS does not say is played so that it asks more of who deploys, and has a line in `docs/first-account.md`.
"""

import functools
import logging
import threading
import time

import deployments
import hooks
import load_balancer
import pace
import rolling
import service_deployments
import services
import sides
import strategies
import weights
from asked import held_to_the_model, refused
from ministack.core.concurrency import resource_lock
from ministack.core.responses import get_account_id, get_region, json_response, request_scope
from ministack.services import alb, ecs

LOOKS = load_balancer.INTERVAL
# How long a stage lasts at least in which nothing has to be waited for, in seconds.
STAGE = pace.of(0.3, 0.05)
# Whether a deployment that shifts traffic may be stopped depends on its status ("Stopping Amazon ECS service deployments").
STOPPABLE = ("PENDING", "IN_PROGRESS")
ROLLS_BACK = ("STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
NETWORK = ("Service deployment rolled back because of invalid networking configuration. Both targetGroup and alternateTargetGroup must be "
           "associated with the productionListenerRule or testListenerRule.")

_log = logging.getLogger("slipway.shift")
# The deployment that shifts the traffic of a service now, by account, region and key.
_shifts: dict = {}


def apply() -> None:
    reconcile, complete, fail = ecs._reconcile_service_tasks, ecs._complete_service_deployment, ecs._record_service_task_failure

    @functools.wraps(reconcile)
    def reconciling(cluster, key):
        # MiniStack reconciles a service once it is made or updated: what is new gets its service deployment here.
        if service := ecs._services.get(key):
            service_deployments.note(key, service)
        shift = in_flight(key)
        shift.keep_tasks() if shift else reconcile(cluster, key)

    @functools.wraps(complete)
    def completing(cluster, key, expected_deployment_id=None):
        if in_flight(key) is None:
            complete(cluster, key, expected_deployment_id)

    @functools.wraps(fail)
    def failing(task, *arguments, **named):
        cluster = ecs._cluster_name_from_arn(task.get("clusterArn", ""))
        shift = in_flight(f"{cluster}/{task.get('group', '').removeprefix('service:')}")
        if shift is None:
            return fail(task, *arguments, **named)
        # No circuit breaker counts it: ECS has that for rolling updates only.
        deployment = ecs._deployment_for_task(shift.record.service, task)
        if deployment is not None:
            deployment["failedTasks"] = deployment.get("failedTasks", 0) + 1
            shift.keep_tasks_after(restart_delay(deployment["failedTasks"]), deployment)

    ecs._reconcile_service_tasks, ecs._complete_service_deployment, ecs._record_service_task_failure = reconciling, completing, failing
    service_deployments.begins.append(begin)
    service_deployments.supersedes.append(give_way)
    ecs._ACTION_MAP |= {"StopServiceDeployment": stop_service_deployment, "ContinueServiceDeployment": continue_service_deployment}


def restart_delay(failed) -> float:
    """In seconds. On AWS a task takes a while to start, so one that dies is not back at once; here it would be, without end. ECS itself
    waits ever longer only for tasks that never ran ("Amazon ECS service throttle logic", Amazon ECS developer guide)."""
    return min(0.2 * 2 ** min(failed, 10), 10)


def in_flight(key):
    return _shifts.get((get_account_id(), get_region(), key))


def begin(record) -> None:
    # One that was stopped, or whose rollback failed, has left the service as it is until now.
    _shifts.pop((*record.place, record.key), None)
    if not record.shifts:
        return
    shift = Shift(record)
    _shifts[(*record.place, record.key)] = shift
    threading.Thread(target=shift.run, name="slipway-shift", daemon=True).start()


def give_way(record) -> None:
    """Ends a deployment that another one takes over from: the traffic goes to what was completed last, and the tasks are the other one's."""
    shift = in_flight(record.key)
    if shift is not None and shift.record is record:
        del _shifts[(*record.place, record.key)]
        shift.give_up_hooks()
        with shift.tasks:
            shift.put_weights(0, "productionListenerRule", "testListenerRule")
        # A rolling update stops as many tasks as are too many, whichever they are: those that serve must be the only ones.
        if shift.source is not None and not strategies.shifts_traffic(record.service.get("deploymentConfiguration") or {}):
            shift.stop_tasks(shift.target)


class RollBack(Exception):
    """The deployment is rolled back, for a reason."""


class Stop(Exception):
    """The deployment goes no further, and is left as it is."""


class Shift:
    """One deployment on its way."""

    def __init__(self, record):
        self.record, self.service, self.target = record, record.service, record.deployment
        self.source = service_deployments.last_completed(record.sources)
        self.balancers = [one for one in self.service.get("loadBalancers") or [] if sides.alternate_of(one)]
        # Who rolls it back, and whether its new tasks are to run and the old ones still are.
        self.rolled_back_by, self.started, self.cleaned = None, False, False
        # When a deployment whose tasks died may start others, by its id.
        self.restarts = {}
        # Whether ECS may write the rules: what it refused it leaves as it is.
        self.checked = False
        self.tasks = threading.RLock()
        self.weigh("production", 0)
        self.weigh("test", 0)

    def run(self) -> None:
        with request_scope(*self.record.place):
            try:
                self.go()
            except Stop:
                if self.record.in_flight:
                    self.record.ends("STOPPED", "The service deployment was stopped because the service was deleted.")
            except Exception:
                _log.exception("a deployment that shifts traffic broke")
                self.record.ends("ROLLBACK_FAILED", "the local cloud broke: see its log")
            finally:
                self.give_up_hooks()
                self.ends()

    def go(self) -> None:
        try:
            self.go_forward()
        except RollBack as why:
            self.go_back(str(why))

    def go_forward(self) -> None:
        self.check_rules()
        others = [one for one in self.record.sources if one is not self.source]
        if others:
            self.stage("RECONCILE_SERVICE", lambda: self.reconcile_service(others))
        self.stage("PRE_SCALE_UP")
        self.started = True
        self.stage("SCALE_UP", self.keep_tasks, until=lambda: self.is_steady(self.target))
        self.stage("POST_SCALE_UP")
        self.stage("TEST_TRAFFIC_SHIFT", lambda: self.shift_test(100))
        self.stage("POST_TEST_TRAFFIC_SHIFT")
        for percent, minutes in strategies.steps_of(self.record.configuration):
            self.stage("PRE_PRODUCTION_TRAFFIC_SHIFT")
            self.stage("PRODUCTION_TRAFFIC_SHIFT", lambda percent=percent: self.shift_production(percent))
            self.rest(minutes)
        self.stage("POST_PRODUCTION_TRAFFIC_SHIFT")
        self.stage("BAKE_TIME")
        self.rest(self.record.configuration.get("bakeTimeInMinutes", 0))
        self.record.alarms.complete()
        self.stage("CLEAN_UP", self.clean_up)
        self.succeed()

    def stage(self, name, work=lambda: None, until=lambda: True) -> None:
        self.record.enters(name)
        work()
        self.rest(STAGE / pace.MINUTE)
        self.wait(until)
        self.ask_hooks(name)

    def rest(self, minutes) -> None:
        end = time.monotonic() + minutes * pace.MINUTE
        self.wait(lambda: time.monotonic() >= end, end)

    def wait(self, until, end=float("inf")) -> None:
        """Waits, and looks meanwhile whether the deployment may go on."""
        while True:
            self.look()
            if until():
                return
            time.sleep(max(0, min(LOOKS, end - time.monotonic())))

    def look(self) -> None:
        """AWS watches the deployment's alarms until its bake has ended."""
        if self.service.get("status") != "ACTIVE" or not self.record.in_flight:
            raise Stop
        if self.rolled_back_by and self.record.rollback is None:
            raise RollBack(self.rolled_back_by)
        if self.record.status == "IN_PROGRESS" and self.record.alarms.look():
            reason = f"Service deployment failed because the alarm {', '.join(self.record.alarms.fired)} is in the ALARM state."
            if self.record.alarms.rolls_back:
                raise RollBack(reason.replace("failed", "rolled back"))
            self.record.ends("STOPPED", reason)
            raise Stop

    def ask_hooks(self, stage) -> None:
        begun = hooks.begin_at(self.record, stage)
        if not begun:
            return

        def ended() -> bool:
            for hook in begun:
                hook.look()
            if failing := next((hook for hook in begun if hook.fails), None):
                raise RollBack(f"Service deployment rolled back because {failing.reason}.")
            return not any(hook.waits for hook in begun)

        self.wait(ended)

    def check_rules(self) -> None:
        """Each target group is to be one of the production or the test rule, and those do nothing but forward ("Application Load Balancer
        resources for blue/green, linear, and canary deployments" and "Migrate CodeDeploy blue/green deployments to Amazon ECS")."""
        for balancer in self.balancers:
            rules = [alb._rules.get(sides.advanced(balancer).get(field)) for field in ("productionListenerRule", "testListenerRule")]
            groups = set().union(*(weights.groups_of(rule) for rule in rules if rule))
            wanted = {sides.group_of(balancer, side) for side in (sides.FIRST, sides.ALTERNATE)}
            if rules[0] is None or not wanted <= groups or not all(weights.only_forwards(rule) for rule in rules if rule):
                raise RollBack(NETWORK)
            if problem := strategies.of_shifting_role(balancer):
                raise RollBack(f"Service deployment rolled back because of an unauthorized role. {problem}")
        self.checked = True

    def reconcile_service(self, others) -> None:
        """One revision alone is to serve before the new one is started: the last that was completed."""
        self.put_rules(0, "productionListenerRule", "testListenerRule")
        for one in others:
            self.stop_tasks(one)
        self.forget(others)

    def shift_test(self, percent) -> None:
        if self.put_rules(percent, "testListenerRule"):
            self.weigh("test", percent)

    def shift_production(self, percent) -> None:
        self.put_rules(percent, "productionListenerRule")
        self.weigh("production", percent)

    def weigh(self, traffic, percent) -> None:
        """Notes what each revision is to get of a kind of traffic; nothing where no load balancer shifts any."""
        if not self.balancers:
            return
        shares = {self.target.revision: percent}
        if self.source is not None:
            # Where nothing was there before, and until a test, nobody gets what the new one does not.
            shares[self.source.revision] = 100 - percent if traffic == "production" or percent else 0
        setattr(self.record, traffic, shares)

    def put_rules(self, percent, *fields) -> bool:
        """Gives the new tasks that share by each rule of these kinds, and says whether there is one."""
        with self.tasks:
            if not self.record.in_flight:
                raise Stop
            return self.put_weights(percent, *fields)

    def put_weights(self, percent, *fields) -> bool:
        if not self.checked:
            return False
        found = [(balancer, alb._rules.get(sides.advanced(balancer).get(field))) for balancer in self.balancers for field in fields]
        side = sides.side_of(self.target)
        for balancer, rule in found:
            if rule is not None:
                weights.put_weights(rule, {sides.group_of(balancer, side): percent, sides.group_of(balancer, sides.other(side)): 100 - percent})
        return any(rule is not None for _, rule in found)

    def wanted(self, deployment) -> int:
        """How many tasks a deployment is to have now."""
        if deployment is self.target:
            return self.service["desiredCount"] if self.started else 0
        return self.service["desiredCount"] if deployment is self.source and not self.cleaned else 0

    def keep_tasks(self) -> None:
        """Starts and stops tasks, so that both revisions have as many as the service is to have."""
        surplus = []
        with self.tasks:
            if _shifts.get((*self.record.place, self.record.key)) is not self:
                return
            for deployment in (self.target, self.source):
                if deployment is None:
                    continue
                tasks, wanted = self.tasks_of(deployment), self.wanted(deployment)
                self.record.requested[deployment["id"]] = wanted
                deployment.quietly(desiredCount=wanted)
                if wanted > len(tasks) and time.monotonic() >= self.restarts.get(deployment["id"], 0):
                    self.start_tasks(deployment, wanted - len(tasks), bool(tasks))
                surplus += tasks[wanted:]
        self.stop(surplus, "Service scaling down")
        self.refresh()

    def keep_tasks_after(self, seconds, deployment) -> None:
        """Starts no task of a deployment for some seconds, whoever asks for it meanwhile, and keeps the tasks after that."""
        self.restarts[deployment["id"]] = time.monotonic() + seconds

        def keep() -> None:
            with request_scope(*self.record.place):
                self.keep_tasks()

        timer = threading.Timer(seconds + 0.01, keep)
        timer.daemon = True
        timer.start()

    def tasks_of(self, deployment) -> list:
        return [task for task in list(ecs._tasks.values())
                if task.get("_deployment_id") == deployment["id"] and task.get("lastStatus") in ecs._PRE_STOP_STATUSES]

    def start_tasks(self, deployment, count, any_runs) -> None:
        definition = ecs._task_defs.get(ecs._resolve_td_key(deployment["taskDefinition"]))
        if definition is None:
            return
        # The first task finds out what the tags of the images mean.
        if ecs._get_docker() and ecs._deployment_needs_first_task(deployment, definition, self.service):
            count = 0 if any_runs else 1
        if count:
            service = self.service
            ecs._run_task({
                "cluster": self.cluster, "taskDefinition": deployment["taskDefinition"], "count": count, "group": f"service:{service['serviceName']}",
                "startedBy": service["serviceName"], "launchType": service.get("launchType"),
                "capacityProviderStrategy": service.get("capacityProviderStrategy"), "platformVersion": service.get("platformVersion", ""),
                "networkConfiguration": service.get("networkConfiguration", {}),
                "enableExecuteCommand": service.get("enableExecuteCommand", False), "_deploymentId": deployment["id"]})

    @property
    def cluster(self) -> str:
        return self.record.key.split("/", 1)[0]

    def stop(self, tasks, reason) -> None:
        for task in tasks:
            ecs._stop_task({"task": task["taskArn"], "cluster": self.cluster, "reason": reason})

    def stop_tasks(self, deployment) -> None:
        self.stop(self.tasks_of(deployment), "Deployment completed")
        self.refresh()

    def refresh(self) -> None:
        ecs._refresh_service_state(self.cluster, f"service:{self.service['serviceName']}")
        ecs._recount_cluster(self.cluster)

    def is_steady(self, deployment) -> bool:
        """Whether as many of its tasks as are wanted run and are healthy. Those that Docker does not run have no address, and no health."""
        serving = [task for task in self.tasks_of(deployment) if task.get("lastStatus") == "RUNNING" and task.get("_startup_stable")
                   and (not ecs._task_ip(task) or services._state(self.service, task) == services.load_balancer.HEALTHY)]
        return len(serving) >= self.service["desiredCount"]

    def forget(self, gone) -> None:
        """AWS: a deployment that has no tasks any more is none of the service's."""
        with resource_lock("ecs-service", self.record.key):
            self.service["deployments"] = [one for one in self.service["deployments"] if not any(one is other for other in gone)]

    def clean_up(self) -> None:
        self.cleaned = True
        self.keep_tasks()

    def succeed(self) -> None:
        self.look()
        self.forget(self.record.sources)
        with resource_lock("ecs-service", self.record.key), self.record.lock:
            if not self.record.in_flight:
                raise Stop
            self.target["rolloutState"], self.target["updatedAt"] = "COMPLETED", ecs._iso()
            self.record.ends("SUCCESSFUL")

    def go_back(self, reason) -> None:
        """Gives what ran before the traffic again. The hooks of the two stages that shift it are asked as well, and the one that still holds
        the deployment is over ("Lifecycle hooks during rollback")."""
        self.give_up_hooks()
        if self.source is None:
            self.record.ends("ROLLBACK_FAILED", f"{reason} There is no completed service deployment to roll back to.")
            return
        if not self.record.rolls_back(reason, self.source.revision):
            raise Stop
        self.become_primary()
        self.cleaned = False
        self.keep_tasks()
        try:
            self.wait(lambda: self.is_steady(self.source))
            self.stage("PRODUCTION_TRAFFIC_SHIFT", lambda: self.shift_production(0))
            self.stage("TEST_TRAFFIC_SHIFT", lambda: self.shift_test(0))
        except RollBack as why:
            self.record.ends("ROLLBACK_FAILED", str(why))
            return
        self.restored()

    def restored(self) -> None:
        self.started = False
        self.record.enters("CLEAN_UP")
        self.keep_tasks()
        gone = [one for one in (*self.record.sources, self.target) if one is not self.source]
        for one in gone:
            self.stop_tasks(one)
        self.forget(gone)
        with resource_lock("ecs-service", self.record.key):
            self.source["rolloutState"] = "COMPLETED"
            self.record.ends("ROLLBACK_SUCCESSFUL")

    def give_up_hooks(self) -> None:
        for hook in self.record.hooks:
            hook.becomes("FAILED", "the deployment went no further")

    def become_primary(self) -> None:
        """AWS: what is rolled back to is a deployment of its own, which the service shows instead of the one that failed."""
        with resource_lock("ecs-service", self.record.key):
            self.target.quietly(status="ACTIVE", rolloutState="FAILED")
            # A deployment that becomes the primary one again has a time of its own.
            self.source["status"] = "PRIMARY"
            self.source["rolloutState"] = "IN_PROGRESS"
            self.service["taskDefinition"] = self.source["taskDefinition"]

    def ends(self) -> None:
        """Leaves the service to MiniStack, which keeps its tasks running from now on; one that is neither here nor there stays as it is, until a
        newer deployment takes over."""
        place, done = (*self.record.place, self.record.key), self.record.status in ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL")
        active = self.service.get("status") == "ACTIVE"
        if _shifts.get(place) is not self or (active and not done):
            return
        del _shifts[place]
        if active:
            ecs._reconcile_service_tasks(self.cluster, self.record.key)
            deployments.look_whether_steady(self.service)


def known(request):
    """The service deployment of a request; or what is wrong with it."""
    record = service_deployments.records.get(request["serviceDeploymentArn"])
    if record is None or record.place != (get_account_id(), get_region()):
        return None, refused("Service deployment not found.", "ServiceDeploymentNotFoundException")
    return record, None


@held_to_the_model("StopServiceDeployment")
def stop_service_deployment(request):
    """"The valid values are ROLLBACK" (StopServiceDeployment, Amazon ECS API reference), though the enumeration has ABORT."""
    record, problem = known(request)
    if problem:
        return problem
    if request.get("stopType", "ROLLBACK") != "ROLLBACK":
        return refused("stopType is ABORT: the valid values are ROLLBACK")
    if record.becomes("ROLLBACK_REQUESTED", only_from=STOPPABLE):
        roll_back_by_request(record, "Service deployment rolled back because of a StopServiceDeployment request.")
    elif record.status not in ROLLS_BACK:
        return refused(f"The service deployment cannot be stopped because it is {record.status}.", "ConflictException")
    return json_response({"serviceDeploymentArn": record.arn})


def roll_back_by_request(record, reason) -> None:
    shift = in_flight(record.key)
    if shift is not None and shift.record is record:
        shift.rolled_back_by = reason
    else:
        rolling.roll_back(record, reason)


@held_to_the_model("ContinueServiceDeployment")
def continue_service_deployment(request):
    """"The pause hook must be in AWAITING_ACTION status", and "the deployment must be in the IN_PROGRESS state"."""
    record, problem = known(request)
    if problem:
        return problem
    hook = next((one for one in record.hooks if one.id == request["hookId"] and one.kind == "PAUSE"), None)
    if hook is None:
        return refused(f"The service deployment has no pause hook {request['hookId']}.")
    if record.status != "IN_PROGRESS":
        return refused(f"The service deployment cannot be continued because it is {record.status}.")
    action = request.get("action", "CONTINUE")
    ended = hook.becomes("SUCCEEDED") if action == "CONTINUE" else hook.becomes(
        "FAILED", f"a ContinueServiceDeployment request rolled it back at {hook.stage}")
    if not ended:
        return refused(f"The pause hook {hook.id} is {hook.status}, not AWAITING_ACTION.")
    return json_response({"serviceDeploymentArn": record.arn})
