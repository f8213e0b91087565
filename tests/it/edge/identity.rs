//! Who sent a beacon? One identity a day, the same for every retry, and another tomorrow.

use crate::support::collector::{AGENT, Edge, SITE, beacon_of, view_of};

#[tokio::test]
async fn a_view_is_accepted_and_its_row_says_what_the_policy_lists() {
    let edge = Edge::start().await;
    let body = beacon_of(
        1,
        0,
        r#"{"type":"view","at":0,"url":"https://jetpay.kz/pay/4711?utm_source=x#part","referrer":"https://www.google.kz/"},
           {"type":"engage","at":9,"engaged_ms":61000},{"type":"event","at":9,"name":"pay.started","variant":"b"},
           {"type":"exit","at":9,"url":"https://user@www.kaspi.kz/a?b"},{"type":"telepathy","at":0}"#,
    );
    let answer = edge.beacon(body).send().await;
    assert_eq!(answer.outcome(), "accepted");
    assert_eq!((answer.header("cache-control"), answer.body.len()), (Some("no-store"), 0));
    let set = answer.header("set-cookie").unwrap();
    let (name, attributes) = set.split_once(';').unwrap();
    assert!(name.starts_with("__Host-tamga-jetpay.kz="), "{name}");
    assert_eq!(attributes, " Max-Age=34128000; Path=/; HttpOnly; SameSite=Strict; Secure", "13 months, host only");

    let rows = edge.rows().await;
    let [view, engage, event, exit] = &rows.events[..] else { panic!("{rows:?}") };
    assert_eq!((view.site.as_str(), view.kind.as_str(), view.path.as_str()), (SITE, "view", "/pay/:order"));
    assert_eq!(view.window_end, 1_795_374_000, "midnight in Almaty");
    assert_eq!(view.entry[..2], ["campaign".to_owned(), "other".to_owned()]);
    assert_eq!((view.suspect.as_str(), view.confirmed, view.new_window), ("", false, true));
    assert_eq!((engage.engaged_s, event.name.as_str(), event.variant.as_str()), (60, "pay.started", "b"));
    assert_eq!(exit.exit_domain, "kaspi.kz");
    assert_eq!(rows.attributes[0].value, "Kazakhtelecom");
    assert_ne!(rows.attributes[0].visitor, view.visitor, "an attribute has a pseudonym of its own");
    // The frames of a commit are mixed.
    let mut of_visit: Vec<_> =
        rows.visits.iter().map(|row| [&row.attribute, &row.value, &row.detail].map(String::as_str)).collect();
    of_visit.sort_unstable();
    let expected =
        [["client", "Chrome", "150"], ["device", "phone", "Android"], ["hour", "11", ""], ["place", "KZ", "Almaty"]];
    assert_eq!(of_visit, expected);
    assert!(
        rows.visits.iter().all(|row| row.step == 1 && row.visitor != view.visitor && row.new_week && row.new_month)
    );
    assert_eq!(
        rows.views.iter().map(|tally| (tally.reason.as_str(), tally.count)).collect::<Vec<_>>(),
        [("views:11", 1)]
    );
    assert_eq!(edge.counts(), [5, 4, 1, 0]);
    assert_eq!(edge.rows_accepted(), rows.len() as u64);
}

#[tokio::test]
async fn the_cookie_that_comes_back_confirms_and_a_forged_one_counts_for_nothing() {
    let edge = Edge::start().await;
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    assert_eq!(edge.view(1, 1, Some(&cookie)).await.outcome(), "accepted");
    let others = format!("session=abc; {cookie}; tamga-jetpay.kz=AAAA");
    assert_eq!(edge.view(1, 2, Some(&others)).await.outcome(), "accepted");
    let mut forged = cookie.clone();
    forged.replace_range(forged.len() - 1.., if forged.ends_with('A') { "Q" } else { "A" });
    assert_eq!(edge.view(2, 0, Some(&forged)).await.outcome(), "accepted");

    let rows = edge.rows().await.events;
    let confirmed: Vec<_> = rows.iter().map(|row| row.confirmed).collect();
    assert_eq!(confirmed, [false, true, true, false]);
    assert!(rows[..3].iter().all(|row| row.visitor == rows[0].visitor && row.visit == rows[0].visit));
    assert_ne!(rows[3].visitor, rows[0].visitor);
    assert!(rows.iter().all(|row| row.first_visit == [true; 4] && row.visit_number == "1"));
    let steps: Vec<_> = rows.iter().map(|row| row.step).collect();
    assert_eq!(steps, [1, 2, 3, 1], "also where the newer cookie was not sent");
}

#[tokio::test]
async fn a_retry_has_the_identity_of_the_first_try() {
    let edge = Edge::start().await;
    edge.disk.fail();
    assert_eq!(edge.view(7, 0, None).await.status, 503);
    edge.disk.recover();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let first = edge.view(7, 0, None).await;
    assert_eq!(first.outcome(), "accepted");
    // The answer is lost: the browser has no cookie and sends the same beacon.
    let again = edge.view(7, 0, None).await;
    assert_eq!(again.outcome(), "dropped");
    assert_eq!(again.cookie(), first.cookie(), "the second answer brings what the first had brought");
    let next = edge.view(8, 0, again.cookie().as_deref()).await;
    assert_eq!(next.outcome(), "accepted");
    let rows = edge.rows().await.events;
    assert_eq!(rows.len(), 2);
    assert!(rows[0].visitor == rows[1].visitor && rows[1].confirmed && rows[1].step == 2);
    assert_eq!(edge.reason("dropped", "duplicate"), 1);
}

#[tokio::test]
async fn an_older_cookie_that_comes_last_loses_no_step_and_an_unchanged_one_is_not_sent() {
    let edge = Edge::start().await;
    let engage = |view, seq| edge.beacon(beacon_of(view, seq, r#"{"type":"engage","at":9,"engaged_ms":9000}"#));
    let first = edge.view(1, 0, None).await.cookie();
    // The page is left: its last beacon has the first cookie, and its answer comes after that of the next page.
    let second = edge.view(2, 0, first.as_deref()).await.cookie();
    let late = engage(1, 1).cookies(first.as_deref()).send().await.cookie();
    assert_eq!(late, second, "it is as new as the newest");
    // A browser that holds the older one after all, because of another node or a network that turned the answers around.
    edge.view(3, 0, first.as_deref()).await;
    let fourth = edge.view(4, 0, late.as_deref()).await.cookie();
    for seq in 1..4 {
        assert_eq!(engage(4, seq).cookies(fourth.as_deref()).send().await.cookie(), None, "nothing has changed");
    }
    edge.wait_minutes(1);
    assert!(engage(4, 4).cookies(fourth.as_deref()).send().await.cookie().is_some(), "the visit goes on");
    let rows = edge.rows().await.events;
    let views: Vec<_> = rows.iter().filter(|row| row.kind == "view").map(|row| row.step).collect();
    assert_eq!(views, [1, 2, 3, 4]);
    assert!(rows.iter().all(|row| row.visitor == rows[0].visitor && row.visit == rows[0].visit));
}

#[tokio::test]
async fn nobody_else_holds_the_identity_of_a_view_id() {
    const TRIES: u32 = 1_000;
    let edge = Edge::start().await;
    let first = edge.view(7, 0, None).await.cookie().unwrap();
    let mut taken = Vec::new();
    // The page chooses the view id, and gives it to others: with a network of their own, or with an agent of their own.
    for number in 1..=TRIES {
        let call = edge.beacon(view_of(7, number, "/"));
        let call = if number % 2 == 0 {
            call.header("X-Forwarded-For", &format!("198.18.{}.{}", 1 + number / 250, number % 250))
        } else {
            call.header("User-Agent", &format!("{AGENT} {number}"))
        };
        taken.push(call.send().await.cookie().unwrap());
    }
    let visitors: Vec<_> = edge.rows().await.events.iter().map(|row| row.visitor).collect();
    assert_eq!(visitors.iter().filter(|visitor| **visitor == visitors[0]).count(), 1, "an identity was given twice");
    // The answer to a duplicate has a cookie too, and so has a later day's visitor.
    taken.push(edge.beacon(view_of(7, 0, "/")).header("X-Forwarded-For", "198.19.1.1").send().await.cookie().unwrap());
    edge.wait_minutes(11);
    taken.push(edge.view(7, 0, None).await.cookie().unwrap());
    taken.push(edge.view(7, TRIES + 1, None).await.cookie().unwrap());
    edge.rows().await;
    for (number, cookie) in taken.iter().rev().take(20).enumerate() {
        edge.view(8, number as u32, Some(cookie)).await;
    }
    edge.view(9, 0, Some(&first)).await;
    let rows = edge.rows().await.events;
    assert!(rows.len() == 21 && rows.iter().all(|row| row.confirmed));
    let (own, others) = rows.split_last().unwrap();
    assert!(own.visitor == visitors[0] && others.iter().all(|row| row.visitor != visitors[0]));
}

#[tokio::test]
async fn beacons_of_one_view_without_a_cookie_have_one_identity() {
    let edge = Edge::start().await;
    let (view, engage) = (view_of(1, 0, "/"), beacon_of(1, 1, r#"{"type":"engage","at":9,"engaged_ms":9000}"#));
    let (view, engage) = (edge.beacon(view), edge.beacon(engage));
    let (view, engage) = tokio::join!(view.send(), engage.send());
    assert_eq!((view.outcome(), engage.outcome()), ("accepted", "accepted"));
    let rows = edge.rows().await.events;
    assert!(rows.len() == 2 && rows[0].visitor == rows[1].visitor);
}

#[tokio::test]
async fn midnight_at_the_site_changes_the_identity_and_the_marks_follow_the_calendar() {
    let edge = Edge::start().await;
    let sunday = edge.view(1, 0, None).await.cookie().unwrap();
    edge.wait_minutes(12 * 60 + 38); // 23:58:30
    let late = edge.view(2, 0, Some(&sunday)).await.cookie().unwrap();
    edge.wait_minutes(2); // Monday, 00:00:30
    let (one, two) = (edge.view(3, 0, Some(&late)).await, edge.view(4, 0, Some(&late)).await);
    let monday = one.cookie().unwrap();
    edge.view(5, 0, Some(&monday)).await;
    edge.wait_minutes(9 * 24 * 60); // Wednesday of the week after, in December
    edge.view(6, 0, two.cookie().as_deref()).await;

    let rows = edge.rows().await.events;
    assert_eq!(rows[0].visitor, rows[1].visitor);
    assert_eq!(
        (rows[0].visit_number.as_str(), rows[1].visit_number.as_str()),
        ("1", "2"),
        "a new visit after 12 hours"
    );
    assert_ne!(rows[1].visitor, rows[2].visitor, "a new day");
    assert_eq!(rows[2].day, rows[1].day + 1);
    assert_eq!(rows[2].visitor, rows[3].visitor, "parallel tabs agree");
    assert_eq!(rows[3].visitor, rows[4].visitor);
    assert_eq!(rows[2].visit_number, "3-5", "midnight ends a visit");
    let first_visit: Vec<_> = rows.iter().map(|row| row.first_visit).collect();
    assert_eq!(first_visit[2..5], [[true, true, false, false]; 3], "Monday is a new week of the same month");
    assert_eq!(first_visit[5], [true, true, true, false]);
    assert!(rows[1..].iter().all(|row| row.confirmed));
}

#[tokio::test]
async fn thirty_quiet_minutes_end_a_visit() {
    let edge = Edge::start().await;
    let mut cookie = edge.view(1, 0, None).await.cookie();
    for (view, minutes) in [(2, 30), (3, 29), (4, 31)] {
        edge.wait_minutes(minutes);
        cookie = edge.view(view, 0, cookie.as_deref()).await.cookie();
    }
    let rows = edge.rows().await.events;
    assert!(rows[0].visit == rows[1].visit && rows[1].visit == rows[2].visit && rows[2].visit != rows[3].visit);
    let shown: Vec<_> = rows.iter().map(|row| (row.step, row.duration_s, row.visit_number.as_str())).collect();
    assert_eq!(shown, [(1, 0, "1"), (2, 1800, "1"), (3, 1800, "1"), (1, 0, "2")]);
    assert!(rows.iter().all(|row| row.visitor == rows[0].visitor));
}

#[tokio::test]
async fn who_comes_back_from_the_bank_has_not_entered_there() {
    let edge = Edge::start().await;
    let mut cookie: Option<String> = None;
    for (view, minutes, referrer) in [
        (1, 0, "https://www.google.kz/"),
        (2, 5, "https://acs.bank.kz/3ds/step2"),  // In the middle of a payment.
        (3, 31, "https://acs.bank.kz/3ds/step2"), // It took so long that the visit had ended.
        (4, 31, "https://news.kz/"),
    ] {
        edge.wait_minutes(minutes);
        let seen = format!(r#"{{"type":"view","at":0,"url":"https://jetpay.kz/tariffs","referrer":"{referrer}"}}"#);
        cookie = edge.beacon(beacon_of(view, 0, &seen)).cookies(cookie.as_deref()).send().await.cookie();
    }
    let rows = edge.rows().await.events;
    let entries: Vec<_> = rows.iter().map(|row| (row.step, row.entry[0].as_str(), row.entry[1].as_str())).collect();
    assert_eq!(
        entries,
        [(1, "search", "google.kz"), (2, "", ""), (1, "direct", ""), (1, "referral", "news.kz")],
        "the bank is neither a source nor the beginning of a visit"
    );
}

#[tokio::test]
async fn a_beacon_is_known_by_site_view_and_number() {
    let edge = Edge::start().await;
    assert_eq!(edge.view(1, 0, None).await.outcome(), "accepted");
    assert_eq!(edge.view(1, 1, None).await.outcome(), "accepted");
    edge.wait_minutes(29);
    assert_eq!(edge.view(1, 0, None).await.outcome(), "dropped");
    assert_eq!(edge.view(1, 1, None).await.outcome(), "dropped");
    let elsewhere = view_of(1, 0, "/").replace("jetpay.kz", "aitu.kz");
    assert_eq!(edge.beacon(elsewhere).header("Origin", "https://aitu.kz").send().await.outcome(), "accepted");
    assert_eq!(edge.counts(), [5, 3, 2, 0]);
}

#[tokio::test]
async fn the_place_is_what_the_trusted_proxy_saw() {
    for (trusts_proxies, forwarded, expected) in [
        (true, "203.0.113.7, 198.18.32.9", "Astana"),
        (true, "198.18.32.9, 198.18.0.9", "Almaty"),
        (true, "198.18.32.9, 127.0.0.3", "Astana"),
        (true, "junk", ""),
        (false, "198.18.32.9", ""),
    ] {
        let edge = Edge::start_with(crate::support::collector::Setup { trusts_proxies, ..Default::default() }).await;
        edge.beacon(view_of(1, 0, "/")).header("X-Forwarded-For", forwarded).send().await;
        assert_eq!(edge.rows().await.of_visit("place")[1], expected, "{forwarded}");
    }
}

#[tokio::test]
async fn credentials_and_other_hosts_cookies_change_nothing() {
    let edge = Edge::start().await;
    let plain = edge.beacon(view_of(1, 0, "/"));
    let laden = edge
        .beacon(view_of(1, 1, "/"))
        .header("Authorization", "Bearer eyJhbGciOiJFZERTQSJ9")
        .header("Cookie", "sid=1; jwt=eyJ; __Host-tamga-aitu.kz=AAAA; xtamga-off=1; tamga-off=1; __Host-tamga-off=0")
        .header("User-Agent", AGENT);
    assert_eq!(plain.send().await.outcome(), "accepted");
    assert_eq!(laden.send().await.outcome(), "accepted");
    let rows = edge.rows().await.events;
    assert_eq!((rows[0].visitor, rows[0].visit), (rows[1].visitor, rows[1].visit));
    assert!(rows[1].step == 2 && rows[1].suspect.is_empty() && !rows[1].confirmed);
}
