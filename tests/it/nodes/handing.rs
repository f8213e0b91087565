//! Do nodes on several machines have one key for each site's day, and nobody else any?

use jiff::civil::{Date, date};
use tamga::privacy::keys::KeyMark;

use super::machines::{Authority, Machine, addresses, machines, rounds};

const TODAY: Date = date(2026, 11, 22);
const TOMORROW: Date = date(2026, 11, 23);

/// The one key that all of them have.
fn common(machines: &[Machine], day: Date) -> Option<KeyMark> {
    let marks: Vec<_> = machines.iter().map(|machine| machine.mark(day)).collect();
    assert!(marks.iter().all(|mark| *mark == marks[0]), "{marks:?}");
    marks[0]
}

fn files(machine: &Machine) -> Vec<String> {
    let names = std::fs::read_dir(machine.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn all_nodes_have_one_key_before_its_day_begins_and_none_after_it_has_died() {
    let mut machines = machines(&Authority::new(), 4).await;
    rounds(&mut machines, 2).await;
    let today = common(&machines, TODAY).expect("a key");
    assert_eq!(common(&machines, TOMORROW), None, "it is noon");
    let beacons: Vec<_> = machines.iter().map(|machine| machine.beacon(TODAY)).collect();
    assert!(beacons.iter().all(|pseudonym| *pseudonym == beacons[0]), "one visitor at all nodes");
    let at = |machines: &[Machine], time: &str| {
        machines.iter().for_each(|machine| machine.clock.advance_to(time.parse().unwrap()));
    };
    at(&machines, "2026-11-22T18:50:00Z");
    rounds(&mut machines, 2).await;
    assert_eq!(common(&machines, TODAY), Some(today));
    assert!(common(&machines, TOMORROW).is_some(), "ten minutes to midnight");
    // A node is replaced within the grace after midnight, and another is away and destroys nothing.
    at(&machines, "2026-11-22T19:10:00Z");
    std::fs::remove_file(machines[0].dir.path().join("jetpay.kz.2026-11-22.key")).unwrap();
    machines[0].sweep();
    rounds(&mut machines, 2).await;
    assert_eq!(common(&machines, TODAY), Some(today), "the key of yesterday comes back, for erasures");
    at(&machines[..3], "2026-11-22T19:30:00Z");
    // The clock of the last one stays behind, so it looks for a key that is dead elsewhere.
    std::fs::remove_file(machines[3].dir.path().join("jetpay.kz.2026-11-22.key")).unwrap();
    machines[3].sweep();
    for machine in &machines[..2] {
        machine.sweep();
    }
    rounds(&mut machines, 2).await;
    for machine in &machines[..2] {
        assert_eq!(files(machine), ["jetpay.kz.2026-11-23.key"], "nobody brings it back");
    }
    assert!(machines[2].mark(TODAY).is_some(), "its file still lies there");
    assert_eq!(machines[3].mark(TODAY), None, "and is handed to nobody");
    assert!(machines.iter().all(|machine| machine.keys.unreported_loss(&"jetpay.kz".into(), TODAY).is_none()));
}

#[tokio::test]
async fn nodes_that_were_cut_off_from_each_other_have_one_key_again_when_they_meet() {
    let mut machines = machines(&Authority::new(), 3).await;
    machines[0].cut_off();
    let alone = machines[0].beacon(TODAY);
    // The others do not know whether the one that is cut off has a key, so only a beacon makes them one.
    assert!(machines[1].round().await.iter().any(|trouble| trouble.node == "n0"));
    let together = machines[1].beacon(TODAY);
    assert_ne!(alone, together);
    machines[2].round().await;
    assert_eq!(machines[2].mark(TODAY), machines[1].mark(TODAY));
    machines[2].beacon(TODAY);
    let [first, second] = [0, 1].map(|node| machines[node].mark(TODAY).unwrap());
    let held = first.min(second);
    machines[0].connect().await;
    rounds(&mut machines, 3).await;
    assert_eq!(common(&machines, TODAY), Some(held), "of two keys the first holds");
    let site = "jetpay.kz".into();
    let losses: Vec<_> = machines.iter().map(|machine| machine.keys.unreported_loss(&site, TODAY)).collect();
    if held == first {
        assert!(
            losses[0].is_none() && losses[1].is_some() && losses[1] == losses[2],
            "one loss, at two nodes: {losses:?}"
        );
    } else {
        assert!(losses[0].is_some() && losses[1].is_none() && losses[2].is_none(), "{losses:?}");
    }
    assert!(machines[0].round().await.is_empty(), "nothing is wrong any more");
}

#[tokio::test]
async fn a_key_that_is_destroyed_on_purpose_at_one_node_is_destroyed_at_all() {
    let mut machines = machines(&Authority::new(), 3).await;
    rounds(&mut machines, 2).await;
    let before = common(&machines, TODAY).expect("a key");
    machines[1].keys.refuse("jetpay.kz", TODAY).unwrap();
    assert!(machines[1].keys.destroy("jetpay.kz", TODAY).unwrap());
    rounds(&mut machines, 4).await;
    let after = common(&machines, TODAY);
    assert!(after.is_some() && after != Some(before), "another one");
}

#[tokio::test]
async fn only_nodes_get_a_key_and_only_from_nodes() {
    let authority = Authority::new();
    let addresses = addresses(4);
    let mut node = Machine::new(&authority, &addresses[..2], 0, 7);
    node.connect().await;
    node.beacon(TODAY);
    let mut peer = Machine::new(&authority, &addresses[..2], 1, 7);
    assert!(peer.round().await.is_empty());
    assert_eq!(peer.mark(TODAY), node.mark(TODAY), "a node gets it");
    // Certified by the same authority, but for a machine that is no node.
    let other_machine = Machine::new(&authority, &addresses, 3, 7);
    // A node's name, certified by another authority.
    let other_authority = Machine::new(&Authority::new(), &addresses[..2], 1, 7);
    for mut stranger in [other_machine, other_authority] {
        let troubles = stranger.round().await;
        assert!(troubles.iter().any(|trouble| trouble.node == "n0"), "{troubles:?}");
        assert_eq!(stranger.mark(TODAY), None);
    }
    // Who shows no certificate, or speaks no TLS, is let go.
    let mut stream = tokio::net::TcpStream::connect(&addresses[0]).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
    assert!(answer.len() < 32, "an alert at most");
}

#[tokio::test]
async fn another_cookie_key_is_said() {
    let (authority, addresses) = (Authority::new(), addresses(2));
    let mut node = Machine::new(&authority, &addresses, 0, 7);
    node.connect().await;
    let troubles = Machine::new(&authority, &addresses, 1, 8).round().await;
    assert!(troubles.len() == 1 && troubles[0].why.contains("another cookie key"), "{troubles:?}");
}
