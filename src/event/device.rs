//! What the device part of a beacon says: as received, still what the client chose, and as classes of this program's own.

use crate::secret::Personal;

/// A signal's value, or why there is none.
pub enum Reported<T> {
    /// It was read.
    Value(T),
    /// It was not.
    Absent(Absence),
}

/// Why a signal has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The browser has no such thing.
    Unsupported,
    /// The browser, the page's policy or an extension forbids it.
    Blocked,
    /// It took too long.
    Timeout,
    /// It failed.
    Error,
}

impl Absence {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unsupported, Self::Blocked, Self::Timeout, Self::Error];

    /// Its name on the wire and in rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Blocked => "blocked",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

/// A digest that the browser made.
pub type Digest = Personal<[u8; 16]>;

/// The device part, within its limits, still identifying.
#[derive(Default)]
pub struct ReceivedDevice {
    /// Item 10: a name of the IANA database, if it is one.
    pub time_zone: Option<Reported<Personal<String>>>,
    /// Item 13: the digest of a drawing, and whether the browser falsifies what is drawn.
    pub canvas: Option<Reported<(Digest, bool)>>,
    /// Item 14.
    pub fonts: Option<Reported<Vec<Personal<String>>>>,
    /// Item 15.
    pub plugins: Option<Reported<Vec<Personal<String>>>>,
    /// Item 16: renderer, and the digest of all parameters.
    pub webgl: Option<Reported<(Personal<String>, Digest)>>,
    /// Item 17: microphones, loudspeakers, cameras; at most 4 of each.
    pub media_devices: Option<Reported<[u8; 3]>>,
    /// Item 18.
    pub active_x: Option<Reported<bool>>,
    /// Item 19: BCP 47 tags.
    pub languages: Option<Reported<Vec<Personal<String>>>>,
    /// Item 20: `x86`, `arm` or `other`, and bits where they are known.
    pub cpu: Option<Reported<(&'static str, Option<u8>)>>,
    /// Item 22.
    pub screen: Option<Reported<Screen>>,
    /// Item 23: names of detectors.
    pub automation: Option<Reported<Vec<Personal<String>>>>,
    /// Item 25: as the client hint `platformVersion` has it.
    pub os_version: Option<Reported<Personal<String>>>,
    /// Item 26: as the client hint has it.
    pub model: Option<Reported<Personal<String>>>,
}

/// A screen, and how much of it the window takes.
#[derive(Clone, Copy)]
pub struct Screen {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Bits per pixel.
    pub depth: u32,
    /// Device pixels per CSS pixel, times 100.
    pub ratio: u32,
    /// `full`, `large`, `medium` or `small`.
    pub window: &'static str,
}

/// The device part as classes: every text is one of this program's own.
#[derive(Default)]
pub struct EnrichedDevice {
    /// What it is like.
    pub traits: Vec<Trait>,
    /// What its security signals say.
    pub signs: Vec<Sign>,
    /// The detectors say that a program drives the browser: a strong one, or two.
    pub automated: bool,
}

/// One thing that a device is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trait {
    /// The item's key in the data map.
    pub item: &'static str,
    /// Of a list, the number of the entry.
    pub entry: Option<u16>,
    /// The class, or why it is not known.
    pub value: &'static str,
}

/// One thing that a security signal says.
pub struct Sign {
    /// The item's key in the data map.
    pub item: &'static str,
    /// Of a list, the number of the entry.
    pub entry: Option<u16>,
    /// The class, or why it is not known.
    pub state: &'static str,
    /// The digest, as the client sent it.
    pub digest: Option<Digest>,
}
