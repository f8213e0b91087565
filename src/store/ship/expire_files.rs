//! Deletes dead letters and quarantined bytes of the spool when rows of their day may no longer be kept. Both hold
//! pseudonymous rows, kept for an operator. It runs beside the shipping, also while the vault is away.
//!
//! The day of a dead letter is in its name. The day of a quarantined file is that of its last write, by the machine's clock.
//! If a simulated clock is ahead of the machine the file is deleted early, if it is behind, late, as with rows.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::dead_letters::DeadLetters;
use super::inserter::TOO_OLD_DAYS;
use crate::clock::Clock;
use crate::spool::Quarantine;

/// How often the clock is read, in real time.
const EVERY: Duration = Duration::from_secs(2);

/// Deletes files that are too old, at the start and whenever a new day begins. Never returns.
pub(super) async fn expire_files(clock: Clock, dead_letters: DeadLetters, quarantine: Quarantine) {
    let mut tidied = None;
    loop {
        let today = clock.now_to_destroy().map(|now| now.to_zoned(TimeZone::UTC).date());
        if let Some(today) = today.filter(|today| tidied != Some(*today)) {
            match tidy(today, dead_letters.clone(), quarantine.clone()).await {
                Ok((letters, quarantined)) => {
                    tidied = Some(today);
                    if letters > 0 || quarantined > 0 {
                        tracing::info!(letters, quarantined, "removed files whose rows are too old to keep");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot remove dead letters or quarantined files that are too old; trying again");
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Deletes the files of days that are too old. Returns how many dead letters and quarantined files.
async fn tidy(today: Date, dead_letters: DeadLetters, quarantine: Quarantine) -> std::io::Result<(usize, u64)> {
    // The first day whose rows may be kept: on every later one the shipper would still send them.
    let Ok(oldest) = today.checked_sub(jiff::Span::new().days(TOO_OLD_DAYS - 1)) else { return Ok((0, 0)) };
    let before = TimeZone::UTC.to_timestamp(oldest.at(0, 0, 0, 0)).map_or(0, |time| time.as_millisecond());
    let work = move || Ok((dead_letters.purge(oldest)?, quarantine.purge(before)?));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use jiff::civil::date;

    use super::*;
    use crate::spool::{Disk, Keys, Options, open};

    #[tokio::test]
    async fn files_of_a_day_are_deleted_on_the_day_on_which_its_rows_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let letters = folder.path().join("dead-letters");
        std::fs::create_dir(&letters).unwrap();
        let options = Options::new(1 << 20, 1, Keys::new(crate::secret::Secret::new([7; 32]), []));
        let dead_letters = DeadLetters::new(&letters, options.keys.clone());
        let (_writer, reader, _) = open(folder.path(), options, Arc::new(Disk)).unwrap();
        for day in [date(2026, 11, 13), date(2026, 11, 14), date(2026, 11, 15)] {
            std::fs::write(letters.join(format!("{day}-events-0a.jsonl")), "{}\n").unwrap();
            let file = std::fs::File::create(folder.path().join("quarantine").join(day.to_string())).unwrap();
            let noon = TimeZone::UTC.to_timestamp(day.at(12, 0, 0, 0)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(noon.as_second().unsigned_abs())).unwrap();
        }
        let tidy = |today| tidy(today, dead_letters.clone(), reader.quarantine());
        assert_eq!(tidy(date(2026, 11, 20)).await.unwrap(), (0, 0));
        assert_eq!(tidy(date(2026, 11, 22)).await.unwrap(), (2, 2));
        assert_eq!(tidy(date(2026, 11, 22)).await.unwrap(), (0, 0));
        assert!(letters.join("2026-11-15-events-0a.jsonl").exists());
        assert!(folder.path().join("quarantine/2026-11-15").exists());
    }
}
