//! Is a visitor counted once? Forged cookies are tried, and a year of browsers is simulated, with several tabs, retries and
//! lost answers. The counts from first-visit flags alone are compared with the truth.
//!
//! `TAMGA_LONG_TESTS=1` runs both at full size: 10,000,000 forgeries, and 10,000 browsers for a year. What the world does not
//! have: browsers that drop their cookies, and a brand-new browser with two tabs of which one is answered, speaks again
//! and only then sees the other's answer arrive.

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::{Date, date};
use jiff::{Span, ToSpan as _};
use tamga::privacy::cookie::{Browser, LocalTime, advance};
use tamga::privacy::pseudonym::DayKey;
use tamga::privacy::seal::CookieSeal;
use tamga::secret::Secret;

const SITE: &str = "jetpay.kz";

fn is_long() -> bool {
    std::env::var_os("TAMGA_LONG_TESTS").is_some()
}

/// Numbers that are random enough, and the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// In so many of a thousand cases.
    fn permille(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    fn view(&mut self) -> [u8; 16] {
        let mut view = [0; 16];
        view[..8].copy_from_slice(&self.next().to_le_bytes());
        view[8..].copy_from_slice(&self.next().to_le_bytes());
        view
    }
}

#[test]
fn no_forged_cookie_is_accepted() {
    let forgeries = if is_long() { 10_000_000 } else { 100_000 };
    let today = date(2026, 11, 22);
    let (seal, other) = (CookieSeal::new(&Secret::new([1; 32])), CookieSeal::new(&Secret::new([2; 32])));
    let mut random = Random(1);
    let fresh = |seal: &CookieSeal, site: &str, id: [u8; 16], day: Date| {
        let (_, cookie) = advance(Browser::new(id), LocalTime { day, minute: 600 }, 1);
        seal.seal(site, &cookie)
    };
    let honest: Vec<String> = (0..64).map(|_| fresh(&seal, SITE, random.view(), today)).collect();
    assert!(honest.iter().all(|value| seal.open(SITE, value, today).is_some()));
    let bytes: Vec<Vec<u8>> = honest.iter().map(|value| URL_SAFE_NO_PAD.decode(value).unwrap()).collect();
    let mut accepted = 0;
    for number in 0..forgeries {
        let mut forged = bytes[random.below(64) as usize].clone();
        let value = match number % 8 {
            // Nothing but noise, of the right length and form.
            0 => {
                forged.iter_mut().for_each(|byte| *byte = random.next() as u8);
                URL_SAFE_NO_PAD.encode(forged)
            }
            // Another identity, day, marks or expiry under an honest seal.
            1 => {
                let at = 12 + random.below(29) as usize;
                forged[at] ^= 1 << random.below(8);
                URL_SAFE_NO_PAD.encode(forged)
            }
            // One bit anywhere.
            2 => {
                let bit = random.below(57 * 8) as usize;
                forged[bit / 8] ^= 1 << (bit % 8);
                URL_SAFE_NO_PAD.encode(forged)
            }
            // The seal of one cookie on the content of another.
            3 => {
                let from = &bytes[random.below(64) as usize];
                if from == &forged {
                    continue;
                }
                forged[41..].copy_from_slice(&from[41..]);
                URL_SAFE_NO_PAD.encode(forged)
            }
            // A guessed seal.
            4 => {
                forged[41..].copy_from_slice(&random.view());
                URL_SAFE_NO_PAD.encode(forged)
            }
            // Cut, or with more behind it.
            5 => {
                let length = random.below(76) as usize;
                let whole = URL_SAFE_NO_PAD.encode(forged);
                if number % 2 == 0 { whole[..length].to_owned() } else { whole + &"A".repeat(1 + length) }
            }
            // Sealed by another installation, or for another site.
            6 => fresh(&other, SITE, random.view(), today),
            _ => fresh(&seal, "jetpay.kg", random.view(), today),
        };
        accepted += u32::from(seal.open(SITE, &value, today).is_some());
    }
    println!("forged cookies accepted: {accepted} of {forgeries}");
    assert_eq!(accepted, 0);
}

/// What a period's visitors are, counted from rows and known in truth.
#[derive(Default)]
struct Periods {
    days: BTreeMap<Date, [HashSet<Id>; 2]>,
    weeks: BTreeMap<Date, [HashSet<Id>; 2]>,
    months: BTreeMap<Date, [HashSet<Id>; 2]>,
    ever: [HashSet<Id>; 2],
    beacons: u64,
    lost: u64,
}

/// A pseudonym that was counted, or a browser in truth.
type Id = [u8; 16];

struct World {
    seal: CookieSeal,
    random: Random,
    lost_permille: u64,
    out: Periods,
}

impl World {
    /// One beacon to the collector, with the cookie as it is in the jar; the answer's cookie if it arrives.
    fn beacon(
        &mut self,
        browser: u64,
        jar: Option<&str>,
        key: &DayKey,
        now: LocalTime,
        view: &[u8; 16],
    ) -> Option<String> {
        let presented = jar.and_then(|value| self.seal.open(SITE, value, now.day));
        // The collector remembers a random identity for the retries of a view.
        let sender = presented.map_or(Browser::new(*view), |cookie| Browser::known(cookie, key, now.day));
        let (who, mut next) = advance(sender, now, 1);
        self.out.beacons += 1;
        if who.confirmed {
            next.mark_counted();
            let mut truth = [0; 16];
            truth[..8].copy_from_slice(&browser.to_le_bytes());
            let week = now.day.checked_sub(Span::new().days(now.day.weekday().to_monday_zero_offset())).unwrap();
            let periods = [
                (self.out.days.entry(now.day).or_default(), who.first_visit.new_day),
                (self.out.weeks.entry(week).or_default(), who.first_visit.new_week),
                (self.out.months.entry(now.day.first_of_month()).or_default(), who.first_visit.new_month),
                (&mut self.out.ever, who.first_visit.new_ever),
            ];
            for ([counted, true_ones], marked) in periods {
                if marked {
                    counted.insert(*who.id.expose());
                }
                true_ones.insert(truth);
            }
        }
        if self.random.permille(self.lost_permille) {
            self.out.lost += 1;
            return None;
        }
        Some(self.seal.seal(SITE, &next))
    }

    /// A visit: some pages, some of them in two tabs at once, some beacons sent twice.
    fn visit(&mut self, browser: u64, jar: &mut Option<String>, key: &DayKey, day: Date, minute: u16) {
        for page in 0..1 + self.random.below(5) as u16 {
            let now = LocalTime { day, minute: (minute + page).min(1439) };
            let tabs = if self.random.permille(150) { 2 } else { 1 };
            // Both are under way before either is answered.
            let shown = jar.clone();
            let views: Vec<[u8; 16]> = (0..tabs).map(|_| self.random.view()).collect();
            let mut answers: Vec<_> =
                views.iter().map(|view| self.beacon(browser, shown.as_deref(), key, now, view)).collect();
            if self.random.permille(500) {
                answers.reverse();
            }
            for (view, answer) in views.iter().zip(answers) {
                match answer {
                    Some(cookie) => *jar = Some(cookie),
                    // A lost answer is asked for again by some, and a few ask twice without need.
                    None if self.random.permille(500) => {
                        let shown = jar.clone();
                        if let Some(cookie) = self.beacon(browser, shown.as_deref(), key, now, view) {
                            *jar = Some(cookie);
                        }
                    }
                    None => (),
                }
            }
            if self.random.permille(20) {
                let shown = jar.clone();
                if let Some(cookie) = self.beacon(browser, shown.as_deref(), key, now, &views[0]) {
                    *jar = Some(cookie);
                }
            }
        }
    }
}

fn simulate(lost_permille: u64) -> Periods {
    let (browsers, days) = if is_long() { (10_000, 365) } else { (300, 60) };
    let seal = CookieSeal::new(&Secret::new([1; 32]));
    let mut world = World { seal, random: Random(7), lost_permille, out: Periods::default() };
    let mut jars: HashMap<u64, Option<String>> = HashMap::new();
    let mut day = date(2026, 1, 1);
    for number in 0..days {
        let mut material = [0; 32];
        material[..4].copy_from_slice(&u32::to_le_bytes(number));
        let key = DayKey::new(Secret::new(material));
        for browser in 0..browsers {
            // Some come often, most now and then, and many a single time.
            let share = [4, 30, 120, 400][(browser % 4) as usize];
            if !world.random.permille(share) {
                continue;
            }
            let jar = jars.entry(browser).or_default();
            let mut jar = std::mem::take(jar);
            for turn in 0..1 + world.random.below(2) as u16 {
                let minute = 60 + turn * 600 + world.random.below(500) as u16;
                world.visit(browser, &mut jar, &key, day, minute);
            }
            jars.insert(browser, jar);
        }
        day = day.checked_add(1.day()).unwrap();
    }
    world.out
}

/// Periods, visitors counted in all of them, visitors in truth, and the sum of the differences.
fn compare(periods: &BTreeMap<Date, [HashSet<Id>; 2]>) -> (usize, usize, usize, usize) {
    let sum = |of: fn(&[HashSet<Id>; 2]) -> usize| periods.values().map(of).sum();
    (
        periods.len(),
        sum(|[counted, _]| counted.len()),
        sum(|[_, truth]| truth.len()),
        sum(|[counted, truth]| counted.len().abs_diff(truth.len())),
    )
}

#[test]
fn with_every_answer_delivered_all_periods_are_exact() {
    let out = simulate(0);
    for (name, periods) in [("days", &out.days), ("weeks", &out.weeks), ("months", &out.months)] {
        let (count, counted, truth, wrong) = compare(periods);
        println!("{count} {name}: {counted} counted, {truth} in truth, {wrong} wrong");
        assert!(counted > 0 && wrong == 0, "{name}");
    }
    assert_eq!(out.ever[0].len(), out.ever[1].len());
    println!("{} beacons, {} visitors ever", out.beacons, out.ever[0].len());
}

#[test]
fn lost_answers_leave_days_exact_and_longer_periods_within_their_share() {
    let out = simulate(10);
    let share = out.lost as f64 / out.beacons as f64;
    assert!((0.008..0.012).contains(&share), "{share}");
    for (name, periods, allowed) in
        [("days", &out.days, 0.0), ("weeks", &out.weeks, share), ("months", &out.months, share)]
    {
        let (count, counted, truth, wrong) = compare(periods);
        let error = wrong as f64 / truth as f64;
        println!("{count} {name}: {counted} counted, {truth} in truth, {:.3} % wrong", error * 100.0);
        assert!(truth > 0 && error <= allowed, "{name}: {error} is more than {allowed}");
    }
    println!("{} of {} answers lost", out.lost, out.beacons);
}
