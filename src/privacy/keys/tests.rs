//! Day keys that are made, lost, replaced and destroyed.

use jiff::civil::date;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").expect("memory-backed storage")
}

#[test]
fn two_nodes_that_share_a_folder_have_one_key() {
    let dir = folder();
    let site: Arc<str> = "a.kz".into();
    let day = date(2026, 11, 22);
    let (one, two) = (KeyRing::open(dir.path()).expect("opens"), KeyRing::open(dir.path()).expect("opens"));
    let pseudonyms: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = [&one, &two]
            .map(|ring| {
                let site = &site;
                scope.spawn(move || *ring.day_key(site, day).expect("key").visitor(&[1; 16]).bytes())
            })
            .into_iter()
            .collect();
        handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
    });
    assert_eq!(pseudonyms[0], pseudonyms[1]);
    assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 1, "no draft stays");
}

#[test]
fn a_key_that_cannot_be_made_is_trouble_only_where_it_is_needed() {
    let dir = folder();
    let inner = dir.path().join("keys");
    let ring = KeyRing::open(&inner).expect("opens");
    let of = |day: i8| (Arc::from("a.kz"), date(2026, 11, day));
    assert!(ring.trouble([of(22)]).is_none());
    assert_eq!(fs::read_dir(&inner).expect("reads").count(), 0, "nothing stays of the trial");
    ring.day_key(&of(22).0, of(22).1).expect("a key");
    fs::remove_dir_all(&inner).expect("removed");
    assert!(ring.trouble([of(22)]).is_none(), "it is in memory");
    let said = ring.trouble([of(22), of(23)]).expect("trouble").to_string();
    assert!(said.contains("cannot be used: No such file"), "{said}");
}

#[test]
fn a_key_dies_thirty_minutes_after_its_day() {
    let dir = folder();
    let ring = KeyRing::open(dir.path()).expect("opens");
    let site: Arc<str> = "a.kz".into();
    let zone = TimeZone::get("Asia/Almaty").expect("bundled");
    let zones = HashMap::from([(site.clone(), zone.clone())]);
    let day = date(2026, 11, 22);
    let before = *ring.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes();
    let end = ends(day, &zone);
    assert_eq!(end.to_string(), "2026-11-22T19:30:00Z");
    assert_eq!(ring.sweep(end - 1.second(), &zones).expect("sweeps"), Swept::default());
    assert_eq!(ring.sweep(end, &HashMap::new()).expect("sweeps"), Swept::default(), "another node's site");
    let destroyed = Swept { destroyed: vec![("a.kz".to_owned(), day)], ..Swept::default() };
    assert_eq!(ring.sweep(end, &zones).expect("sweeps"), destroyed);
    assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 0);
    assert_ne!(*ring.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes(), before);
}

/// A ring that remembers in `seen` beside the folder of keys.
fn ring(keys: &tempfile::TempDir, data: &tempfile::TempDir) -> KeyRing {
    let ring = KeyRing::open(keys.path()).expect("opens");
    ring.remembering(&data.path().join("keys-seen.json")).expect("remembers")
}

#[test]
fn a_lost_key_is_distinguished_from_a_first_one_until_the_loss_is_durably_reported() {
    let (keys, data) = (folder(), folder());
    let site: Arc<str> = "a.kz".into();
    let day = date(2026, 11, 22);
    let noon = "2026-11-22T12:00:00Z".parse().expect("a time");
    let zones = HashMap::from([(site.clone(), TimeZone::UTC)]);
    let one = ring(&keys, &data);
    one.day_key(&site, day).expect("key");
    assert_eq!(one.unreported_loss(&site, day), None, "the first of the day");
    // A restart finds the same key.
    let two = ring(&keys, &data);
    two.day_key(&site, day).expect("key");
    assert_eq!((two.unreported_loss(&site, day), two.sweep(noon, &zones).expect("sweeps")), (None, Swept::default()));
    // The folder is emptied under a running collector: it forgets its copy, and makes a new key.
    fs::remove_file(keys.path().join("a.kz.2026-11-22.key")).expect("removes");
    let vanished = vec![("a.kz".to_owned(), day)];
    let expected = Swept { vanished: vanished.clone(), ..Swept::default() };
    assert_eq!(two.sweep(noon, &zones).expect("sweeps"), expected);
    assert_eq!(two.sweep(noon, &zones).expect("sweeps"), Swept::default(), "said once");
    two.day_key(&site, day).expect("key");
    let reported = two.unreported_loss(&site, day).expect("a loss");
    assert!(reported.starts_with(LOST) && reported.len() == LOST.len() + 4);
    assert_eq!(two.sweep(noon, &zones).expect("sweeps").lost, vanished);
    // A crash before the tally is durable, and a second node that shares the folder: both tell the same.
    let three = ring(&keys, &data);
    three.day_key(&site, day).expect("key");
    assert_eq!(three.unreported_loss(&site, day).as_ref(), Some(&reported));
    three.loss_reported(&site, day, &reported);
    assert_eq!(three.unreported_loss(&site, day), None);
    assert_eq!(ring(&keys, &data).day_key(&site, day).map(|_| ()).ok(), Some(()));
    let four = ring(&keys, &data);
    four.day_key(&site, day).expect("key");
    assert_eq!(four.unreported_loss(&site, day), None, "a loss is reported once");
}

#[test]
fn a_key_that_another_node_replaced_is_not_used_any_more() {
    let (keys, data) = (folder(), folder());
    let site: Arc<str> = "a.kz".into();
    let day = date(2026, 11, 22);
    let (one, two) = (ring(&keys, &data), KeyRing::open(keys.path()).expect("opens"));
    let before = *one.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes();
    assert!(two.destroy("a.kz", day).expect("destroys") && !two.destroy("a.kz", day).expect("is gone"));
    let after = *two.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes();
    one.sweep("2026-11-22T12:00:00Z".parse().expect("a time"), &HashMap::new()).expect("sweeps");
    let now = *one.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes();
    assert!(now == after && now != before);
    assert!(one.unreported_loss(&site, day).is_some());
}

#[test]
fn a_folder_on_a_disk_is_refused() {
    let dir = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).expect("a folder");
    assert!(matches!(KeyRing::open(dir.path()), Err(KeyError::NotInMemory { .. })));
}

/// Hands the key of one node to another.
fn hand(from: &KeyRing, to: &KeyRing, site: &Arc<str>, day: Date) -> bool {
    let lent = from.lend(site, day, |mark, key| (mark, Secret::new(*key))).expect("reads").expect("a key");
    to.adopt(site, day, lent.0, lent.1).expect("takes it or not")
}

#[test]
fn of_two_keys_of_a_day_one_holds_at_every_node_and_a_used_one_that_does_not_is_a_loss() {
    let nodes: Vec<_> = (0..3).map(|_| (folder(), folder())).collect();
    let [one, two, three] = [0, 1, 2].map(|node| ring(&nodes[node].0, &nodes[node].1));
    let (site, day): (Arc<str>, _) = ("a.kz".into(), date(2026, 11, 22));
    let bytes = |ring: &KeyRing| *ring.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes();
    // Cut off from each other, each makes a key; the second has used its own.
    one.make(&site, day).expect("makes");
    bytes(&two);
    three.make(&site, day).expect("makes");
    let all = [&one, &two, &three];
    let first = *all.iter().min_by_key(|ring| ring.mark(&site, day).expect("reads")).expect("three");
    for (from, to) in [(&one, &two), (&two, &one), (&one, &three), (&two, &three), (&three, &one), (&three, &two)] {
        hand(from, to, &site, day);
    }
    let held = bytes(first);
    assert_eq!(all.map(bytes), [held; 3]);
    assert_eq!(two.unreported_loss(&site, day).is_some(), !std::ptr::eq(first, &two), "only what was used is lost");
    assert_eq!((one.unreported_loss(&site, day), three.unreported_loss(&site, day)), (None, None));
    assert!(!hand(&one, &three, &site, day), "it has it already");
    assert_eq!(nodes.iter().map(|node| fs::read_dir(node.0.path()).expect("dir").count()).sum::<usize>(), 3);
}

#[test]
fn a_key_that_comes_back_from_another_node_after_a_reboot_is_no_loss() {
    let (keys, data, others) = (folder(), folder(), folder());
    let (site, day): (Arc<str>, _) = ("a.kz".into(), date(2026, 11, 22));
    let (before, other) = (ring(&keys, &data), KeyRing::open(others.path()).expect("opens"));
    let used = *before.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes();
    assert!(hand(&before, &other, &site, day));
    fs::remove_file(keys.path().join("a.kz.2026-11-22.key")).expect("removes");
    let after = ring(&keys, &data);
    assert!(hand(&other, &after, &site, day));
    assert_eq!(*after.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes(), used);
    assert_eq!(after.unreported_loss(&site, day), None);
    // Had it made one meanwhile, the former would hold all the same, and the loss be said under the tag of the other.
    fs::remove_file(keys.path().join("a.kz.2026-11-22.key")).expect("removes");
    let hasty = ring(&keys, &data);
    assert_ne!(*hasty.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes(), used);
    let reason = hasty.unreported_loss(&site, day).expect("a loss");
    assert!(hand(&other, &hasty, &site, day));
    assert_eq!(hasty.unreported_loss(&site, day).as_ref(), Some(&reason), "once");
    hasty.loss_reported(&site, day, &reason);
    assert_eq!(hasty.unreported_loss(&site, day), None);
}

#[test]
fn a_key_that_was_destroyed_on_purpose_does_not_come_back_from_another_node() {
    let (keys, others) = (folder(), folder());
    let (site, day): (Arc<str>, _) = ("a.kz".into(), date(2026, 11, 22));
    let (one, other) = (KeyRing::open(keys.path()).expect("opens"), KeyRing::open(others.path()).expect("opens"));
    one.make(&site, day).expect("makes");
    assert!(hand(&one, &other, &site, day));
    one.refuse("a.kz", day).expect("notes it");
    assert!(one.destroy("a.kz", day).expect("destroys"));
    let again = KeyRing::open(keys.path()).expect("opens");
    assert!(!hand(&other, &again, &site, day) && !hand(&other, &one, &site, day));
    let [tag] = one.refused("a.kz", day).expect("reads")[..] else { panic!("one tag") };
    assert!(
        other.destroy_too(&site, day, tag).expect("destroys") && !other.destroy_too(&site, day, tag).expect("is gone")
    );
    // The note of it goes with the day.
    let zones = HashMap::new();
    for ring in [&one, &other] {
        ring.sweep("2026-11-24T12:30:00Z".parse().expect("a time"), &zones).expect("sweeps");
    }
    assert_eq!([&keys, &others].map(|dir| fs::read_dir(dir.path()).expect("dir").count()), [0, 0]);
}

#[test]
fn a_key_that_is_not_what_its_mark_says_is_not_taken() {
    let (keys, others) = (folder(), folder());
    let (site, day): (Arc<str>, _) = ("a.kz".into(), date(2026, 11, 22));
    let (one, other) = (KeyRing::open(keys.path()).expect("opens"), KeyRing::open(others.path()).expect("opens"));
    one.make(&site, day).expect("makes");
    let mark = one.mark(&site, day).expect("reads").expect("a key");
    assert!(!other.adopt(&site, day, mark, Secret::new([0; 32])).expect("refuses"));
    assert!(other.mark(&site, day).expect("reads").is_none());
}
