//! Are the days before yesterday there, as if the shop had been open all the time?

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use super::{DAYS, SITE};
use crate::support::product::Product;

/// Each day once, in order, complete, of about the same size; some of the visitors came back; and a week has names of its own.
pub(super) async fn is_published_day_by_day(demo: &Product, yesterday: Date) {
    let sql = "SELECT toString(p.day) AS day, complete, late, views, visits, new_day, new_ever FROM publications AS p
        JOIN site USING (site, window_start) ORDER BY day";
    let rows: Vec<Value> = demo.stats(sql).await.unwrap();
    let first = yesterday.checked_sub(jiff::Span::new().days(DAYS - 2)).unwrap();
    let days: Vec<String> =
        first.series(jiff::Span::new().days(1)).take(DAYS as usize - 1).map(|day| day.to_string()).collect();
    assert_eq!(rows.iter().map(|row| row["day"].as_str().unwrap()).collect::<Vec<_>>(), days);
    let last = rows.last().unwrap();
    for row in &rows {
        assert!(row["complete"] == true && row["late"] == 0, "{row}");
        for column in ["views", "visits", "new_day"] {
            let share = row[column].as_f64().unwrap() / last[column].as_f64().unwrap();
            assert!((0.5..1.5).contains(&share), "{column}: {row} beside {last}");
        }
    }
    let new = |row: &Value| row["new_ever"].as_f64().unwrap() / row["new_day"].as_f64().unwrap();
    // Noise of first visits is four times as wide as that of others: six of a hundred.
    assert!(new(&rows[0]) > 0.75, "nobody was here before the shop opened: {}", rows[0]);
    let later: f64 = rows[1..].iter().map(new).sum::<f64>() / (rows.len() - 1) as f64;
    assert!((0.65..0.92).contains(&later), "of all, {later} are new");

    let sql = "SELECT cohort, toInt32(sum(visitors)) AS visitors FROM retention GROUP BY cohort";
    let cohorts: Vec<Value> = demo.stats(sql).await.unwrap();
    let cohorts: BTreeMap<_, _> =
        cohorts.iter().map(|row| (row["cohort"].as_str().unwrap(), row["visitors"].as_i64().unwrap())).collect();
    assert!(cohorts["0"] > cohorts["1"] && cohorts["1"] > 0, "{cohorts:?}");

    let of_a_week = "SELECT site, toString(path) AS path FROM pages WHERE carried_to > day AND path != '(other)'";
    let weeks: Vec<Value> = demo.stats(of_a_week).await.unwrap();
    assert!(!weeks.is_empty() && weeks.iter().all(|row| row["site"] == SITE), "{weeks:?}");
    // Their rows are deleted as always: a day after they were published.
    let oldest: Vec<Value> = demo.vault("SELECT toString(min(day)) AS day FROM events").await.unwrap();
    let kept = yesterday.yesterday().unwrap().to_string();
    assert!(oldest[0]["day"].as_str().unwrap() >= kept.as_str(), "{oldest:?}");
}
