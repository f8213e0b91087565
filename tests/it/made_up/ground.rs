//! The engine under attack: the real program with the stats tables, and what nobody may reach beside them.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::support::engine::{self, Engine};

/// What stands in every place that is not an analyst's.
pub(super) const PLANTED: &str = "marzipan";

pub(super) struct Ground {
    folder: Arc<TempDir>,
    /// A port where nobody of the engine calls.
    port: u16,
    called: Arc<AtomicBool>,
    seconds: String,
    /// The tables at the start.
    tables: String,
}

impl Ground {
    /// `seconds`: how long a statement may run.
    pub(super) async fn new(seconds: u64) -> (Self, Engine) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, called) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let heard = Arc::clone(&called);
        std::thread::spawn(move || {
            let _ = listener.accept();
            heard.store(true, Ordering::Relaxed);
        });
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut ground = Self { folder, port, called, seconds: seconds.to_string(), tables: String::new() };
        let engine = ground.engine();
        engine.publish_made_up_numbers().await;
        for sql in [
            "CREATE DATABASE secret",
            "CREATE TABLE secret.asked (number UInt64) ENGINE = MergeTree ORDER BY number",
            &format!(
                "CREATE TABLE secret.people ENGINE = MergeTree ORDER BY name AS SELECT '{PLANTED}' AS name, 7 AS number"
            ),
        ] {
            engine.sql(sql).await;
        }
        fs::write(ground.data().join("planted.txt"), PLANTED).unwrap();
        ground.tables = ground.contents(&engine).await;
        (ground, engine)
    }

    /// Starts the engine, as its parent does after an end.
    pub(super) fn engine(&self) -> Engine {
        let mut command = engine::command_for_analysts(self.folder.path());
        command.args(["--analyst-seconds", &self.seconds]);
        Engine::spawn(command, Arc::clone(&self.folder))
    }

    /// A statement with the names of places that it must not reach.
    pub(super) fn fill(&self, text: &str) -> String {
        let folder = self.data().display().to_string();
        text.replace("{folder}", &folder)
            .replace("{file}", &format!("{folder}/planted.txt"))
            .replace("{port}", &self.port.to_string())
    }

    /// What a statement did that is forbidden, if the answers did not show it.
    pub(super) async fn damage(&self, engine: &Engine) -> Option<&'static str> {
        let written = |folder: PathBuf| {
            fs::read_dir(folder).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().contains("fuzz"))
        };
        if self.called.load(Ordering::Relaxed) {
            return Some("a connection left the engine");
        }
        if written(self.data()) || written(self.data().join("user_files")) || written(self.folder.path().to_owned()) {
            return Some("a file was written");
        }
        (self.contents(engine).await != self.tables).then_some("tables or their rows changed")
    }

    /// All tables, and the rows of those that do not grow.
    async fn contents(&self, engine: &Engine) -> String {
        let sql = "SELECT (SELECT groupArray((database, name)) FROM (SELECT database, name FROM system.tables \
                   WHERE database NOT IN ('INFORMATION_SCHEMA', 'information_schema', 'system') ORDER BY ALL)), \
                   (SELECT count() FROM tamga_stats.site), (SELECT count() FROM tamga_stats.pages), \
                   (SELECT count() FROM secret.people), (SELECT groupArray(name) FROM system.functions WHERE origin != 'System')";
        engine.sql(sql).await
    }

    fn data(&self) -> PathBuf {
        let data = self.folder.path().join("data");
        fs::create_dir_all(data.join("user_files")).unwrap();
        data
    }
}
