//! Nodes on several machines hand each other the keys of days, so that a browser is one visitor whichever node it reaches.
//!
//! Each node asks all others again and again: always over TLS with a certificate on both sides ([`tls`]), in small messages of
//! fixed shapes ([`wire`]), and with the key itself sealed for the one who asks ([`sealed`]). The keys of a day are agreed on
//! a quarter of an hour before it begins, and a node that starts asks before it takes beacons ([`keeper`]). Which of two keys
//! holds is judged by [`KeyMark`](crate::privacy::keys::KeyMark) alone. Of a beacon only its mark travels here, by which it is
//! known when it comes again ([`marks`]). Of a visitor only an
//! order to erase their rows does: the identity on a day, by which each node finds the rows in its spool.
//!
//! Not promised: that nodes which cannot reach each other have one key. A node that is cut off for longer than that quarter
//! of an hour makes its own, takes beacons as ever, and gives it up when it meets an older one. Then its visitors of that day
//! count twice, and a tally says so. A dead key is neither handed nor taken. An order for a node that is away waits in memory:
//! it is lost if the node that took it ends meanwhile.

mod answering;
mod hearing;
mod keeper;
mod marks;
mod order;
mod peer;
mod sealed;
mod tls;
mod wire;

pub use hearing::Heard;
pub use keeper::{Keeper, NodeTrouble};
pub use marks::Marks;
pub use order::{Order, Orders};
pub use tls::Identity;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;

use order::Eraser;

use crate::clock::Clock;
use crate::privacy::keys::KeyRing;

/// What both sides of a node share.
pub(crate) struct Shared {
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Clock,
    pub(crate) zones: HashMap<Arc<str>, TimeZone>,
    /// What distinguishes the cookie key of this node. Nodes with different ones do not know each other's visitors.
    pub(crate) cookie_tag: [u8; 8],
    pub(crate) identity: ArcSwap<Identity>,
    /// What this node says of the beacons that it takes.
    pub(crate) marks: Arc<Marks>,
    /// Carries out what another node orders, once the edge is there.
    pub(crate) eraser: OnceLock<Eraser>,
}
