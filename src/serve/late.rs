//! Whether windows that have ended are published: asked of the ledger, so that it is known after a restart too.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;

use crate::publish::PublishedSite;
use crate::store::Store;

/// How often the ledger is asked, in real time.
const ASK_EVERY: Duration = Duration::from_secs(60);
const LAST_ENDS: &str = "SELECT site, toUnixTimestamp(max(window_end)) AS end FROM publications GROUP BY site";

#[derive(Deserialize)]
struct LastEnd {
    site: String,
    end: i64,
}

/// Puts into `earliest` when the first window ends that is not published, until it is dropped. While the ledger does not answer the last
/// answer stays. A site that never published anything is not known here.
pub(super) async fn watch(stats: &Store, sites: &[PublishedSite], earliest: &watch::Sender<Option<Timestamp>>) {
    loop {
        if let Ok(ends) = stats.rows::<LastEnd>(LAST_ENDS, &[]).await {
            earliest.send_replace(earliest_end(sites, &ends));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn earliest_end(sites: &[PublishedSite], ends: &[LastEnd]) -> Option<Timestamp> {
    let next = |site: &PublishedSite| {
        let last = ends.iter().find(|last| last.site == site.domain)?;
        Some(site.schedule.after(Timestamp::from_second(last.end).ok()?).end)
    };
    sites.iter().filter_map(next).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_window_after_the_last_published_one_is_the_first_that_is_missing() {
        let config = Config::parse(Config::example(), "t.toml".as_ref(), std::iter::empty()).expect("sound");
        let sites = PublishedSite::all(&config).expect("sites");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        // Midnight in Almaty.
        let ends = |site: &str| [LastEnd { site: site.to_owned(), end: at("2026-11-27T19:00:00Z").as_second() }];
        assert_eq!(earliest_end(&sites, &ends("jetpay.kz")), Some(at("2026-11-28T19:00:00Z")));
        assert_eq!(earliest_end(&sites, &ends("gone.kz")), None);
        assert_eq!(earliest_end(&sites, &[]), None);
    }
}
