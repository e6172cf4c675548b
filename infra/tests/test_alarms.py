"""What the expressions of alarms come to, by CloudWatch's metric math as far as they use it."""

import pathlib
import re

ALARMS = pathlib.Path(__file__).resolve().parents[1] / "modules/observability/alarms.tf"


class Number(float):
    """A measurement; a division by 0 is no number, and the branch that has it is not taken."""

    def __rtruediv__(self, other):
        return float("nan") if self == 0 else other / float(self)


def rate(**measured):
    text = re.search(r'expression\s+= "(IF\(.*requests.*)"', ALARMS.read_text()).group(1)
    known = {"IF": lambda condition, then, otherwise: then if condition else otherwise,
             "FILL": lambda series, value: Number(value) if series is None else series,
             "requests": Number(0), "ours": None, "theirs": None}
    return eval(text, {"__builtins__": {}}, {**known, **{name: Number(value) for name, value in measured.items()}})  # noqa: S307


def test_the_rate_of_errors_sees_a_total_outage():
    # The load balancer counts no request that it could send nowhere.
    assert rate(theirs=120) == 100
    assert rate(requests=2, theirs=120) == 100


def test_the_rate_of_errors_is_that_of_the_requests():
    assert rate() == 0
    assert rate(requests=200) == 0
    assert rate(requests=200, ours=1, theirs=1) == 1
    assert rate(requests=200, ours=200) == 100
