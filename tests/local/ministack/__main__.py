"""Starts MiniStack with the corrections beside this file.

MiniStack is a good likeness of AWS, but in a few places that matter to a deployer it behaves differently.
Each correction names AWS's behaviour. They reach into MiniStack's own modules, so they belong to one version
of it: another version is refused here rather than half corrected.

Run as `python -I tests/local/ministack`: `-I` keeps this folder's name from hiding the package.
"""

import os
import sys
from importlib.metadata import version

VERSION = "1.5.33"


def main() -> None:
    found = version("ministack")
    if found != VERSION:
        sys.exit(f"the corrections are for MiniStack {VERSION}, found {found}: check each of them against it")

    from ministack.app import main as serve

    # Behind the package's own folder, so that `ministack` stays the package.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import alarms
    import answers
    import counted
    import database
    import deployments
    import events
    import flow_logs
    import gates
    import lag
    import limits
    import load_balancer
    import mail
    import names
    import network
    import pace
    import permissions
    import provider
    import recording
    import registry
    import replacing
    import rolling
    import runtime_api
    import scaling
    import service_deployments
    import services
    import shift
    import sides
    import step_functions
    import strategies
    import streams
    import targets
    import throttling
    import tls
    import topics
    import twice
    import weights
    import zones

    for correction in (
            events, pace, permissions, step_functions, load_balancer, counted, weights, deployments, services,
            sides, strategies, service_deployments, rolling, shift, mail, network, zones, database, flow_logs,
            gates, limits, alarms, scaling, registry, runtime_api, streams, targets, throttling, topics, twice,
            provider, tls, names, lag, answers, replacing, recording):
        correction.apply()
    serve()


main()
