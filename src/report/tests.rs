//! Tests of periods, of what stands out, and of how it is shown.

use super::*;

fn row(kind: &str, name: &str, [now, before]: [i64; 2], [now_days, before_days]: [u64; 2]) -> Compared {
    let noise = |days: u64| 9.0 * (days as f64).sqrt();
    Compared {
        kind: kind.to_owned(),
        name: name.to_owned(),
        now,
        before,
        now_days,
        before_days,
        now_noise: noise(now_days),
        before_noise: noise(before_days),
        usual: 1.0,
    }
}

#[test]
fn weeks_are_iso_weeks_over_the_end_of_a_year() {
    let of = |text| Period::week(text).map(|period| (period.bounds(), period.before[0]));
    let day = |text: &str| text.parse::<Date>().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(of("2026-W01"), Some(((day("2025-12-29"), day("2026-01-04")), day("2025-12-22"))));
    assert_eq!(of("2026-W53"), Some(((day("2026-12-28"), day("2027-01-03")), day("2026-12-21"))));
    for wrong in ["2025-W53", "2026-W00", "2026-W", "W10", "2026-48", ""] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
    assert_eq!(Some(Period::last_week(day("2027-01-04"))), Period::week("2026-W53"));
    assert_eq!(Some(Period::last_week(day("2027-01-03"))), Period::week("2026-W52"));
    let yesterday = Period::yesterday(day("2026-03-01"));
    assert_eq!((yesterday.now, yesterday.before[3]), (vec![day("2026-02-28")], day("2026-01-31")));
}

#[test]
fn what_noise_and_chance_explain_does_not_stand_out() {
    let period = Period::week("2026-W48").unwrap_or_else(|| panic!("a week"));
    let stands_out = |now, before, days| row("page", "/", [now, before], days).stands_out(&period);
    assert!(!stands_out(150, 100, [7, 7]), "2.1 standard deviations");
    assert!(stands_out(500, 200, [7, 7]));
    assert!(!stands_out(105_000, 100_000, [7, 7]), "12 standard deviations and 5 percent");
    assert!(stands_out(65_000, 100_000, [7, 7]));
    assert!(!stands_out(300, 100, [3, 7]), "published on three days of seven: compared with none");
    assert!(!stands_out(0, 100, [0, 1]));
    assert!(!stands_out(-20, 0, [7, 7]), "less than nothing is noise");
}

#[test]
fn a_report_says_what_stands_out_first_and_escapes_names() {
    let period = Period::week("2026-W48").unwrap_or_else(|| panic!("a week"));
    let rows = vec![
        row("total", "visits", [6_000, 7_000], [6, 7]),
        row("page", "/<b>", [500, 200], [7, 7]),
        row("page", "/new", [500, 0], [7, 0]),
    ];
    let report = Report::of("shop.kz", period, rows);
    assert!(report.is_unusual());
    assert_eq!(report.unusual[0].name, "/<b>");
    let (text, html) = (text(&report, Words::of("en")), html(&report, Words::of("en")));
    assert!(
        text.starts_with("shop.kz: 2026-11-23 to 2026-11-29\n") && text.contains("Only 6 of 7 days are published.")
    );
    assert!(text.contains("* page /<b>: 71 views a day, 29 before (+150 %)"), "{text}");
    assert!(text.contains("new  /new"), "{text}");
    assert!(html.contains("page /&lt;b&gt;: 71") && !html.contains("<b>:"), "{html}");
}

#[test]
fn a_name_that_changes_as_all_visits_do_does_not_stand_out() {
    let period = Period::week("2026-W48").unwrap_or_else(|| panic!("a week"));
    let rows = vec![
        row("total", "visits", [6_000, 12_000], [7, 7]),
        row("page", "/", [3_000, 6_000], [7, 7]),
        row("error", "TypeError", [5_000, 5_000], [7, 7]),
    ];
    let unusual: Vec<_> = Report::of("shop.kz", period, rows).unusual.into_iter().map(|one| one.name).collect();
    assert_eq!(unusual, ["visits", "TypeError"]);
}

#[test]
fn thousands_stand_apart_and_of_days_without_numbers_nothing_is_said() {
    let period = Period::week("2026-W48").unwrap_or_else(|| panic!("a week"));
    let rows = vec![row("total", "visits", [1_234_567, 900_000], [7, 7]), row("page", "/few", [-1_020, 900], [7, 7])];
    let report = Report::of("shop.kz", period.clone(), rows);
    let (english, kazakh) = (text(&report, Words::of("en")), html(&report, Words::of("kk")));
    assert!(english.contains("  1,234,567 ") && english.contains(" −1,020 "), "{english}");
    assert!(english.contains("* 176,367 visits a day, 128,571 before (+37 %)"), "{english}");
    assert!(kazakh.contains("<td>1\u{a0}234\u{a0}567</td>"), "{kazakh}");
    assert!(kazakh.contains("<tr class=\"out\"><td>сапар</td>"), "{kazakh}");
    let small =
        html(&Report::of("shop.kz", period.clone(), vec![row("goal", "paid", [60, 40], [7, 7])]), Words::of("en"));
    assert!(small.contains("<tr class=\"noise\"><td>paid</td><td>60</td><td>+50 %</td>"), "{small}");
    let long =
        html(&Report::of("shop.kz", period.clone(), vec![row("page", "/a/b_c", [60, 40], [7, 7])]), Words::of("en"));
    assert!(long.contains("<td>/a/<wbr>b_<wbr>c</td>"), "{long}");
    let nothing = text(&Report::of("shop.kz", period, vec![]), Words::of("en"));
    assert!(nothing.contains("Only 0 of 7 days") && !nothing.contains("Nothing stands out"), "{nothing}");
}

#[test]
fn a_report_speaks_one_language() {
    let period = Period::week("2026-W48").unwrap_or_else(|| panic!("a week"));
    let rows = || vec![row("total", "visits", [6_000, 7_000], [6, 7]), row("page", "/{now}", [500, 200], [7, 7])];
    let shown = |code| {
        let report = Report::of("shop.kz", period.clone(), rows());
        (text(&report, Words::of(code)), html(&report, Words::of(code)))
    };
    let (text, html) = shown("ru");
    assert!(text.contains("* страница /{now}: просмотры — 71 в день, раньше 29 (+150 %)\n"), "{text}");
    assert!(text.contains("Опубликовано дней: 6 из 7.") && text.contains("  визиты\n"), "{text}");
    assert!(html.contains("<html lang=\"ru\">"), "{html}");
    let english =
        |text: &str| text.replace("shop.kz", "").replace("{now}", "").contains(|one: char| one.is_ascii_alphabetic());
    for code in ["ru", "kk"] {
        let (text, _) = shown(code);
        assert!(!english(&text), "{text}");
    }
    assert!(shown("kk").0.contains("күніне 71, бұрын 29"));
}
