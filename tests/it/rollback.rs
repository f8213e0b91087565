//! A newer program has migrated the stores: does one of before go on while it runs, and lose nothing once it starts anew?

use std::time::Duration;

use rustix::process::Signal;
use tamga::store::{Limits, Store, VAULT};

use crate::service::answered;
use crate::support::collector::view_of;
use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::program::{Ground, Program};
use crate::support::vault::number;
use crate::support::wait;

/// The longest that rows may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

async fn view(program: &Program, view: u8) {
    let answer = answered(&program.beacon(view_of(view, 0, "/tariffs"))).await;
    assert_eq!(answer.outcome(), "accepted", "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_before_goes_on_beside_a_newer_schema_and_holds_its_rows_after_a_restart() {
    let engine = Engine::start();
    let ground = Ground::with_servers(&engine, &engine);
    let vault = Store::new(&engine.url(), USER, PASSWORD, VAULT, Limits::default()).unwrap();
    let program = Program::serve(&ground, &[]);
    program.logged("the stores are ready");
    let stored = async |views: u64| {
        let all = async || (number(&vault, "SELECT count() AS number FROM events").await == views).then_some(());
        wait::until(PATIENCE, all, || format!("not {views} views:\n{}", program.log())).await;
    };
    view(&program, 1).await;
    stored(1).await;
    // A newer program has started elsewhere, and its migration was carried out.
    engine.sql("ALTER TABLE tamga_vault.events ADD COLUMN newer UInt8 DEFAULT 7 COMMENT 'Newer'").await;
    let newer = "INSERT INTO tamga_vault.schema_migrations (version, name, checksum, statement, applied_at) VALUES \
                 (99, 'newer', '', 1, now())";
    engine.sql(newer).await;
    view(&program, 2).await;
    stored(2).await;
    // Started anew it does not touch what it does not know, and keeps what it takes.
    program.send_signal(Signal::HUP);
    let says = async || {
        let ready = answered(&program.operations("/readyz")).await;
        let said = String::from_utf8(ready.body).unwrap();
        (ready.status == 200 && said.contains("migration 99") && said.contains("a newer one")).then_some(())
    };
    wait::until(PATIENCE, says, || format!("readyz never says it:\n{}", program.log())).await;
    view(&program, 3).await;
    // The newer program is in its place again.
    let sql = "ALTER TABLE tamga_vault.schema_migrations DELETE WHERE version = 99 SETTINGS mutations_sync = 1";
    engine.sql(sql).await;
    stored(3).await;
    let (code, _, log) = program.terminate();
    assert!(code == Some(0) && !log.contains("panicked"), "{log}");
}
