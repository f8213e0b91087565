//! One row of each kind, as hex in `tests/fixtures/rows`. Integration tests insert these rows into a real vault: they
//! cannot make pseudonyms themselves. This test compares the files with the rows that `record` encodes;
//! `UPDATE_EXPECT=1` writes them anew.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::date;

use crate::event::{Entry, Tally};
use crate::privacy::pseudonymous::{
    Attribute, Event, EventKind, Failure, FirstVisitFlags, Pseudonym, Pseudonymous, PseudonymousBeacon, RowSubject,
    Signal,
};
use crate::record;

fn beacon() -> PseudonymousBeacon {
    let day = date(2026, 11, 22);
    let event = |number: u8, kind| {
        Pseudonymous::made_up(Event {
            site: "jetpay.kz".into(),
            day,
            window_end: 1_795_374_000,
            visitor: Pseudonym::made_up([0x11; 16]),
            visit: Pseudonym::made_up([0x22; 16]),
            view: Pseudonym::made_up([number; 16]),
            confirmed: true,
            network: 255,
            first_visit: FirstVisitFlags { new_day: true, new_week: false, new_month: true, new_ever: false },
            new_window: true,
            visit_number: "3-5",
            kind,
            step: 30,
            duration_s: 65_535,
            suspect: "",
            absence: "2-3",
            cohort: "5-8",
        })
    };
    let subject = |number: u8| RowSubject {
        site: "jetpay.kz".into(),
        day,
        window_end: 1_795_374_000,
        visitor: Pseudonym::made_up([number; 16]),
        confirmed: false,
        network: 7,
        new_week: true,
        new_month: false,
    };
    let entry =
        Entry { channel: "search", source: "google.com".into(), medium: "cpc".into(), campaign: "spring".into() };
    PseudonymousBeacon {
        events: vec![
            event(1, EventKind::View { path: "/pay/:order".into(), previous_path: "/".into(), entry: Some(entry) }),
            event(2, EventKind::Engage { engaged_s: 300 }),
            event(3, EventKind::Exit { domain: "kaspi.kz".into() }),
            event(4, EventKind::Named { name: "paid".into(), variant: "b".into() }),
            event(5, EventKind::Search),
        ],
        attributes: vec![Pseudonymous::made_up(Attribute {
            subject: subject(0x33),
            attribute: "provider",
            entry: None,
            value: "x".repeat(200).into(),
            detail: "Алматы".into(),
            step: 2,
            visit_tag: 513,
        })],
        signals: vec![Pseudonymous::made_up(Signal {
            subject: subject(0x44),
            signal: "canvas",
            entry: None,
            state: "noised",
            digest: [0x55; 16],
        })],
        failures: vec![Pseudonymous::made_up(Failure {
            subject: subject(0x66),
            template: "cannot read :x of null".into(),
            browser: "Firefox",
            major: "140".into(),
            os: "Windows 10",
        })],
        tallies: vec![Tally {
            site: "jetpay.kz".into(),
            day,
            window_end: 1_795_374_000,
            reason: "count_only".into(),
            count: 4_000_000_000,
        }],
        ..PseudonymousBeacon::default()
    }
}

#[test]
fn the_rows_of_the_fixtures_are_the_rows_that_are_encoded() {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for (stream, rows) in record::encode(&beacon()) {
        let text = files.entry(stream.partition.table.name()).or_default();
        for row in rows {
            row.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
            text.push('\n');
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rows");
    for (table, expected) in files {
        expect_test::expect_file![folder.join(format!("{table}.hex"))].assert_eq(&expected);
    }
}
