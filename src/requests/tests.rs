//! Does the register keep its promises: no identity, no number twice, and no way that is longer than the policies allow?

use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const MONTHS: Deadline = Deadline::Months(6);
const KINDS: [Kind; 4] = [Kind::Access, Kind::Correction, Kind::Withdrawal, Kind::Complaint];
const OUTCOMES: [Outcome; 4] = [Outcome::Answered, Outcome::Done, Outcome::Refused, Outcome::Blocked];

fn add(register: &mut Register, kind: Kind, received: Date) -> Request {
    let deadline = if kind == Kind::Correction { Deadline::WorkingDays(7) } else { Deadline::Days(30) };
    register.add("jetpay.kz", kind, [received; 2], (deadline, &Calendar::default())).expect("added").clone()
}

fn close(register: &mut Register, number: u32, outcome: Outcome, today: Date) -> Result<Request, String> {
    register.close(number, outcome, today, (MONTHS, &Calendar::default())).cloned()
}

/// Every word and every number that the register can hold, apart from the site's name.
#[test]
fn a_register_holds_numbers_dates_and_words_of_closed_lists_alone() {
    let mut register = Register::default();
    for kind in KINDS {
        for outcome in OUTCOMES {
            let request = add(&mut register, kind, date(2026, 11, 29));
            let _ = close(&mut register, request.number, outcome, date(2026, 12, 1));
            if outcome == Outcome::Blocked {
                let _ = close(&mut register, request.number, Outcome::Done, date(2026, 12, 2));
            }
        }
    }
    let text = serde_json::to_string(&register).expect("JSON");
    const WORDS: &str = "last requests number site kind received half due blocked closed on outcome \
        access correction withdrawal complaint answered done refused jetpay.kz";
    let found = regex::Regex::new(r#""([^"]*)""#).expect("a pattern");
    let is_date = |word: &str| word.parse::<Date>().is_ok();
    for word in found.captures_iter(&text).map(|word| word[1].to_owned()) {
        assert!(is_date(&word) || WORDS.split_whitespace().any(|known| known == word), "{word:?} in {text}");
    }
    assert_eq!(serde_json::from_str::<Register>(&text).expect("read again"), register);
    // A name that somebody adds by hand is refused.
    for written in ["\"number\"", "\"outcome\"", "\"last\""] {
        let with_name = text.replacen(written, &format!("\"name\":\"A. Person\",{written}"), 1);
        let error = serde_json::from_str::<Register>(&with_name).expect_err(written).to_string();
        assert!(error.contains("unknown field `name`"), "{error}");
    }
    assert!(serde_json::from_str::<Register>(&text.replacen("2026-11-29", "A. Person", 1)).is_err());
}

#[test]
fn a_request_is_early_then_half_then_overdue_then_closed() {
    let mut register = Register::default();
    let request = add(&mut register, Kind::Access, date(2026, 11, 29));
    for (today, state) in [
        (date(2026, 11, 29), State::Early),
        (date(2026, 12, 13), State::Early),
        (date(2026, 12, 14), State::Half),
        (date(2026, 12, 29), State::Half),
        (date(2026, 12, 30), State::Overdue),
        (date(2028, 2, 29), State::Overdue),
    ] {
        assert_eq!(request.state(today), Some(state), "{today}");
    }
    let closed = close(&mut register, 1, Outcome::Answered, date(2026, 12, 29)).expect("closed");
    assert_eq!(closed.state(date(2028, 2, 29)), None);
    assert!(close(&mut register, 1, Outcome::Refused, date(2026, 12, 30)).expect_err("once").contains("2026-12-29"));
    assert!(close(&mut register, 2, Outcome::Refused, date(2026, 12, 30)).expect_err("none").contains("no request 2"));
}

#[test]
fn blocked_data_are_destroyed_within_six_months_of_the_request() {
    let mut register = Register::default();
    add(&mut register, Kind::Withdrawal, date(2026, 8, 31));
    let blocked = close(&mut register, 1, Outcome::Blocked, date(2026, 9, 30)).expect("blocked");
    assert_eq!((blocked.due.0, blocked.half.0), (date(2027, 2, 28), date(2026, 12, 14)));
    assert_eq!(blocked.state(date(2026, 10, 15)), Some(State::Early), "it stays open");
    let again = close(&mut register, 1, Outcome::Blocked, date(2027, 2, 1));
    assert!(again.expect_err("once").contains("since 2026-09-30"));
    assert_eq!(
        close(&mut register, 1, Outcome::Done, date(2027, 2, 1)).expect("done").closed.map(|c| c.outcome),
        Some(Outcome::Done)
    );
}

#[test]
fn closed_requests_leave_the_register_and_their_numbers_stay_used() {
    let mut register = Register::default();
    add(&mut register, Kind::Access, date(2024, 2, 29));
    add(&mut register, Kind::Access, date(2024, 2, 29));
    close(&mut register, 1, Outcome::Answered, date(2024, 2, 29)).expect("closed");
    assert_eq!(add(&mut register, Kind::Access, date(2027, 2, 27)).number, 3);
    assert_eq!(register.requests().len(), 3, "three years are not over");
    assert_eq!(add(&mut register, Kind::Access, date(2027, 2, 28)).number, 4);
    assert_eq!(register.requests().iter().map(|request| request.number).collect::<Vec<_>>(), [2, 3, 4]);
    let future =
        register.add("jetpay.kz", Kind::Access, [date(2027, 3, 1), date(2027, 2, 28)], (MONTHS, &Calendar::default()));
    assert!(future.expect_err("the future").contains("has not come yet"));
}

proptest! {
    /// However often and whenever somebody tries to close a request, its deadline comes within six months, and its outcome fits its kind.
    #[test]
    fn no_way_through_the_register_is_longer_than_six_months(
        kind in 0..4usize, begin in 0i32..20_000, tries in proptest::collection::vec((0..4usize, 0i32..400), 0..12),
    ) {
        let received = date(2020, 1, 1).saturating_add(Span::new().days(begin));
        let mut register = Register::default();
        let added = add(&mut register, KINDS[kind], received);
        let mut today = received;
        for (outcome, later) in tries {
            today = today.saturating_add(Span::new().days(later));
            let _ = close(&mut register, 1, OUTCOMES[outcome], today);
            let request = register.get(1).expect("kept").clone();
            prop_assert!(request.due.0 <= received.saturating_add(Span::new().months(6)));
            prop_assert!(request.half <= request.due && request.half >= added.received);
            if let Some(closed) = request.closed {
                prop_assert!(closed.outcome.fits(KINDS[kind]) && closed.outcome != Outcome::Blocked);
            }
        }
        let after = received.saturating_add(Span::new().months(6).days(1));
        let request = register.get(1).expect("kept");
        prop_assert_eq!(request.state(after), request.closed.is_none().then_some(State::Overdue));
    }
}
