//! What may be kept of a device: of each item that the policy lists a row of its own, under a pseudonym of its own.
//!
//! A trait or signal has a key domain for itself; of a list each entry has its own pseudonym and network byte, so that
//! nothing in two rows says that they are of one device. The browser's digests are hashed again, under the same domain.

use smol_str::SmolStr;

use super::pseudonym::{DayKey, Purpose};
use super::pseudonymous::{Attribute, Pseudonymous, PseudonymousBeacon, RowSubject, Signal};
use crate::event::EnrichedDevice;
use crate::items::Items;

/// Adds what the policy lists; returns whether anything was. Of a suspect only the detectors are kept.
pub(super) fn keep(
    device: EnrichedDevice,
    items: Items,
    key: &DayKey,
    is_suspect: bool,
    subject: impl Fn(&Purpose<'_>, &str) -> RowSubject,
    kept: &mut PseudonymousBeacon,
) -> bool {
    let before = kept.attributes.len() + kept.signals.len();
    for list in device.traits.chunk_by(|one, other| one.item == other.item) {
        let item = list[0].item;
        if is_suspect || !items.lists(item) {
            continue;
        }
        key.purpose(&format!("attribute {item}"), |purpose| {
            kept.attributes.extend(list.iter().map(|one| {
                let subject = subject(purpose, one.entry.map_or("", |_| one.value));
                Pseudonymous::new(Attribute {
                    subject,
                    attribute: item,
                    entry: one.entry,
                    value: SmolStr::new_static(one.value),
                    detail: SmolStr::default(),
                    step: 0,
                    visit_tag: 0,
                })
            }));
        });
    }
    for sign in device.signs {
        if !items.lists(sign.item) || (is_suspect && sign.item != "automation") {
            continue;
        }
        let signal = key.purpose(&format!("signal {}", sign.item), |purpose| Signal {
            subject: subject(purpose, sign.entry.map_or("", |_| sign.state)),
            signal: sign.item,
            entry: sign.entry,
            state: sign.state,
            digest: sign.digest.map_or([0; 16], |digest| purpose.digest(digest.expose())),
        });
        kept.signals.push(Pseudonymous::new(signal));
    }
    kept.attributes.len() + kept.signals.len() > before
}
