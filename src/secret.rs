//! Types for what must never be seen: [`Personal`] for data of a visitor, [`Secret`] for keys.
//!
//! Neither implements `Debug`, `Display`, `Serialize` or `Clone`; both wipe their memory when dropped. What they hold is
//! reached through one method, `expose`, so that every use can be found by searching for that word. What still leaks: the
//! length of a `Personal<String>` through the time it takes, and copies that callers make of what `expose` lends them.
//!
//! Keys are made in place, in a page of memory of their own that is locked against being swapped out ([`Locked`]), because
//! a value that is moved leaves its bytes behind on the stack. What works with keys on the stack ends with [`scrub_stack`].
//! Tables that know what clients sent only by a hash under such a key have [`AsItIs`].

use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Once;

use zeroize::Zeroize;

/// Something whose memory can be overwritten.
pub trait Wipe {
    /// Overwrites the value with one that says nothing.
    fn wipe(&mut self);
}

impl Wipe for String {
    fn wipe(&mut self) {
        self.zeroize();
    }
}

impl Wipe for Vec<u8> {
    fn wipe(&mut self) {
        self.zeroize();
    }
}

impl<const N: usize> Wipe for [u8; N] {
    fn wipe(&mut self) {
        self.zeroize();
    }
}

impl<const N: usize> Wipe for [[u8; 32]; N] {
    fn wipe(&mut self) {
        self.zeroize();
    }
}

impl Wipe for IpAddr {
    fn wipe(&mut self) {
        *self = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        // Keeps the compiler from dropping a store to a value that is about to die.
        std::hint::black_box(self);
    }
}

/// Data of a visitor that lives in memory only: an address, a user agent, a URL part, a cookie, a client's identifier.
pub struct Personal<T: Wipe>(T);

impl<T: Wipe> Personal<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Lends the value. The borrower must not store, log or send it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe> Drop for Personal<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

/// A value in a page of memory of its own, which the kernel is asked never to swap out, and which is wiped at the end.
///
/// Where the system refuses the lock (`RLIMIT_MEMLOCK`) this is said once and the value is kept all the same. Where pages
/// are larger than 4 KiB, neighbours share one, and the end of the first unlocks it for both.
pub(crate) struct Locked<T: Wipe> {
    // Before the page, so that it is unlocked while it is still ours.
    _lock: Option<region::LockGuard>,
    page: Box<Page<T>>,
}

#[repr(align(4096))]
struct Page<T>(T);

impl<T: Wipe> Locked<T> {
    /// A page that holds `blank`, which is not secret yet.
    pub(crate) fn new(blank: T) -> Self {
        let page = Box::new(Page(blank));
        let lock = region::lock(&raw const *page, size_of::<Page<T>>());
        if let Err(error) = &lock {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(%error, "keys cannot be locked in memory: raise LimitMEMLOCK, or have no swap");
            });
        }
        Self { _lock: lock.ok(), page }
    }

    /// Lends the value.
    pub(crate) fn expose(&self) -> &T {
        &self.page.0
    }

    /// Lends the value, to be filled in place.
    pub(crate) fn expose_mut(&mut self) -> &mut T {
        &mut self.page.0
    }
}

impl<T: Wipe> Drop for Locked<T> {
    fn drop(&mut self) {
        self.page.0.wipe();
    }
}

/// A 256-bit key.
pub struct Secret(Locked<[u8; 32]>);

impl Secret {
    /// Takes the key in. What the caller had of it stays where it was: for keys of tests, and of no consequence.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self::filled(|secret| secret.copy_from_slice(&bytes))
    }

    /// A key that is written in place.
    pub(crate) fn filled(fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut locked = Locked::new([0; 32]);
        fill(locked.expose_mut());
        Self(locked)
    }

    /// A key from a source that holds these 32 bytes and no more, read in place.
    pub(crate) fn read(mut source: impl Read) -> io::Result<Self> {
        let mut locked = Locked::new([0; 32]);
        let read = source.read_exact(locked.expose_mut()).and_then(|()| source.read(&mut [0]));
        match read {
            Ok(0) => Ok(Self(locked)),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a key file does not hold 32 bytes")),
        }
    }

    /// A new key from the operating system's random source.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing that Tamga promises can be kept then.
    pub fn random() -> Self {
        Self::filled(|bytes| getrandom::fill(bytes).expect("the operating system's random source answers"))
    }

    /// Lends the key.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// Overwrites the part of the stack that functions called before from the same place have used, so many bytes deep.
#[inline(never)]
pub(crate) fn scrub_stack<const DEPTH: usize>() {
    let mut area = [0_u8; DEPTH];
    std::hint::black_box(&mut area);
}

/// From here on a panic says where it happened, and not what it was about: the message of an index out of bounds, of a
/// failed comparison or of an error that was expected never to be can quote a visitor's text.
pub fn hide_panic_messages() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let about = "what it was about is withheld; it is a fault in tamga, please report the place";
        let _ = writeln!(io::stderr(), "tamga panicked at {place}: {about}");
    }));
}

/// For tables of which the keys are hashes under a secret key of this process: hashing them again would only take time, and
/// nobody can choose where they fall.
pub(crate) type AsItIs = BuildHasherDefault<Identity>;

/// Takes a `u64` for its own hash.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 are keys")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use super::*;

    /// Holds while a type does not implement a trait: if it does, `Method::<_>::exists` has two meanings and this module
    /// does not compile.
    macro_rules! implements_none {
        ($type:ty: $($bound:path),+) => {
            $({
                trait Method<Marker> {
                    fn exists() {}
                }
                impl<T: ?Sized> Method<()> for T {}
                struct Implemented;
                impl<T: ?Sized + $bound> Method<Implemented> for T {}
                <$type as Method<_>>::exists();
            })+
        };
    }

    #[test]
    fn what_is_personal_or_secret_cannot_be_shown_sent_or_copied() {
        implements_none!(Secret: Debug, Display, serde::Serialize, Clone, Copy, AsRef<[u8]>);
        implements_none!(Locked<[u8; 32]>: Debug, Display, serde::Serialize, Clone, Copy, AsRef<[u8]>);
        implements_none!(Personal<String>: Debug, Display, serde::Serialize, Clone, Copy, AsRef<str>);
        implements_none!(Personal<Vec<u8>>: Debug, Display, serde::Serialize, Clone, Copy, AsRef<[u8]>);
        implements_none!(Personal<[u8; 16]>: Debug, Display, serde::Serialize, Clone, Copy, AsRef<[u8]>);
        implements_none!(Personal<IpAddr>: Debug, Display, serde::Serialize, Clone, Copy, PartialEq);
        implements_none!(crate::privacy::pseudonym::DayKey: Debug, Display, serde::Serialize, Clone, Copy);
        implements_none!(crate::privacy::seal::CookieSeal: Debug, Display, serde::Serialize, Clone, Copy);
        implements_none!(crate::privacy::cookie::Cookie: Debug, Display, serde::Serialize, Clone, Copy);
        implements_none!(crate::privacy::cookie::Identity: Debug, Display, serde::Serialize, Clone, Copy);
        implements_none!(crate::event::Sender: Debug, Display, serde::Serialize, Clone, Copy);
        implements_none!(crate::event::ReceivedBeacon: Debug, Display, serde::Serialize, Clone, Copy);
        implements_none!(crate::event::EnrichedBeacon: Debug, Display, serde::Serialize, Clone, Copy);
    }

    #[test]
    fn a_key_has_a_page_of_its_own_that_is_locked() {
        let locked_kib = || {
            let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
            let line = status.lines().find(|line| line.starts_with("VmLck:")).expect("Linux says so").to_owned();
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number")
        };
        let keys: Vec<_> = (0..8).map(|_| Secret::random()).collect();
        // Other tests have keys at the same time; these alone are 32 KiB.
        assert!(locked_kib() >= 32, "{} KiB", locked_kib());
        assert!(keys.iter().all(|key| key.expose().as_ptr().addr().is_multiple_of(4096)));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        assert_eq!(Secret::read(&[7; 32][..]).map(|key| *key.expose()).expect("32 bytes"), [7; 32]);
        for length in [0, 31, 33] {
            assert!(Secret::read(&vec![7; length][..]).is_err(), "{length}");
        }
    }
}
