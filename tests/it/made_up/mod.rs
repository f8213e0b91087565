//! Does a made-up statement of an analyst hurt anybody but its own analyst?
//!
//! [`grammar`] makes a statement of a seed: from all that the engine at hand says it has ([`catalogue`]), from values that
//! hurt ([`hostile`]), and from ways that were found before ([`ways`]). [`run`] asks it as an analyst over HTTP, beside a
//! service that inserts and asks, and writes a [`report`].

mod catalogue;
mod grammar;
mod ground;
mod hostile;
mod report;
mod run;
mod ways;

use std::time::Duration;

use report::Verdict;
use run::{Plan, run};

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_the_first_seeds_hurts_others() {
    let plan =
        Plan { first: 1, statements: 300, lasts: Duration::from_secs(600), at_once: 3, seconds: 5, report: None };
    let report = run(plan).await;
    for verdict in [Verdict::Answered, Verdict::Refused, Verdict::Failed] {
        assert!(report.of(verdict) > 10, "the statements are of no use: {report}");
    }
    assert!(report.served_count() > 0, "{report}");
    // A machine that is too busy lets the watchdog act.
    for verdict in [Verdict::Crashed, Verdict::Stuck, Verdict::Escaped] {
        assert_eq!(report.of(verdict), 0, "{report}");
    }
}

/// `make statements`. With `TAMGA_STATEMENTS_SEED=N TAMGA_STATEMENTS=1` it repeats one statement.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes an hour"]
async fn no_statement_of_an_hour_hurts_others() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("TAMGA_STATEMENTS_SECONDS").unwrap_or(3600);
    let first = number("TAMGA_STATEMENTS_SEED").unwrap_or(1_000_000);
    let statements = number("TAMGA_STATEMENTS").unwrap_or(u64::MAX / 2);
    let report = std::env::var_os("TAMGA_STATEMENTS_REPORT").map(Into::into);
    let lasts = Duration::from_secs(seconds);
    let report = run(Plan { first, statements, lasts, at_once: 3, seconds: 10, report }).await;
    println!("{report}");
    assert!(report.faults.is_empty(), "{report}");
}
