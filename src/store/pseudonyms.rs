//! Pseudonyms for a statement that must not name them: the text of a statement, and its parameters, could stay in a log or in the file of a
//! mutation. So they come as rows of the vault's table `erasures`, under a number, and are removed afterwards. On a server the table is in
//! memory alone. A caller has pseudonyms of one key domain there at a time: together they would say what the vault keeps apart.
//!
//! An embedded engine writes no parameter down. So a question to it has the pseudonyms in a parameter, and nothing is written at all.

use super::{Store, StoreError};

/// A condition that holds for rows of some pseudonyms, and the parameter that it needs.
pub(super) type Condition = (String, Option<(&'static str, String)>);

impl Store {
    /// The same store, on an embedded engine.
    #[must_use]
    pub(super) fn embedded(mut self) -> Self {
        self.is_embedded = true;
        self
    }

    /// Runs `ask` with a condition that holds for the rows of these pseudonyms. The number is the caller's own; `token` is that of the
    /// insert. If they cannot be removed afterwards, the next statement of this kind does it within a day, and a restart of the server.
    pub(super) async fn with_pseudonyms<'a, T, E: From<StoreError>, Asked: Future<Output = Result<T, E>>>(
        &self,
        number: u64,
        token: Option<&str>,
        pseudonyms: impl IntoIterator<Item = &'a [u8; 16]>,
        ask: impl FnOnce(String) -> Asked,
    ) -> Result<T, E> {
        let of_number = |pseudonym: &[u8; 16]| [&number.to_le_bytes()[..], pseudonym].concat();
        let rows: Vec<u8> = pseudonyms.into_iter().flat_map(of_number).collect();
        self.insert_rows("erasures", &["attempt", "visitor"], rows.into(), token).await?;
        let asked = async {
            if self.is_clustered() {
                // Each replica reads its own copy of the pseudonyms.
                self.execute("SYSTEM SYNC REPLICA erasures", &[]).await?;
            }
            let database = self.database();
            ask(format!("visitor IN (SELECT visitor FROM {database}.erasures WHERE attempt = {number})")).await
        };
        let answer = asked.await;
        let removed = match self.is_clustered() {
            true => format!("ALTER TABLE erasures DROP PARTITION {number}"),
            // Also what an attempt has left that nobody repeats.
            false => format!(
                "ALTER TABLE erasures DELETE WHERE attempt = {number} OR begun_at < now() - toIntervalDay(1) SETTINGS mutations_sync = 2"
            ),
        };
        let removed = self.execute(&removed, &[]).await;
        let answer = answer?;
        removed?;
        Ok(answer)
    }

    /// The same for a question to an embedded engine, in a parameter.
    pub(super) fn in_parameter<'a>(pseudonyms: impl IntoIterator<Item = &'a [u8; 16]>) -> Condition {
        let text: String = pseudonyms.into_iter().flatten().map(|byte| format!("{byte:02x}")).collect();
        let each = "arrayMap(one -> toFixedString(unhex(one), 16), extractAll({own:String}, '.{32}'))";
        (format!("visitor IN (SELECT arrayJoin({each}))"), Some(("own", text)))
    }
}
