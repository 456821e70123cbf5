"""Counters and gauges of one process, sent over OTLP. Without an endpoint they are counted nowhere, at next to no cost."""

import logging
import threading
from collections.abc import Callable

from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.sdk.resources import Resource

from services.runtime.settings import Settings

NAMESPACE = "pointsman"
# How long the end of a process waits for the collector.
FLUSH_LIMIT_S = 5.0
EXPORT_INTERVAL_S = 10.0
logger = logging.getLogger(__name__)

NO_METER: Meter = NoOpMeterProvider().get_meter(NAMESPACE)


class Metrics:
    """Owns the exporter of one process; what counts is given its `meter`. `close` sends the last figures."""

    def __init__(self, settings: Settings) -> None:
        self.meter = NO_METER
        self._shutdown: Callable[[], None] | None = None
        endpoint = settings.otlp_metrics_endpoint
        if endpoint:
            # Imported only where it is used: it costs megabytes and tenths of a second at start.
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

            exporter = OTLPMetricExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))
            reader = PeriodicExportingMetricReader(exporter, export_interval_millis=EXPORT_INTERVAL_S * 1_000)
            resource = {"service.name": f"pointsman-{settings.name}", "service.namespace": NAMESPACE}
            # Nobody would bound a shutdown at exit.
            provider = MeterProvider([reader], Resource.create(resource), shutdown_on_exit=False)
            self.meter, self._shutdown = provider.get_meter(NAMESPACE), provider.shutdown

    def close(self) -> None:
        """Sends the last figures and stops the exporter; gives up after FLUSH_LIMIT_S, as where the collector hangs."""
        if self._shutdown is None:
            return
        # A thread, since the exporter waits longer than it is told to where the collector hangs.
        flushing = threading.Thread(target=self._shutdown, daemon=True)
        flushing.start()
        flushing.join(FLUSH_LIMIT_S)
        if flushing.is_alive():
            logger.warning("gave up the last figures: they were not taken within %g s", FLUSH_LIMIT_S)
