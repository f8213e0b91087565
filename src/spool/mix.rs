//! Orders that say nothing. The frames of a commit are written in a random order, so that neither the file nor what is
//! delivered from it shows which of them came with one beacon.

use super::frame::{Frame, Kind};

/// The frames of a commit in a random order. None passes a tombstone: what was appended before an erasure stays before it.
pub(super) fn mixed<'a>(frames: impl Iterator<Item = &'a Frame>) -> Result<Vec<&'a Frame>, getrandom::Error> {
    let mut frames: Vec<&Frame> = frames.collect();
    let mut random = vec![0; 8 * frames.len()];
    getrandom::fill(&mut random)?;
    let mut numbers = random.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    for run in frames.split_mut(|frame| frame.kind == Kind::Tombstone) {
        shuffle(run, || numbers.next().expect("there is a number for each frame"));
    }
    Ok(frames)
}

/// Puts the items into an order that follows from the numbers. It asks for one number less than there are items. With
/// random numbers each order is as likely as any other.
pub fn shuffle<T>(items: &mut [T], mut number: impl FnMut() -> u64) {
    for last in (1..items.len()).rev() {
        let other = (u128::from(number()) * (last as u128 + 1)) >> 64;
        items.swap(last, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::spool::StreamKey;

    #[test]
    fn each_order_is_as_likely_as_any_other() {
        let frames: Vec<Frame> = ["a", "b", "c"].map(|name| Frame::new(StreamKey::new(name).unwrap())).into();
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..6_000 {
            let order = mixed(frames.iter()).unwrap();
            *seen.entry(order.iter().map(|frame| frame.stream.as_str()).collect()).or_default() += 1;
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
        // Ten standard deviations on each side.
        assert!(seen.values().all(|times| (710..=1_290).contains(times)), "{seen:?}");
    }

    #[test]
    fn nothing_passes_a_tombstone() {
        let key = |name: &str| StreamKey::new(name).unwrap();
        let rows = |name: &str| Frame::new(key(name));
        let frames = [rows("a"), rows("a"), Frame::tombstone(key("!"), Vec::new()), rows("b"), rows("b")];
        for _ in 0..100 {
            let order: String = mixed(frames.iter()).unwrap().iter().map(|frame| frame.stream.as_str()).collect();
            assert_eq!(order, "aa!bb");
        }
    }
}
