//! Types for what must never be seen: [`Personal`] for data of a visitor, [`Secret`] for keys.
//!
//! Neither implements `Debug`, `Display`, `Serialize` or `Clone`; both wipe their memory when dropped. What they hold is
//! reached through one method, `expose`, so that every use can be found by searching for that word. What still leaks: the
//! length of a `Personal<String>` through the time it takes, and copies that callers make of what `expose` lends them.

use std::net::{IpAddr, Ipv4Addr};

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

/// A 256-bit key.
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes the key in.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new key from the operating system's random source.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing that Tamga promises can be kept then.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system's random source answers");
        Self(bytes)
    }

    /// Lends the key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.wipe();
    }
}
