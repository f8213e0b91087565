//! The events of published windows: counted once with each window, so that events that arrive later are noticed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::PublishError;
use super::model::PublishedSite;
use super::queries;
use super::tables::{Tables, ask};
use crate::window::Window;

/// How many events the published windows had, so that events that arrive later are noticed. Exact, in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Counted {
    /// Start, end and events of windows whose rows may still be in the vault.
    pub windows: Vec<(i64, i64, u64)>,
    /// What the site has declared so far.
    #[serde(default)]
    pub declarations: BTreeSet<String>,
}

/// Days after which the vault has no row any more; the vault's DDL has the same number.
pub const VAULT_DAYS: i64 = 9;

#[derive(Deserialize)]
struct WindowCount {
    end: i64,
    count: u64,
}

/// The event counts of a window.
pub(super) struct Events {
    /// Events of the window.
    pub(super) here: u64,
    /// Events of published windows that arrived after they were counted.
    pub(super) late: u64,
    pub(super) counted: Counted,
}

pub(super) async fn count_events<V: Tables>(
    vault: &V,
    site: &PublishedSite,
    window: &Window,
    counted: &Counted,
) -> Result<Events, PublishError> {
    let (start, end) = (window.start.as_second(), window.end.as_second());
    let keeps = |&(_, past_end, _): &(i64, i64, u64)| past_end > end - VAULT_DAYS * 86_400 && past_end <= start;
    let mut windows: Vec<_> = counted.windows.iter().copied().filter(keeps).collect();
    let since = windows.iter().map(|window| window.0).min().unwrap_or(start);
    let of_site = [("site", site.domain.clone()), ("start", since.to_string())];
    let windows_of_rows: Vec<WindowCount> =
        ask(vault, "counting events in the vault", queries::EVENTS_BY_WINDOW, &of_site).await?;
    let between = |start: i64, end: i64| -> u64 {
        windows_of_rows.iter().filter(|row| start < row.end && row.end <= end).map(|row| row.count).sum()
    };
    let mut late = 0;
    for (start, end, events) in &mut windows {
        // There may be fewer than before: the day was dropped, or rows of a visitor were erased.
        let now = between(*start, *end);
        late += now.saturating_sub(*events);
        *events = (*events).max(now);
    }
    let here = between(start, end);
    windows.push((start, end, here));
    let declarations = counted.declarations.clone();
    Ok(Events { here, late, counted: Counted { windows, declarations } })
}
