//! Metrics in Prometheus' text format, version 0.0.4.

use std::{collections::BTreeMap, fmt::Write};

use crate::metrics::{Metric, MetricId};

/// The media type of the text.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What all names begin with.
const PREFIX: &str = "millstream_";

/// A number, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// It only grows.
    Counter(u64),
    /// It goes up and down.
    Gauge(i64),
    /// It goes up and down, and has a fraction.
    Ratio(f64),
}

/// A metric at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// Its name, without the prefix. What Prometheus does not allow in names is replaced by `_`.
    pub(crate) name: String,
    /// What it is, if that is known. The first of a name counts.
    pub(crate) help: Option<&'static str>,
    /// Labels and their values, as `job`, `operator`, `subtask`.
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: Value,
}

/// The quantiles that are told of a distribution, by their labels.
const QUANTILES: [(&str, f64); 3] = [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)];

/// The metrics of a job, with its id and name as labels. A gauge that was never set to anything is left out; a distribution is told by its quantiles and how
/// many values it has.
pub(crate) fn of_job(job: &str, name: &str, metrics: &[(MetricId, Metric)]) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(metrics.len());
    for (id, metric) in metrics {
        let labels = [("job", name), ("job_id", job), ("operator", &id.operator)];
        let labels = labels.map(|(label, value)| (label, value.to_owned()));
        let labels = labels.into_iter().chain([("subtask", id.subtask.to_string())]).collect::<Vec<_>>();
        let sample = |name: String, labels, value| Sample { name, help: None, labels, value };
        match metric {
            Metric::Counter(counter) => samples.push(sample(id.name.clone(), labels, Value::Counter(counter.get()))),
            Metric::Gauge(gauge) if gauge.get() == i64::MIN => {}
            Metric::Gauge(gauge) => samples.push(sample(id.name.clone(), labels, Value::Gauge(gauge.get()))),
            Metric::Histogram(histogram) => {
                samples.extend(QUANTILES.map(|(label, share)| {
                    let labels = labels.iter().cloned().chain([("quantile", label.to_owned())]).collect();
                    let value = i64::try_from(histogram.quantile(share)).unwrap_or(i64::MAX);
                    sample(id.name.clone(), labels, Value::Gauge(value))
                }));
                samples.push(sample(format!("{}_count", id.name), labels, Value::Counter(histogram.count())));
            }
        }
    }
    samples
}

struct Family {
    help: Option<&'static str>,
    kind: &'static str,
    /// Values by their labels, so that none is there twice.
    values: BTreeMap<String, String>,
}

/// The text: metrics by name, each with its labels in order.
pub(crate) fn text(samples: &[Sample]) -> String {
    let mut families = BTreeMap::<String, Family>::new();
    for Sample { name, help, labels, value } in samples {
        let (kind, value) = match value {
            Value::Counter(n) => ("counter", n.to_string()),
            Value::Gauge(n) => ("gauge", n.to_string()),
            Value::Ratio(n) => ("gauge", number(*n)),
        };
        let family = families.entry(format!("{PREFIX}{}", allowed(name)));
        let family = family.or_insert_with(|| Family { help: *help, kind, values: BTreeMap::new() });
        if family.kind != kind {
            family.kind = "untyped";
        }
        family.values.insert(labelled(labels), value);
    }
    let mut out = String::new();
    for (name, Family { help, kind, values }) in families {
        if let Some(help) = help {
            let help = help.replace('\\', r"\\").replace('\n', r"\n");
            let _ = writeln!(out, "# HELP {name} {help}"); // a String takes everything
        }
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    }
    out
}

fn number(n: f64) -> String {
    match n {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        n => n.to_string(), // `NaN` is what it is called there, too
    }
}

/// A name of nothing but letters, digits and underscores.
fn allowed(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

fn labelled(labels: &[(&str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    let labels = labels.iter().map(|(name, value)| format!("{}=\"{}\"", allowed(name), escaped(value)));
    format!("{{{}}}", labels.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;

    #[test]
    fn metrics_of_a_job_have_its_labels() {
        let registry = Registry::default();
        let id = |name: &str| MetricId { operator: "map".to_owned(), subtask: 1, name: name.to_owned() };
        registry.counter(id("records_in")).add(5);
        registry.gauge(id("watermark_ms")).set(i64::MIN);
        registry.gauge(id("lag_ms")).set(-1);
        (0..100).for_each(|_| registry.histogram(id("took_ns")).record(100));
        let labels = r#"job="flights",job_id="ab",operator="map",subtask="1""#;
        assert_eq!(
            text(&of_job("ab", "flights", &registry.snapshot())),
            format!(
                "\
# TYPE millstream_lag_ms gauge
millstream_lag_ms{{{labels}}} -1
# TYPE millstream_records_in counter
millstream_records_in{{{labels}}} 5
# TYPE millstream_took_ns gauge
millstream_took_ns{{{labels},quantile=\"0.5\"}} 127
millstream_took_ns{{{labels},quantile=\"0.9\"}} 127
millstream_took_ns{{{labels},quantile=\"0.99\"}} 127
# TYPE millstream_took_ns_count counter
millstream_took_ns_count{{{labels}}} 100
"
            )
        );
    }

    fn sample(name: &str, labels: &[(&'static str, &str)], value: Value) -> Sample {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Sample { name: name.to_owned(), help: None, labels, value }
    }

    #[test]
    fn metrics_are_grouped_by_name_and_labels_escaped() {
        let samples = [
            sample("records in", &[("operator", "map(\"a\\b\nc\")"), ("subtask", "1")], Value::Counter(u64::MAX)),
            Sample { help: Some("Slots\nthere \\ are"), ..sample("slots", &[], Value::Gauge(-3)) },
            sample("records in", &[("operator", "a"), ("subtask", "0")], Value::Counter(1)),
            sample("records in", &[("operator", "a"), ("subtask", "0")], Value::Counter(2)),
            sample("busy", &[], Value::Ratio(0.25)),
            sample("busy", &[("job", "größe")], Value::Ratio(f64::NAN)),
            sample("mixed", &[("a", "")], Value::Gauge(1)),
            sample("mixed", &[], Value::Counter(1)),
        ];
        assert_eq!(
            text(&samples),
            r#"# TYPE millstream_busy gauge
millstream_busy 0.25
millstream_busy{job="größe"} NaN
# TYPE millstream_mixed untyped
millstream_mixed 1
millstream_mixed{a=""} 1
# TYPE millstream_records_in counter
millstream_records_in{operator="a",subtask="0"} 2
millstream_records_in{operator="map(\"a\\b\nc\")",subtask="1"} 18446744073709551615
# HELP millstream_slots Slots\nthere \\ are
# TYPE millstream_slots gauge
millstream_slots -3
"#
        );
    }
}
