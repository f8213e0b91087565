//! If an operator changes `publish_every`, is each row published once, in the window in which it came or in the one that has it now?

use super::*;

/// The sum of published views, and how many windows have any.
async fn views(world: &World) -> (i64, usize) {
    let sites = world.published("site").await;
    let views: Vec<i64> = sites.iter().map(|row| number(row, "views")).collect();
    (views.iter().sum(), views.len())
}

async fn exact_views(world: &World) -> i64 {
    let sql = "SELECT 'views' AS name, countIf(type = 'view' AND suspect = '') AS number FROM events";
    world.exact(sql).await["views"] as i64
}

async fn lease(world: &World, until: Timestamp) {
    world.clock.advance_to(until);
    let until = until.as_second().to_string();
    let lease = serde_json::json!({ "node": "a", "complete_until": until, "written_at": until });
    world.vault.insert_json("leases", &["node", "complete_until", "written_at"], &[lease], None).await.unwrap();
}

#[tokio::test]
async fn rows_of_a_week_that_becomes_days_are_published_at_its_end_and_kept_until_then() {
    let mut world = World::new(7 * 24 * 60).await;
    world.visits(1_000).await;
    let week = world.schedule.containing(world.day().start);
    world.schedule = Schedule::new(ZONE, 24 * 60).unwrap();
    // Each day is published as it ends, and the retention worker runs two days later.
    let mut day = world.schedule.containing(world.clock.now());
    while day.end <= week.end {
        lease(&world, day.end).await;
        world.publisher(world.vault.clone(), world.stats.clone()).pass().await;
        world.retention_worker().pass().await.unwrap();
        day = world.schedule.after(day.end);
    }
    lease(&world, week.end).await;
    world.publisher(world.vault.clone(), world.stats.clone()).pass().await;
    let (published, windows) = views(&world).await;
    assert!(published.abs_diff(exact_views(&world).await) <= 2 * NOISE_MAX && windows == 1, "{published} in {windows}");
    let later = Timestamp::from_second(week.end.as_second() + 3 * 86_400).unwrap();
    lease(&world, later).await;
    world.publisher(world.vault.clone(), world.stats.clone()).pass().await;
    world.retention_worker().pass().await.unwrap();
    assert_eq!((exact_views(&world).await, views(&world).await.1), (0, 1));
}

#[tokio::test]
async fn rows_of_short_windows_that_become_a_day_are_published_once() {
    let mut world = World::new(120).await;
    world.visits(6_000).await;
    let publisher = world.publisher(world.vault.clone(), world.stats.clone());
    for _ in 0..3 {
        assert!(matches!(publisher.advance(0).await.unwrap(), Progress::Published(_)));
    }
    world.schedule = Schedule::new(ZONE, 24 * 60).unwrap();
    world.publisher(world.vault.clone(), world.stats.clone()).pass().await;
    let (published, windows) = views(&world).await;
    assert_eq!(windows, 4);
    assert!(published.abs_diff(exact_views(&world).await) <= 8 * NOISE_MAX, "{published}");
}
