//! Is a beacon that one node has taken a duplicate at the others, and do only nodes hear of it?

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tamga::clock::Clock;
use tamga::peers::Heard;
use tokio_util::sync::CancellationToken;

use super::erasure::{two_grounds, view};
use super::machines::{Authority, Machine, addresses};
use crate::support::wait;

/// The longest time that a busy machine may take for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a node has heard of all others.
#[derive(Debug, Default)]
struct Known {
    kept: BTreeSet<u64>,
    writing: BTreeSet<u64>,
    in_step: usize,
}

impl Known {
    fn hear(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Kept(marks) => self.kept.extend(marks),
            Heard::Writing(marks) => self.writing.extend(marks),
            Heard::Written(true) => self.kept.append(&mut self.writing),
            Heard::Written(false) => self.writing.clear(),
            Heard::InStep => self.in_step += 1,
            Heard::Lost => {}
        }
    }
}

/// Lets a node hear the others until the token is cancelled.
async fn hear(machine: &Machine, shutdown: &CancellationToken) -> Arc<Mutex<Known>> {
    let known = Arc::new(Mutex::new(Known::default()));
    let ear = known.clone();
    machine.keeper.hear(move |_, heard| ear.lock().unwrap().hear(heard), shutdown).await;
    known
}

async fn until_known(known: &Mutex<Known>, kept: &[u64], writing: &[u64]) {
    let is_known = async || {
        let known = known.lock().unwrap();
        (known.kept.iter().eq(kept) && known.writing.iter().eq(writing)).then_some(())
    };
    wait::until(PATIENCE, is_known, || format!("{known:?}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_writes_is_known_at_the_others_while_it_is_written_and_later_if_they_were_away() {
    let authority = Authority::new();
    let addresses = addresses(3);
    let mut speaker = Machine::new(&authority, &addresses, 0, 7);
    speaker.connect().await;
    speaker.marks.found(&(0..10_000).collect::<Vec<_>>());
    let listener = Machine::new(&authority, &addresses, 1, 7);
    let shutdown = CancellationToken::new();
    let known = hear(&listener, &shutdown).await;
    let mut kept: Vec<u64> = (0..10_000).collect();
    assert!(known.lock().unwrap().kept.iter().eq(&kept), "all that was found was heard before it went on");
    speaker.marks.writing(&[10_000, 10_001]);
    until_known(&known, &kept, &[10_000, 10_001]).await;
    speaker.marks.written(true);
    kept.extend([10_000, 10_001]);
    until_known(&known, &kept, &[]).await;
    speaker.marks.writing(&[20_000]);
    until_known(&known, &kept, &[20_000]).await;
    speaker.marks.written(false);
    until_known(&known, &kept, &[]).await;
    shutdown.cancel();
    speaker.marks.writing(&[10_002]);
    speaker.marks.written(true);
    kept.push(10_002);
    speaker.marks.writing(&[10_003]);
    // It begins to hear in the middle of a commit.
    let known = hear(&listener, &CancellationToken::new()).await;
    until_known(&known, &kept, &[10_003]).await;
    speaker.marks.written(true);
    kept.push(10_003);
    until_known(&known, &kept, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_a_node_hears_what_is_taken() {
    let authority = Authority::new();
    let addresses = addresses(3);
    let mut speaker = Machine::new(&authority, &addresses[..2], 0, 7);
    speaker.connect().await;
    speaker.marks.found(&[1]);
    let node = Machine::new(&authority, &addresses[..2], 1, 7);
    let known = hear(&node, &CancellationToken::new()).await;
    until_known(&known, &[1], &[]).await;
    // Certified for a machine that is no node; and by another authority.
    let other_machine = Machine::new(&authority, &addresses, 2, 7);
    let other_authority = Machine::new(&Authority::new(), &addresses[..2], 1, 7);
    for stranger in [other_machine, other_authority] {
        let known = hear(&stranger, &CancellationToken::new()).await;
        let known = known.lock().unwrap();
        assert!(known.kept.is_empty() && known.in_step == 0, "{known:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beacon_that_comes_again_is_a_duplicate_at_all_nodes_also_after_they_began_anew() {
    let shared = tempfile::tempdir().unwrap();
    let (grounds, clock) = (two_grounds(&shared), Clock::machine());
    let one = grounds[0].serve(&clock).await;
    let two = grounds[1].serve(&clock).await;
    // The first node may hear the second one a moment later.
    let mut number = 0;
    let heard = async || {
        number += 1;
        assert_eq!(view(&two, number, None).await.outcome(), "accepted");
        tokio::time::sleep(Duration::from_millis(100)).await;
        (view(&one, number, None).await.outcome() == "dropped").then_some(())
    };
    wait::until(PATIENCE, heard, || "the mark does not come".to_owned()).await;
    assert_eq!(view(&two, 200, None).await.outcome(), "accepted");
    one.stop().await.unwrap();
    assert_eq!(view(&two, 201, None).await.outcome(), "accepted");
    let one = grounds[0].serve(&clock).await;
    for number in [200, 201] {
        assert_eq!(view(&one, number, None).await.outcome(), "dropped", "it heard all before it took a beacon");
    }
    assert_eq!(view(&one, 202, None).await.outcome(), "accepted");
    two.stop().await.unwrap();
    let two = grounds[1].serve(&clock).await;
    assert_eq!(view(&two, 202, None).await.outcome(), "dropped");
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}
