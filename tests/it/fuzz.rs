//! Do the inputs that fuzzing has found interesting still do no harm? Replays `fuzz/corpus` over the targets.
//!
//! The guard's are replayed by the engine's own tests, where its modules are.

use std::path::Path;

#[path = "../../fuzz/targets/address.rs"]
mod address;
#[path = "../../fuzz/targets/beacon.rs"]
mod beacon;
#[path = "../../fuzz/targets/cookie.rs"]
mod cookie;
#[path = "../../fuzz/targets/head.rs"]
mod head;
#[path = "../../fuzz/targets/proxy.rs"]
mod proxy;
#[path = "../../fuzz/targets/scrub.rs"]
mod scrub;
#[path = "../../fuzz/targets/settings.rs"]
mod settings;
#[path = "../../fuzz/targets/spool.rs"]
mod spool;
#[path = "../../fuzz/targets/verdict.rs"]
mod verdict;

fn replay(corpus: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(corpus);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        let outcome = std::panic::catch_unwind(|| target(&data));
        assert!(outcome.is_ok(), "{} fails", path.display());
        inputs += 1;
    }
    assert!(inputs > 5, "{inputs} inputs in {corpus}");
}

#[test]
fn no_forwarding_header_changes_what_the_proxy_saw() {
    replay("fuzz/corpus/address", address::run);
}

#[test]
fn no_body_breaks_the_journey() {
    replay("fuzz/corpus/beacon", beacon::run);
    replay("schema/wire/examples", beacon::run);
}

#[test]
fn no_head_passes_its_limit_however_it_arrives() {
    replay("fuzz/corpus/head", head::run);
}

#[test]
fn no_proxy_header_is_read_beyond_its_end() {
    replay("fuzz/corpus/proxy", proxy::run);
}

#[test]
fn no_configuration_is_taken_that_cannot_be_served() {
    replay("fuzz/corpus/settings", settings::run);
}

#[test]
fn no_changed_cookie_opens() {
    replay("fuzz/corpus/cookie", cookie::run);
}

#[test]
fn no_kept_text_can_hold_an_identifier() {
    replay("fuzz/corpus/scrub", scrub::run);
}

#[test]
fn no_damage_keeps_the_spool_from_opening() {
    replay("fuzz/corpus/spool", spool::run);
}

#[test]
fn no_body_of_a_call_counts_what_is_unknown_or_was_not_agreed_to() {
    replay("fuzz/corpus/verdict", verdict::run);
    replay("schema/wire/verdict-examples", verdict::run);
}
