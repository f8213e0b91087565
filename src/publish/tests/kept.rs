//! What the publisher keeps in files does not outlive its use.

use super::super::files::FOLDER;
use super::*;

const CARRIED: &str = r#"{"week":{"start":0,"windows":0,"variance":0,"tables":{}},"month":{"start":0,"windows":0,"variance":0,"tables":{}},"until":"#;

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn only_the_collectors_account_reads_what_the_publisher_keeps() {
    use std::os::unix::fs::PermissionsExt;
    let (store, clock, data) = ready(100);
    publisher(&store, &clock, data.path()).pass().await;
    let folder = data.path().join(FOLDER);
    let kept = names(&folder);
    assert!(kept.iter().any(|name| name.ends_with("carried.json")), "{kept:?}");
    for name in kept {
        let mode = std::fs::metadata(folder.join(&name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[tokio::test]
async fn sums_and_plans_go_with_their_site_and_sums_when_no_window_can_follow() {
    let (store, clock, data) =
        (MemoryStore::default(), Clock::simulated(moment(START)), tempfile::tempdir().expect("a folder"));
    let folder = data.path().join(FOLDER);
    std::fs::create_dir(&folder).expect("a folder");
    let put = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
    let sums = |name: &str, until: i64| put(name, format!("{CARRIED}{until}}}"));
    let domain = site().domain;
    sums(&format!("{domain}.carried.json"), START);
    sums("gone.kz.carried.json", START);
    put("gone.kz.counted.json", "{\"windows\":[]}".to_owned());
    put(&format!("gone-1.kz-{START}.json"), "{}".to_owned());
    put("gone.kz.hours.json", "{}".to_owned());
    put(&format!("{domain}-1.json.tmp"), "{}".to_owned());
    let mut publisher = publisher(&store, &clock, data.path());
    publisher.pass().await;
    let [own, counts] = [format!("{domain}.carried.json"), "gone.kz.counted.json".to_owned()];
    let kept = [own.clone(), counts.clone(), format!("{domain}-1.json.tmp")];
    assert_eq!(names(&folder), kept.clone().into(), "counts say what was published");
    // The rows of the next window are in the vault for nine days.
    clock.advance_to(moment(START + 9 * DAY_S - 1));
    publisher.pass().await;
    assert!(names(&folder).contains(&own));
    clock.advance_to(moment(START + 9 * DAY_S + 3_600));
    publisher.pass().await;
    assert!(!names(&folder).contains(&own) && names(&folder).contains(&counts));
}
