"""Counters, gauges and one histogram in the text format of Prometheus (version 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Labels = tuple[tuple[str, str], ...]
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Latencies in seconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def lines(self, name: str, labels: Labels) -> Iterable[str]:
        running = 0
        for bound, count in zip((*map(repr, BUCKETS), "+Inf"), self.counts, strict=True):
            running += count
            yield f"{name}_bucket{_text((*labels, ('le', bound)))} {running}"
        yield f"{name}_sum{_text(labels)} {self.total!r}"
        yield f"{name}_count{_text(labels)} {running}"


class Metrics:
    """What the runtime counts. Written from the event loop only."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = defaultdict(int)
        self.latency: dict[str, Histogram] = defaultdict(Histogram)
        self.decisions: dict[tuple[str, str, str], int] = defaultdict(int)
        self.shadow_dropped = 0
        self.shadow_failed = 0
        self.arm_failures: dict[tuple[str, str], int] = defaultdict(int)
        self.arm_timeouts: dict[tuple[str, str], int] = defaultdict(int)
        self.fallbacks: dict[tuple[str, str, str, str], int] = defaultdict(int)
        self.unlogged: dict[str, int] = defaultdict(int)
        self.rule_failures: dict[tuple[str, int], int] = defaultdict(int)

    def _counters(self) -> list[tuple[str, str, tuple[str, ...], Mapping[Any, int]]]:
        arm = ("endpoint", "arm")
        return [
            ("modelyard_arm_failures_total", "Predictions that failed, by endpoint and arm.", arm, self.arm_failures),
            ("modelyard_arm_timeouts_total", "Predictions that took too long, by endpoint and arm.", arm, self.arm_timeouts),
            (
                "modelyard_fallbacks_total",
                "Rows that a fallback answered, by endpoint, arm drawn, who answered, and why.",
                ("endpoint", "arm", "answered_by", "reason"),
                self.fallbacks,
            ),
            ("modelyard_unlogged_total", "Rows answered while the log could not be written.", ("endpoint",), self.unlogged),
            (
                "modelyard_rule_failures_total",
                "Rows for which a routing rule could not be evaluated, by endpoint and place of the rule.",
                ("endpoint", "rule"),
                self.rule_failures,
            ),
        ]

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """The exposition; `gauges` are by name: a help text and the value now."""
        lines = [*_header("modelyard_requests_total", "counter", "Inference requests by endpoint and status.")]
        for (endpoint, status), count in self.requests.items():
            lines.append(f"modelyard_requests_total{_text((('endpoint', endpoint), ('status', str(status))))} {count}")
        lines += _header("modelyard_decisions_total", "counter", "Answered rows by endpoint, arm and role.")
        for (endpoint, arm, role), count in self.decisions.items():
            labels = (("endpoint", endpoint), ("arm", arm), ("role", role))
            lines.append(f"modelyard_decisions_total{_text(labels)} {count}")
        lines += _header("modelyard_request_seconds", "histogram", "Time from request to answer.")
        for endpoint, histogram in self.latency.items():
            lines.extend(histogram.lines("modelyard_request_seconds", (("endpoint", endpoint),)))
        for name, help_text, named, counts in self._counters():
            lines += _header(name, "counter", help_text)
            lines += [f"{name}{_text(_named(named, key))} {count}" for key, count in list(counts.items())]
        lines += [*_header("modelyard_shadow_dropped_total", "counter", "Shadow requests dropped, queue full.")]
        lines += [f"modelyard_shadow_dropped_total {self.shadow_dropped}"]
        lines += [*_header("modelyard_shadow_failed_total", "counter", "Shadow requests that failed.")]
        lines += [f"modelyard_shadow_failed_total {self.shadow_failed}"]
        for name, (help_text, value) in gauges.items():
            lines += [*_header(name, "gauge", help_text), f"{name} {value!r}"]
        return "\n".join(lines) + "\n"


def _named(labels: tuple[str, ...], key: Any) -> Labels:
    values = key if isinstance(key, tuple) else (key,)
    return tuple((label, str(value)) for label, value in zip(labels, values, strict=True))


def _header(name: str, kind: str, help_text: str) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]


def _text(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
