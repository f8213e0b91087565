//! The month of the preview is the one that would be published.

use super::super::crowd::{FIRST_OF_MONTH, FIRST_OF_WEEK};
use super::super::preview::{describe, of_yesterday};
use super::*;

/// A quarter of all views is of a page that nine come to each day, so that no day names it.
#[tokio::test]
async fn a_month_of_the_preview_has_the_names_and_the_shares_of_the_month_that_is_published() {
    let (store, clock, _) = ready(4_000);
    let (first, next) = (START + 6 * DAY_S, START + 37 * DAY_S);
    lease(&store, next);
    let few: Vec<u16> = (0..9).map(|class| class | FIRST_OF_WEEK | FIRST_OF_MONTH).collect();
    let page = |path: &str, crowd: Value, amounts: [u64; 5]| json!({ "source": 0, "dimensions": ["/", path], "crowd": crowd, "amounts": amounts, "cut": 0 });
    let pages = vec![page("/", crowd(300), [3_000; 5]), page("/few", json!(few), [9, 1_000, 0, 0, 0])];
    let fill = |store: &MemoryStore| {
        store.state().answers.insert("cells".to_owned(), pages.clone());
        store.state().answers.insert(EARLIEST.to_owned(), vec![json!({ "end": first + DAY_S, "count": 1 })]);
    };
    fill(&store);
    clock.advance_to(moment(next));
    let site = PublishedSite { goals: [("order".to_owned(), "paid".to_owned())].into(), ..site() };
    let choices = of_yesterday(&store, &site, clock.now()).await.expect("previews");
    assert!(store.state().done.is_empty() && store.state().tables.is_empty(), "it writes nothing");
    let day = choices.iter().find(|choice| choice.name == "24h").expect("a choice");
    let month = day.month.as_ref().expect("a site with a cookie has weeks and months");
    assert!(choices.iter().all(|choice| choice.month.is_some() == (choice.name == "24h")));
    let of_month = &month.levels[1];
    assert_eq!((day.levels[1].names["pages"].len(), of_month.names["pages"].len()), (1, 2));
    assert_eq!((day.levels[1].windows, of_month.windows), ((1, 1), (31, 31)));

    let (store, clock, folder) = ready(4_000);
    fill(&store);
    let mut publishing = publisher(&store, &clock, folder.path());
    // Day by day: of a day that is over for more than a week the vault has nothing.
    for days in 1..=31 {
        lease(&store, first + days * DAY_S);
        clock.advance_to(moment(first + days * DAY_S));
        publishing.pass().await;
    }
    let state = store.state();
    assert_eq!(state.tables["publications"].len(), 31);
    let views = |of: &dyn Fn(&Value) -> bool| -> f64 {
        state.tables["pages"].iter().filter(|row| of(row)).map(|row| column(row, "views") as f64).sum()
    };
    let share = 100.0 * views(&|row| row["path"] != "(other)") / views(&|_| true);
    let foreseen = of_month.percent("pages", "views").expect("it has a total") as f64;
    assert!((share.min(100.0) - foreseen).abs() < 3.0 && foreseen > 97.0, "{share} and {foreseen}");
    assert!(day.levels[1].percent("pages", "views").expect("it has a total").abs_diff(75) < 5, "{:?}", day.levels[1]);
    // Two names of 31 windows, of one also three weeks: 9 times 2 by the root of 31 to 41, of 62,000 views a month.
    let text = describe("a.kz", &choices);
    let (_, of_month) = text.split_once("a month of 31 such days").expect("a block");
    for number in ["pages.views", "pages.last_pages", "site.bounces", "site.goal order", "places.visits"] {
        assert!(of_month.lines().any(|line| line.trim_start().starts_with(number)), "{number}: {text}");
    }
    let line = of_month.lines().find(|line| line.contains("pages.views")).expect("a line");
    let standard: Vec<_> = line.split_whitespace().skip(6).take(5).collect();
    assert!(standard[2] == "2" && standard[3..] == ["0.2", "%"], "{line}");
}
