//! Set-up that several peers' rows need, and reading their totals back.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use std::sync::Arc;

/// Installs the prometheus recorder of `metrics` for the process.
pub fn metrics_prometheus() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).expect("the first recorder");
    handle
}

/// A reader that can be shared with the provider.
#[derive(Clone, Debug)]
pub struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: std::sync::Weak<opentelemetry_sdk::metrics::Pipeline>) {
        self.0.register_pipeline(pipeline);
    }
    fn collect(&self, into: &mut ResourceMetrics) -> opentelemetry_sdk::error::OTelSdkResult {
        self.0.collect(into)
    }
    fn force_flush(&self) -> opentelemetry_sdk::error::OTelSdkResult {
        self.0.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> opentelemetry_sdk::error::OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
    fn temporality(&self, kind: opentelemetry_sdk::metrics::InstrumentKind) -> opentelemetry_sdk::metrics::Temporality {
        self.0.temporality(kind)
    }
}

pub fn otel() -> (SdkMeterProvider, Reader) {
    let reader = Reader(Arc::new(ManualReader::builder().build()));
    (SdkMeterProvider::builder().with_reader(reader.clone()).build(), reader)
}

pub fn meter(provider: &SdkMeterProvider) -> Meter {
    provider.meter("bench")
}

/// Counter values, or counts of histograms, summed over everything.
pub fn otel_sum(reader: &Reader) -> u64 {
    let mut all = ResourceMetrics::default();
    reader.collect(&mut all).expect("a collection");
    let metrics = all.scope_metrics().flat_map(|s| s.metrics());
    metrics
        .map(|m| match m.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => sum.data_points().map(|p| p.value()).sum(),
            AggregatedMetrics::F64(MetricData::Histogram(h)) => h.data_points().map(|p| p.count()).sum(),
            _ => 0,
        })
        .sum()
}
