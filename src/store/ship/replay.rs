//! Sends dead letters again, exactly once, and drops them.
//!
//! The rows of a letter become a batch of their own, whose token and value follow from the letter's token and its rows. It
//! is brought like a batch that a former process had begun: counted before it is believed or sent, cut when it is refused,
//! and what is refused again becomes a new letter. Only then the old letter is removed; so a replay that is cut off anywhere
//! can be repeated.
//!
//! A letter whose batch is in an unfinished round is left alone: until the round is finished its cuts must be remembered.
//! That is why only one process at a time works on letters, the one that holds the spool: `serve` when it runs, between
//! two rounds and on orders that lie beside the letters, otherwise `tamga dead-letters` itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::courier::{Courier, Stopped};
use super::dead_letters::{DeadLetters, Letter, Order};
use super::parcel::Parcel;
use super::status::ShipStatus;
use crate::clock::Clock;
use crate::spool::Outcomes;
use crate::store::Store;

/// How long one letter may take; meanwhile the spool waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Told of each letter that was sent again or dropped: what was done, to which, and what became of its rows.
pub type Told = dyn Fn(Order, &str, &Outcomes) + Send + Sync;

/// What became of an order: the rows' outcomes, or a sentence why not.
pub(super) type Obeyed = Result<Outcomes, String>;

impl Courier {
    /// Carries out an order. `open` are the tokens of the unfinished round.
    pub(super) async fn obey(&self, order: Order, name: &str, open: &[String]) -> Obeyed {
        if order == Order::Drop {
            return discard(&self.letters, name, open);
        }
        is_settled(name, open)?;
        let letter = self.letters.read(name).map_err(|error| error.to_string())?;
        self.replay(name, &letter).await
    }

    async fn replay(&self, name: &str, letter: &Letter) -> Obeyed {
        let parcel = Parcel::again(letter).ok_or_else(|| {
            "its rows are of a schema that this program does not know: use the version that wrote it".to_owned()
        })?;
        let parcel = Arc::new(parcel);
        let brought = match tokio::time::timeout(PATIENCE, self.bring(Arc::clone(&parcel), true)).await {
            Ok(Ok(brought)) => brought,
            Ok(Err(Stopped)) => return Err("the program is stopping; nothing is lost, replay it again".to_owned()),
            Err(_) => {
                let reason = self.status.trouble().map_or_else(String::new, |trouble| format!(": {}", trouble.message));
                self.status.clear(parcel.topic());
                return Err(format!(
                    "it took longer than {} s{reason}. Nothing is lost or doubled: replay it again",
                    PATIENCE.as_secs()
                ));
            }
        };
        self.letters.remove(name).map_err(|error| {
            format!("its rows are sent, and it cannot be removed: {error}. Replay it again, nothing is doubled")
        })?;
        // Not before: until the old letter is gone, the cuts of the new one must be remembered.
        if let Some(parcel) = brought.landed_in_pieces {
            let _ = self.tidy(&parcel).await;
        }
        Ok(brought.outcomes)
    }

    /// Carries out the orders that lie beside the letters. Returns what became of the rows that were sent again.
    pub(super) async fn obey_all(&self, open: &[String], told: Option<&Told>) -> Outcomes {
        let mut all = Outcomes::default();
        for (name, order) in self.letters.orders().unwrap_or_default() {
            if !self.letters.withdraw(&name) {
                continue; // Whoever gave it has lost patience.
            }
            let obeyed = self.obey(order, &name, open).await;
            if let Ok(outcomes) = &obeyed {
                if order == Order::Replay {
                    all.add(outcomes);
                }
                if let Some(told) = told {
                    told(order, &name, outcomes);
                }
            }
            if let Err(error) = self.letters.answer(&name, &sentence(order, &obeyed)) {
                tracing::warn!(%error, letter = name, "cannot answer an order about a dead letter");
            }
        }
        all
    }
}

/// Deletes a letter, a damaged one too.
pub(super) fn discard(letters: &DeadLetters, name: &str, open: &[String]) -> Obeyed {
    is_settled(name, open)?;
    let rows = match letters.read(name) {
        Ok(letter) => letter.rows.len() as u64,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => 0,
        Err(error) => return Err(error.to_string()),
    };
    letters.remove(name).map_err(|error| format!("cannot remove it: {error}"))?;
    Ok(Outcomes { dead_lettered: rows, ..Outcomes::default() })
}

/// Whether the letter's batch, whose token is in its name, has been settled for good.
fn is_settled(name: &str, open: &[String]) -> Result<(), String> {
    if open.iter().any(|token| name.contains(token.as_str())) {
        return Err(
            "its batch is not settled yet, so its rows may still change: try again when the spool has moved on".into(),
        );
    }
    Ok(())
}

/// What became of an order, for whoever gave it.
pub(super) fn sentence(order: Order, obeyed: &Obeyed) -> Result<String, String> {
    match (order, obeyed) {
        (Order::Drop, Ok(outcomes)) => Ok(format!("dropped {} rows", outcomes.dead_lettered)),
        (Order::Replay, Ok(outcomes)) => Ok(format!(
            "{} rows stored, {} refused again, {} too old to keep",
            outcomes.stored, outcomes.dead_lettered, outcomes.expired
        )),
        (_, Err(reason)) => Err(reason.clone()),
    }
}

/// Sends a letter again while no other process holds the spool, which the caller sees to.
pub(super) async fn alone(
    vault: Store,
    clock: Clock,
    letters: DeadLetters,
    name: &str,
    open: &[String],
) -> Result<(String, Outcomes), String> {
    let (stop, (_silent, wake)) = (CancellationToken::new(), watch::channel(0));
    let courier = Courier { store: vault, clock, letters, status: Arc::<ShipStatus>::default(), stop, wake };
    let obeyed = courier.obey(Order::Replay, name, open).await;
    let said = sentence(Order::Replay, &obeyed)?;
    Ok((said, obeyed?))
}
