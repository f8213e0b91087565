//! Pseudonyms for a statement that must not name them: the text of a statement, and its parameters, could stay in a log or in the file of a
//! mutation. So they come as rows of the vault's table `erasures`, under a number, and are dropped with their partition afterwards.

use super::{Store, StoreError};

impl Store {
    /// Runs `ask` with a condition that holds for the rows of these pseudonyms. The number is the caller's own; `token` is that of the
    /// insert. If they cannot be dropped afterwards, the table's time to live removes them.
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
        let dropped = self.execute(&format!("ALTER TABLE erasures DROP PARTITION {number}"), &[]).await;
        let answer = answer?;
        dropped?;
        Ok(answer)
    }
}
