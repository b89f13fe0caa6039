"""What is measured of a server, in the words of Prometheus.

What belongs here: the names, and where each number comes from. Counters and times are told by whoever
does the work; what is a state is looked at when somebody reads. No label has a value that a caller chose.

Source: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from . import __version__
from .clients import Clients
from .context import KernelState, Sessions
from .methods import TABLE
from .recorder import Recorder
from .relay import Relay
from .storage.database import Database
from .storage.sessions import count_live

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Buckets of every time. Above the last: long polls and runs that are waited for."""

UNKNOWN = "unknown"
"""In place of a method's name that is not ours: callers could otherwise make up any number of series."""

CONTENT_TYPE: str = CONTENT_TYPE_LATEST


class Metrics:
    """The measures of one server, in a registry of their own.

    ``served``, ``answered``, ``timed`` and ``beat`` are called where things happen; ``text`` is read.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "antiphon_rpc_requests",
            "Requests of JSON-RPC by method and outcome: ok, or the name of the error.",
            ["method", "outcome"],
            registry=self._registry,
        )
        self._durations = Histogram(
            "antiphon_rpc_request_duration_seconds",
            "Time from a request to its answer; of those that wait for news, too.",
            ["method"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._answers = Counter(
            "antiphon_http_responses",
            "Answers over HTTP by what was asked for and status.",
            ["handler", "status"],
            registry=self._registry,
        )
        self._transactions = Histogram(
            "antiphon_database_duration_seconds",
            "Time in a transaction (read, write, glance), and waiting for a thread (wait).",
            ["kind"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._lags = Histogram(
            "antiphon_event_loop_lag_seconds",
            "How late the event loop was to answer its pulse.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._holds = Histogram(
            "antiphon_event_loop_held_seconds",
            "For how much of that the loop itself was at work, in processor time.",
            buckets=SECONDS,
            registry=self._registry,
        )
        # Finding the series of a label takes longer than counting.
        self._series: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=self._registry)

    def look_at(
        self, *, relay: Relay, recorder: Recorder, clients: Clients, sessions: Sessions, database: Database
    ) -> None:
        """Say where states are found when somebody reads."""
        self._database = database
        self._states = _States(relay, recorder, clients, sessions)
        self._registry.register(self._states)

    def served(self, method: str, outcome: str, seconds: float) -> None:
        """A request of JSON-RPC has been answered."""
        name = method if method in TABLE else UNKNOWN
        found = self._series.get((name, outcome))
        if found is None:
            found = self._requests.labels(name, outcome), self._durations.labels(name)
            self._series[name, outcome] = found
        found[0].inc()
        found[1].observe(seconds)

    def answered(self, handler: str, status: int) -> None:
        """A request of HTTP has been answered."""
        self._answers.labels(handler, str(status)).inc()

    def timed(self, kind: str, seconds: float) -> None:
        """The database took so long. Called from its threads."""
        self._transactions.labels(kind).observe(seconds)

    def beat(self, lag: float, held: float) -> None:
        """The event loop answered so late, and was itself at work for so much of it."""
        self._lags.observe(lag)
        self._holds.observe(held)

    async def text(self) -> bytes:
        """Everything, in the text format of Prometheus.

        Raises:
            DatabaseUnavailable: sessions could not be counted.
        """
        self._states.live = await self._database.read(count_live)
        return generate_latest(self._registry)


class _States(Collector):
    """What is so at the moment of reading."""

    def __init__(self, relay: Relay, recorder: Recorder, clients: Clients, sessions: Sessions) -> None:
        self._relay = relay
        self._recorder = recorder
        self._clients = clients
        self._sessions = sessions
        self.live: dict[str, int] = {}

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("antiphon", "The program.", {"version": __version__})
        yield _by("antiphon_kernel_state", "Which of its states the kernel is in.", "state", self._kernel())
        yield _by("antiphon_sessions", "Live sessions by state.", "state", self.live.items())
        yield _gauge("antiphon_websocket_connections", "Clients on a WebSocket.", self._clients.connected)
        readers = {kind: self._relay.readers(kind) for kind in ("feed", "worksheet")}
        yield _by(
            "antiphon_relay_readers",
            "Readers of feeds and of worksheets' logs.",
            "log",
            ((kind, len(lags)) for kind, lags in readers.items()),
        )
        yield _by(
            "antiphon_relay_lag_items",
            "How far the slowest reader is behind.",
            "log",
            ((kind, max(lags, default=0)) for kind, lags in readers.items()),
        )
        yield CounterMetricFamily(
            "antiphon_relay_loads",
            "Reads from the database, because the reader was behind what is held in memory.",
            self._relay.loads,
        )
        yield CounterMetricFamily(
            "antiphon_slow_clients",
            "Clients that were disconnected because they read nothing.",
            self._clients.too_slow,
        )
        yield _gauge(
            "antiphon_recorder_pending_publications",
            "Publications that were heard and are not stored yet.",
            self._recorder.pending,
        )
        yield _gauge(
            "antiphon_recorder_lag_seconds",
            "For how long something has been waiting to be stored without a pause.",
            self._recorder.lag,
        )
        yield CounterMetricFamily(
            "antiphon_publications_stored", "Publications stored.", self._recorder.stored
        )
        yield CounterMetricFamily(
            "antiphon_publications_gone",
            "Numbers of feeds that were lost: the kernel no longer held them.",
            self._recorder.gone,
        )

    def _kernel(self) -> Iterator[tuple[str, int]]:
        for state in get_args(KernelState):
            yield state, int(self._sessions.kernel == state)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _by(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family
