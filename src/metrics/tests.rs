//! Every event has one outcome, and every metric is described as it is exposed.

use super::*;

fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name)).expect(name);
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn every_received_event_has_one_outcome_even_if_nobody_names_it() {
    let metrics = Arc::new(Metrics::default());
    let mut counted = metrics.receive(5);
    counted.accepted(2);
    counted.dropped(DropReason::Duplicate, 1);
    drop(counted);
    metrics.receive(3).rejected(Rejection::SpoolFull);
    metrics.reject(Rejection::Malformed);
    let rows = RowCounts { found: 6, accepted: 2, spooled: 3, stored: 4, erased: 1, ..RowCounts::default() };
    let text = metrics.encode(&rows);
    assert_eq!(value(&text, "tamga_rows_accepted_total"), 2);
    assert_eq!(value(&text, "tamga_rows_stored"), 4);
    assert_eq!(value(&text, "tamga_rows_erased_total"), 1);
    assert_eq!(value(&text, "tamga_events_received_total"), 9);
    assert_eq!(value(&text, "tamga_events_accepted_total"), 2);
    assert_eq!(value(&text, "tamga_events_dropped_total{reason=\"duplicate\"}"), 1);
    assert_eq!(value(&text, "tamga_events_rejected_total{reason=\"abandoned\"}"), 2);
    assert_eq!(value(&text, "tamga_events_rejected_total{reason=\"spool_full\"}"), 3);
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn every_metric_is_described_as_it_is_exposed() {
    let metrics = Metrics::default();
    metrics.set_engine_restarts("vault", 2);
    metrics.set_wall(1_795_327_200, [("a-rule", false, true)]);
    let text = metrics.encode(&RowCounts::default());
    assert_eq!(text.matches("# TYPE ").count(), metrics.describe().len());
    for Description { name, kind, unit, label, help } in metrics.describe() {
        let family = if kind == "counter" { name.trim_end_matches("_total") } else { &name };
        assert!(text.contains(&format!("# HELP {family} {help}.\n# TYPE {family} {kind}\n")), "{name}");
        assert_eq!(text.contains(&format!("# UNIT {family} {unit}\n")), !unit.is_empty(), "{name}");
        let sample = if kind == "histogram" { format!("{name}_bucket") } else { name.clone() };
        let after =
            label.map_or(if kind == "histogram" { "{le=" } else { " " }.to_owned(), |label| format!("{{{label}=\""));
        assert!(text.contains(&format!("\n{sample}{after}")), "{name}");
    }
}
