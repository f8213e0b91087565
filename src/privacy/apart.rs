//! What is kept of a visit apart from what was done in it: place, client, device, provider, hour and searches. Each has rows of
//! its own under a key domain of its own, so that no row holds two of them and nothing joins them.
//!
//! A row is made once, and not for each event: at the first view of a visit, and again when the publishing window or the
//! visitor's confirmation is new. So each pseudonym has one or two rows, however busy its visitor was. A later visit of the
//! same window has a pseudonym of its own, and views are counted by hour in a tally: a number of visits or of views would be a
//! mark by which the rows of two key domains could be matched.

use smol_str::{SmolStr, ToSmolStr as _};

use super::Rows;
use super::pseudonym::Purpose;
use super::pseudonymous::{Attribute, Pseudonymous, PseudonymousBeacon, RowSubject};
use crate::event::{Client, Place, Tally};

/// What a row says of its visit: nothing, its first view, or that it goes on.
pub(super) const NOTHING: u8 = 0;
pub(super) const BEGINS: u8 = 1;
pub(super) const GOES_ON: u8 = 2;

const HOUR_MINUTES: u16 = 60;
/// The reasons of the tallies of views, by hour.
const VIEWS: [&str; 24] = [
    "views:00", "views:01", "views:02", "views:03", "views:04", "views:05", "views:06", "views:07", "views:08",
    "views:09", "views:10", "views:11", "views:12", "views:13", "views:14", "views:15", "views:16", "views:17",
    "views:18", "views:19", "views:20", "views:21", "views:22", "views:23",
];
/// What they begin with.
const VIEWS_OF: &str = "views:";
/// Rows that most visits begin with.
const ROWS: usize = 5;

/// An attribute's name and its key domain.
type Domain = (&'static str, &'static str);
const PLACE: Domain = ("place", "attribute place");
const CLIENT: Domain = ("client", "attribute client");
const DEVICE: Domain = ("device", "attribute device");
const HOUR: Domain = ("hour", "attribute hour");
const SEARCH: Domain = ("search", "attribute search");
const PROVIDER: Domain = ("provider", "attribute provider");

/// Whose pseudonym a row has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Visitor,
    LaterVisit,
}

/// What is new with a beacon.
struct News {
    /// The visit's first view is in it.
    begins: bool,
    /// It begins, and the visitor was heard of in this window before.
    is_later: bool,
    /// The visitor has no row of this window yet, or one that does not say what is known now.
    of_visitor: bool,
}

impl News {
    fn of(rows: &Rows<'_>, views: usize) -> Self {
        let begins = rows.who.visit.views == 0 && views > 0;
        let is_heard = rows.is_heard_in(rows.rules.schedule.minutes_of_day());
        Self { begins, is_later: begins && is_heard, of_visitor: !is_heard || rows.who.newly_confirmed }
    }
}

/// Keeps what the policy lists of a visit whose beacon has so many views, and at least one event.
pub(super) fn keep(
    rows: &Rows<'_>,
    views: usize,
    place: Place,
    client: Client,
    searches: Vec<String>,
    kept: &mut PseudonymousBeacon,
) {
    let (items, news) = (rows.rules.items, News::of(rows, views));
    if news.begins || news.of_visitor {
        kept.attributes.reserve_exact(ROWS);
    }
    if items.country || items.region {
        let known = |listed: bool, name: SmolStr| if listed { name } else { SmolStr::default() };
        let place = [known(items.country, place.country), known(items.region, place.region)];
        rows.keep_visit(PLACE, place, &news, kept);
    }
    if items.browser {
        let major = if client.browser_major == 0 { SmolStr::default() } else { client.browser_major.to_smolstr() };
        rows.keep_visit(CLIENT, [SmolStr::new_static(client.browser), major], &news, kept);
    }
    if items.browser || items.os {
        let known = |listed: bool, name: &'static str| SmolStr::new_static(if listed { name } else { "" });
        let os = if items.os_version { client.os_version } else { client.os };
        let device = [known(items.browser, client.device), known(items.os, os)];
        rows.keep_visit(DEVICE, device, &news, kept);
    }
    if items.provider && news.of_visitor && !place.provider.is_empty() {
        rows.keep_row(PROVIDER, [place.provider, SmolStr::default()], NOTHING, Of::Visitor, kept);
    }
    if items.pages {
        rows.keep_hour(&news, views, kept);
    }
    if items.search {
        rows.keep_searches(searches, kept);
    }
}

impl Rows<'_> {
    /// Whether the visitor was heard of before in the same period of the day. If so, a visit that begins may not be its first there.
    pub(super) fn is_heard_in(&self, period_minutes: u16) -> bool {
        let period = |minute: u16| self.time.clock.shown_at(minute) / period_minutes;
        self.who.earlier.is_some_and(|visit| period(visit.last_minute) == period(self.time.local.minute))
    }

    fn keep_visit(&self, domain: Domain, of_visit: [SmolStr; 2], news: &News, kept: &mut PseudonymousBeacon) {
        let &News { begins, is_later, of_visitor } = news;
        if is_later {
            self.keep_row(domain, of_visit.clone(), BEGINS, Of::LaterVisit, kept);
        }
        if of_visitor {
            let step = if begins && !is_later { BEGINS } else { NOTHING };
            self.keep_row(domain, of_visit, step, Of::Visitor, kept);
        }
    }

    /// The hour of the visit's first view; whether it has a second one there; and any hour after that has one.
    fn keep_hour(&self, news: &News, views: usize, kept: &mut PseudonymousBeacon) {
        let (who, is_heard) = (self.who, self.is_heard_in(HOUR_MINUTES));
        let reason = VIEWS[usize::from(self.time.clock.shown_at(self.time.local.minute) / HOUR_MINUTES) % VIEWS.len()];
        let of_hour = || [SmolStr::new_static(&reason[VIEWS_OF.len()..]), SmolStr::default()];
        if news.begins {
            let of = if is_heard { Of::LaterVisit } else { Of::Visitor };
            self.keep_row(HOUR, of_hour(), BEGINS, of, kept);
        }
        let is_second = who.visit.views < 2 && usize::from(who.visit.views) + views >= 2;
        let goes_on = views > 0 && (is_second || !news.begins && !is_heard);
        if goes_on {
            self.keep_row(HOUR, of_hour(), GOES_ON, Of::Visitor, kept);
        } else if who.newly_confirmed {
            self.keep_row(HOUR, Default::default(), NOTHING, Of::Visitor, kept);
        }
        if views > 0 {
            let (site, day) = (self.rules.site.clone(), self.time.local.day);
            let count = u32::try_from(views).unwrap_or(u32::MAX);
            kept.views = Some(Tally { site, day, window_end: self.time.window_end, reason: reason.into(), count });
        }
    }

    fn keep_searches(&self, searches: Vec<String>, kept: &mut PseudonymousBeacon) {
        if searches.is_empty() && self.who.newly_confirmed {
            self.keep_row(SEARCH, Default::default(), NOTHING, Of::Visitor, kept);
        }
        for term in searches {
            self.keep_row(SEARCH, [term.into(), SmolStr::default()], NOTHING, Of::Visitor, kept);
        }
    }

    fn keep_row(
        &self,
        (attribute, domain): Domain,
        [value, detail]: [SmolStr; 2],
        step: u8,
        of: Of,
        kept: &mut PseudonymousBeacon,
    ) {
        let subject = self.key.purpose(domain, |purpose| match of {
            Of::Visitor => self.subject(purpose, ""),
            Of::LaterVisit => self.later_visit(purpose),
        });
        kept.attributes.push(Pseudonymous::new(Attribute {
            subject,
            attribute,
            entry: None,
            value,
            detail,
            step,
            visit_tag: 0,
        }));
    }

    /// A later visit adds to numbers of visits, and to no crowd: its visitor is in the crowd already.
    fn later_visit(&self, purpose: &Purpose<'_>) -> RowSubject {
        let visitor = purpose.visit(self.who.id.expose(), self.who.visit.start_minute);
        RowSubject {
            site: self.rules.site.clone(),
            day: self.time.local.day,
            window_end: self.time.window_end,
            visitor,
            network: 0,
            confirmed: false,
            new_week: self.who.first_visit.new_week,
            new_month: self.who.first_visit.new_month,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use super::super::cookie::{Browser, Cookie, advance};
    use super::super::erasure::{RowsOf, all, pseudonyms};
    use super::super::pairs::Pair;
    use super::super::pseudonymous::{EventKind, Pseudonym};
    use super::super::tests::site_and_sender;
    use super::super::{SiteRules, pseudonymise};
    use super::*;
    use crate::event::{Automation, EnrichedBeacon, EnrichedDevice, EnrichedEvent, Entry, Sender, Sign, Trait};
    use crate::items::Items;
    use crate::secret::{Personal, Secret};
    use crate::window::Schedule;

    /// What a window or an hour shows: confirmed visitors, and visits that began.
    type Shown = BTreeMap<u16, (BTreeSet<[u8; 16]>, BTreeSet<[u8; 16]>)>;

    /// A visitor's day: beacons with so many minutes before each and so many views in it, in one site with this window.
    struct Day {
        rules: SiteRules,
        sender: Sender,
        key: super::super::DayKey,
        kept: Vec<(u16, PseudonymousBeacon)>,
        /// Whose they are.
        identities: Vec<[u8; 16]>,
    }

    impl Day {
        fn new(window_minutes: u16) -> Self {
            let (mut rules, sender) = site_and_sender("198.18.7.9");
            let all: Vec<String> = Items::KEYS.iter().map(|key| (*key).to_owned()).collect();
            rules.items = Items::of(None, Some(&all)).expect("known");
            rules.pairs = [("country", "channel"), ("device", "duration"), ("pages", "os")]
                .iter()
                .filter_map(|(first, second)| Pair::new(first, second))
                .collect();
            rules.schedule = Schedule::new("Asia/Almaty", window_minutes.into()).expect("known");
            Self {
                rules,
                sender,
                key: super::super::DayKey::new(Secret::new([4; 32])),
                kept: Vec::new(),
                identities: Vec::new(),
            }
        }

        fn visitor(&mut self, number: u8, beacons: &[(u16, u8)]) {
            // Midnight in Almaty.
            let mut at: Timestamp = "2026-11-21T19:00:00Z".parse().expect("a time");
            let mut cookie: Option<Cookie> = None;
            for (pause, views) in beacons {
                at += SignedDuration::from_mins((*pause).into());
                let time = self.rules.time(at);
                let known = |cookie| Browser::known(cookie, &self.key, time.local.day);
                let browser = cookie.map_or(Browser::new([number; 16]), known);
                let (who, mut next) = advance(browser, time.local, *views);
                let view = || EnrichedEvent::View {
                    path: Personal::new("/".to_owned()),
                    previous_path: None,
                    entry: Entry::default(),
                };
                let mut events: Vec<_> = (0..*views).map(|_| view()).collect();
                events.push(EnrichedEvent::Engage { engaged_ms: 9 });
                events.push(EnrichedEvent::Search { query: Personal::new("чай".to_owned()) });
                events.push(EnrichedEvent::Error { message: Personal::new("x is null".to_owned()) });
                let beacon = EnrichedBeacon {
                    view: Personal::new([number; 16]),
                    seq: 0,
                    events,
                    place: Place { country: "KZ".into(), region: "Almaty".into(), provider: "Kcell".into() },
                    client: Client::PHONE,
                    automation: Automation::None,
                    device: Some(EnrichedDevice {
                        traits: vec![
                            Trait { item: "cpu", entry: None, value: "arm 64" },
                            Trait { item: "languages", entry: Some(1), value: "kk" },
                            Trait { item: "languages", entry: Some(2), value: "ru" },
                        ],
                        signs: vec![Sign { item: "canvas", entry: None, state: "noised", digest: None }],
                        ..EnrichedDevice::default()
                    }),
                };
                self.identities.push(*who.id.expose());
                let kept = pseudonymise(beacon, &self.sender, &self.rules, &self.key, time, &who);
                if who.confirmed {
                    next.mark_counted();
                }
                cookie = Some(next);
                self.kept.push((time.local.minute, kept));
            }
        }

        /// What the events show by stretches of so many minutes.
        fn by_events(&self, minutes: u16) -> Shown {
            let mut shown = Shown::new();
            for (minute, kept) in &self.kept {
                let (visitors, visits) = shown.entry(minute / minutes).or_default();
                for event in &kept.events {
                    if event.confirmed {
                        visitors.insert(*event.visitor.bytes());
                    }
                    if matches!(event.kind, EventKind::View { .. }) && event.step == 1 {
                        visits.insert(*event.visit.bytes());
                    }
                }
            }
            shown
        }

        /// What the rows of an attribute show.
        fn by_rows(&self, attribute: &str, minutes: u16) -> Shown {
            let mut shown = Shown::new();
            for (minute, kept) in &self.kept {
                let (visitors, visits) = shown.entry(minute / minutes).or_default();
                for row in kept.attributes.iter().filter(|row| row.attribute == attribute) {
                    if row.subject.confirmed {
                        visitors.insert(*row.subject.visitor.bytes());
                    }
                    if row.step == BEGINS {
                        visits.insert(*row.subject.visitor.bytes());
                    }
                }
            }
            shown
        }
    }

    fn numbers(shown: &Shown) -> Vec<(u16, usize, usize)> {
        shown.iter().map(|(at, (visitors, visits))| (*at, visitors.len(), visits.len())).collect()
    }

    proptest! {
        #[test]
        fn the_rows_count_what_the_events_would(
            days in prop::collection::vec(prop::collection::vec((0..50_u16, 0..3_u8), 1..25), 1..6),
            window in prop::sample::select(vec![60_u16, 360, 1440]),
        ) {
            let mut day = Day::new(window);
            for (number, beacons) in (0..).zip(&days) {
                // The visitor comes with a view.
                let first = (beacons[0].0, beacons[0].1.max(1));
                day.visitor(number, &[&[first], &beacons[1..]].concat());
            }
            for attribute in ["place", "client", "device"] {
                prop_assert_eq!(numbers(&day.by_rows(attribute, window)), numbers(&day.by_events(window)), "{}", attribute);
            }
            let visits = |shown: Shown| shown.into_iter().map(|(hour, (_, visits))| (hour, visits.len())).collect::<Vec<_>>();
            prop_assert_eq!(visits(day.by_rows("hour", 60)), visits(day.by_events(60)));
            let mut by_hour: BTreeMap<String, (u32, u32)> = BTreeMap::new();
            for (minute, kept) in &day.kept {
                let views = kept.events.iter().filter(|event| matches!(event.kind, EventKind::View { .. })).count();
                by_hour.entry(format!("views:{:02}", minute / 60)).or_default().0 += views as u32;
                if let Some(tally) = &kept.views {
                    by_hour.entry(tally.reason.to_string()).or_default().1 += tally.count;
                }
            }
            prop_assert!(by_hour.values().all(|(of_events, of_tallies)| of_events == of_tallies), "{:?}", by_hour);
        }
    }

    #[test]
    fn a_busy_visitor_has_as_few_rows_as_any_and_no_pseudonym_of_two_key_domains() {
        let mut day = Day::new(24 * 60);
        // Forty views in five visits.
        let beacons: Vec<(u16, u8)> = (0..40).map(|view| (if view % 8 == 0 { 60 } else { 1 }, 1)).collect();
        day.visitor(1, &beacons);
        let mut rows: BTreeMap<(&str, [u8; 16]), usize> = BTreeMap::new();
        let mut pseudonyms: BTreeMap<[u8; 16], BTreeSet<&str>> = BTreeMap::new();
        let mut of_domain = |domain, pseudonym: &Pseudonym| {
            *rows.entry((domain, *pseudonym.bytes())).or_default() += 1;
            pseudonyms.entry(*pseudonym.bytes()).or_default().insert(domain);
        };
        for (_, kept) in &day.kept {
            kept.attributes.iter().for_each(|row| of_domain(row.attribute, &row.subject.visitor));
            kept.events.iter().for_each(|event| of_domain("events", &event.visitor));
        }
        assert!(pseudonyms.values().all(|domains| domains.len() == 1));
        let most = |domain| rows.iter().filter(|((of, _), _)| *of == domain).map(|(_, rows)| *rows).max();
        assert_eq!(["place", "client", "device", "provider"].map(most), [Some(2); 4]);
        assert!(most("hour") <= Some(2 * 5) && most("events") == Some(80));
    }

    proptest! {
        #[test]
        fn every_row_of_a_visitor_is_found_by_its_cookie(
            beacons in prop::collection::vec((0..50_u16, 0..3_u8), 1..40),
            window in prop::sample::select(vec![60_u16, 360, 1440]),
        ) {
            let mut day = Day::new(window);
            day.visitor(1, &beacons);
            let id = Personal::new(day.identities[0]);
            let of = |of: RowsOf<'_>, values: &[&str]| pseudonyms(&day.key, &id, of, values);
            for (_, kept) in &day.kept {
                let rows = kept.events.iter().map(|row| (RowsOf::Events, "", row.visitor));
                let rows = rows.chain(kept.failures.iter().map(|row| (RowsOf::Errors, "", row.subject.visitor)));
                let attributes = kept.attributes.iter();
                let rows = rows.chain(attributes.map(|row| (RowsOf::Attribute(row.attribute), &*row.value, row.subject.visitor)));
                let signals = kept.signals.iter();
                for (domain, value, pseudonym) in
                    rows.chain(signals.map(|row| (RowsOf::Signal(row.signal), row.state, row.subject.visitor)))
                {
                    prop_assert!(of(domain, &[value]).iter().any(|known| known.bytes() == pseudonym.bytes()));
                }
            }
            let every = all(&day.key, &id, &day.rules.pairs, |_| vec!["kk", "ru"]);
            for (_, kept) in &day.kept {
                let attributes = kept.attributes.iter().map(|row| (RowsOf::Attribute(row.attribute), row.subject.visitor));
                let signals = kept.signals.iter().map(|row| (RowsOf::Signal(row.signal), row.subject.visitor));
                for (domain, pseudonym) in attributes.chain(signals) {
                    let known = every.iter().find(|(of, _)| *of == domain).map(|(_, known)| known);
                    prop_assert!(known.is_some_and(|known| known.iter().any(|known| known.bytes() == pseudonym.bytes())));
                }
            }
            let stranger = pseudonyms(&day.key, &Personal::new([9; 16]), RowsOf::Attribute("place"), ["KZ"]);
            prop_assert!(of(RowsOf::Attribute("place"), &["KZ"]).iter().all(|known| !stranger.iter().any(|other| other.bytes() == known.bytes())));
        }

        #[test]
        fn of_a_pair_the_last_row_of_a_visit_says_what_the_events_say(
            beacons in prop::collection::vec((0..50_u16, 0..3_u8), 1..40),
        ) {
            let mut day = Day::new(24 * 60);
            day.visitor(1, &beacons);
            // By visit, in the order in which they began: duration and views.
            let mut of_events: BTreeMap<[u8; 16], (bool, u16, u32)> = BTreeMap::new();
            let mut of_rows: BTreeMap<(&str, u16), String> = BTreeMap::new();
            for (_, kept) in &day.kept {
                for event in &kept.events {
                    let visit = of_events.entry(*event.visit.bytes()).or_default();
                    visit.1 = visit.1.max(event.duration_s);
                    if matches!(event.kind, EventKind::View { .. }) {
                        visit.0 |= event.step == 1;
                        visit.2 += 1;
                    }
                }
                for row in kept.attributes.iter().filter(|row| row.attribute.starts_with("pair ") && row.step > 0) {
                    let value = if row.attribute == "pair device duration" { &row.detail } else { &row.value };
                    of_rows.insert((row.attribute, row.visit_tag), value.to_string());
                }
            }
            let sorted = |mut values: Vec<String>| { values.sort(); values };
            let shown = |name| sorted(of_rows.iter().filter(|((of, _), _)| *of == name).map(|(_, value)| value.clone()).collect());
            let visits = || of_events.values().filter(|visit| visit.0);
            prop_assert_eq!(shown("pair device duration"), sorted(visits().map(|visit| visit.1.to_string()).collect()));
            let bucket = |views: u32| match views { 0..=5 => views.to_string(), 6..=10 => "6-10".into(), 11..=20 => "11-20".into(), _ => "21+".into() };
            prop_assert_eq!(shown("pair pages os"), sorted(visits().map(|visit| bucket(visit.2)).collect()));
            prop_assert_eq!(shown("pair country channel").len(), visits().count());
        }
    }
}
