//! What operators see of a registry, in the text format of Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What a request was about. Names of repositories are no labels: there may be any number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    Ping,
    Catalog,
    Tags,
    Manifest,
    Blob,
    Upload,
    Referrers,
    Acr,
    Token,
    Other,
}

impl EncodeLabelValue for Resource {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = match self {
            Self::Ping => "ping",
            Self::Catalog => "catalog",
            Self::Tags => "tags",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Upload => "upload",
            Self::Referrers => "referrers",
            Self::Acr => "acr",
            Self::Token => "token",
            Self::Other => "other",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    resource: Resource,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    resource: Resource,
    method: &'static str,
}

/// All metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    /// Uploads that have begun and not ended.
    pub(crate) uploads: Gauge,
    /// Bytes of manifests and blobs that were stored.
    pub(crate) stored_bytes: Counter<u64, AtomicU64>,
}

fn seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0])
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("tidewaiter_registry");
        let requests = Family::default();
        registry.register("requests", "Requests that were answered", requests.clone());
        let durations = Family::new_with_constructor(seconds as fn() -> Histogram);
        let help = "Time from the head of a request to the head of its answer, in seconds";
        registry.register("request_duration_seconds", help, durations.clone());
        let uploads = Gauge::default();
        registry.register("uploads", "Uploads that have begun and not ended", uploads.clone());
        let stored_bytes = Counter::default();
        registry.register(
            "stored_bytes",
            "Bytes of manifests and blobs that were stored",
            stored_bytes.clone(),
        );
        Self { registry, requests, durations, uploads, stored_bytes }
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, resource: Resource, method: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels { resource, method, status }).inc();
        self.durations.get_or_create(&DurationLabels { resource, method }).observe(took.as_secs_f64());
    }

    /// All metrics as text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
