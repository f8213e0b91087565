//! Where an address is: country, region and provider, from MaxMind DB files that the operator supplies.
//!
//! Three record shapes are in use, and the reader tries each: MaxMind's nested one, the flat one of DB-IP and
//! ip-location-db, and IPinfo's. A file that no shape reads would silently answer nothing for ever, so it is refused when
//! it is opened. Files are read into memory, not mapped: a mapped file that is replaced in place ends the process. Several
//! files may share the work (one for IPv4, one for IPv6); the first that knows an address answers. A lookup never fails:
//! what is unknown is empty. No message of this module names an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, path};
use smol_str::SmolStr;

use crate::event::Place;

/// The longest name that is kept, in characters.
const MAX_NAME_CHARS: usize = 64;

/// How many networks of a file are tried before it is said to hold nothing.
const PROBES: usize = 2_048;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// It cannot be read, or is no MaxMind DB.
    #[error(
        "cannot open the GeoIP file {file}: {cause}. Expected a MaxMind DB file (.mmdb) that the service may read; \
         check the path under [geo] and download the file again if it is cut short"
    )]
    Open {
        /// Which.
        file: PathBuf,
        /// What the reader says.
        cause: MaxMindDbError,
    },
    /// It can be read, but says nothing that Tamga looks for.
    #[error(
        "the GeoIP file {file} (type {kind:?}) gives no {wanted} for any of the networks tried. Expected {expected}; \
         list city and country files under [geo] place, and ASN files under [geo] provider"
    )]
    Empty {
        /// Which.
        file: PathBuf,
        /// The type that the file gives itself.
        kind: String,
        /// `country` or `provider`.
        wanted: &'static str,
        /// The fields that were looked for.
        expected: &'static str,
    },
}

/// The GeoIP files of the process. They can be exchanged while lookups go on.
pub struct GeoIp(ArcSwap<Databases>);

#[derive(Default)]
struct Databases {
    places: Vec<Database<PlaceShape>>,
    providers: Vec<Database<ProviderShape>>,
}

struct Database<S: Shape> {
    file: PathBuf,
    reader: Reader<Vec<u8>>,
    shape: S,
    /// What records have said, each by where it lies in the file, which is nobody's address; one per place of the list.
    said: Mutex<Vec<Remembered<S::Said>>>,
}

/// Where a record lies, and what it says.
type Remembered<T> = Option<(usize, Option<T>)>;

/// Records whose words are remembered, of each file. Finding a record is quick; reading it is what takes time.
const REMEMBERED: usize = 4_096;

/// One file in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoFile {
    /// As configured.
    pub file: PathBuf,
    /// The type that the file gives itself.
    pub kind: String,
    /// When it was made, as it says.
    pub built_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlaceShape {
    /// `country.iso_code`, or `registered_country.iso_code`; `subdivisions[0].names.en`.
    MaxMind,
    /// `country_code`, `state1`.
    DbIp,
    /// `country_code` (older files: `country`), and `region` in files that go beyond the country.
    IpInfo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProviderShape {
    /// `autonomous_system_organization`: MaxMind, DB-IP, ip-location-db.
    MaxMind,
    /// `as_name`.
    IpInfo,
}

type Record<'a> = LookupResult<'a, Vec<u8>>;

/// What a shape can be asked.
trait Shape: Copy + Sized + 'static {
    const ALL: &'static [Self];
    const WANTED: &'static str;
    const EXPECTED: &'static str;
    /// What a record can say.
    type Said: Clone + Send;
    /// What the record says, if anything.
    fn read(self, record: &Record<'_>) -> Option<Self::Said>;
    /// Writes it into the place.
    fn fill(said: Self::Said, place: &mut Place);
}

impl Shape for PlaceShape {
    const ALL: &'static [Self] = &[Self::MaxMind, Self::DbIp, Self::IpInfo];
    const WANTED: &'static str = "country";
    const EXPECTED: &'static str = "country.iso_code (MaxMind), country_code with state1 (DB-IP, ip-location-db) or country_code with country (IPinfo)";

    /// Country and region.
    type Said = (SmolStr, SmolStr);

    fn read(self, record: &Record<'_>) -> Option<Self::Said> {
        let code = |path: &[PathElement<'_>]| text(record, path).as_deref().and_then(country_code);
        let country = match self {
            // Of a network that is used everywhere, only the country that it is registered in is known.
            Self::MaxMind => {
                code(&path!["country", "iso_code"]).or_else(|| code(&path!["registered_country", "iso_code"]))
            }
            Self::DbIp => code(&path!["country_code"]),
            Self::IpInfo => code(&path!["country_code"]).or_else(|| code(&path!["country"])),
        }?;
        let region = match self {
            Self::MaxMind => text(record, &path!["subdivisions", 0, "names", "en"])
                .or_else(|| text(record, &path!["subdivisions", 0, "iso_code"])),
            Self::DbIp => text(record, &path!["state1"]),
            Self::IpInfo => text(record, &path!["region"]),
        };
        Some((country.into(), region.unwrap_or_default().into()))
    }

    fn fill(said: Self::Said, place: &mut Place) {
        (place.country, place.region) = said;
    }
}

impl Shape for ProviderShape {
    const ALL: &'static [Self] = &[Self::MaxMind, Self::IpInfo];
    const WANTED: &'static str = "provider";
    const EXPECTED: &'static str = "autonomous_system_organization (MaxMind, DB-IP) or as_name (IPinfo)";

    type Said = SmolStr;

    fn read(self, record: &Record<'_>) -> Option<Self::Said> {
        let provider = match self {
            Self::MaxMind => text(record, &path!["autonomous_system_organization"]),
            Self::IpInfo => text(record, &path!["as_name"]),
        };
        provider.map(SmolStr::from)
    }

    fn fill(said: Self::Said, place: &mut Place) {
        place.provider = said;
    }
}

impl GeoIp {
    /// No files: every place is empty.
    pub fn empty() -> Self {
        Self(ArcSwap::default())
    }

    /// Opens the files for country and region, and those for the provider. Either list may be empty.
    pub fn open(place: &[PathBuf], provider: &[PathBuf]) -> Result<Self, GeoError> {
        Ok(Self(ArcSwap::from_pointee(Databases::open(place, provider)?)))
    }

    /// Opens the files again, or others, and uses them from now on; when one cannot be used, all stays as it was.
    pub fn reload(&self, place: &[PathBuf], provider: &[PathBuf]) -> Result<(), GeoError> {
        self.0.store(Arc::new(Databases::open(place, provider)?));
        Ok(())
    }

    /// Where the address is. Addresses that are not public are nowhere.
    pub fn lookup(&self, address: IpAddr) -> Place {
        let address = address.to_canonical();
        let mut place = Place::default();
        if is_public(address) {
            let databases = self.0.load();
            first_answer(&databases.places, address, &mut place);
            first_answer(&databases.providers, address, &mut place);
        }
        place
    }

    /// The files in use, for the operator's eyes.
    pub fn files(&self) -> Vec<GeoFile> {
        let databases = self.0.load();
        let places = databases.places.iter().map(Database::describe);
        places.chain(databases.providers.iter().map(Database::describe)).collect()
    }
}

impl Databases {
    fn open(place: &[PathBuf], provider: &[PathBuf]) -> Result<Self, GeoError> {
        Ok(Self {
            places: place.iter().map(|file| Database::open(file)).collect::<Result<_, _>>()?,
            providers: provider.iter().map(|file| Database::open(file)).collect::<Result<_, _>>()?,
        })
    }
}

impl<S: Shape> Database<S> {
    fn open(file: &Path) -> Result<Self, GeoError> {
        let open = |cause| GeoError::Open { file: file.to_owned(), cause };
        let reader = Reader::open_readfile(file).map_err(open)?;
        Self::with_shape_found(file, reader)
    }

    fn with_shape_found(file: &Path, reader: Reader<Vec<u8>>) -> Result<Self, GeoError> {
        match shape(&reader) {
            Some(shape) => Ok(Self { file: file.to_owned(), reader, shape, said: Mutex::default() }),
            None => Err(GeoError::Empty {
                file: file.to_owned(),
                kind: name(&reader.metadata().database_type).unwrap_or_default(),
                wanted: S::WANTED,
                expected: S::EXPECTED,
            }),
        }
    }

    /// What a record says, remembered or read.
    fn says(&self, record: &Record<'_>) -> Option<S::Said> {
        let offset = record.offset()?;
        let at = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        let lock = || self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some((known, said))) = lock().get(at % REMEMBERED)
            && *known == offset
        {
            return said.clone();
        }
        let said = self.shape.read(record);
        let mut remembered = lock();
        remembered.resize(REMEMBERED, None);
        remembered[at % REMEMBERED] = Some((offset, said.clone()));
        said
    }

    fn describe(&self) -> GeoFile {
        let metadata = self.reader.metadata();
        // Files that were made for a demonstration have no age.
        let epoch = i64::try_from(metadata.build_epoch).ok().filter(|epoch| *epoch > 0);
        let built_at = epoch.and_then(|epoch| Timestamp::from_second(epoch).ok());
        GeoFile { file: self.file.clone(), kind: name(&metadata.database_type).unwrap_or_default(), built_at }
    }
}

/// The first shape that reads one of the file's first networks.
fn shape<S: Shape>(reader: &Reader<Vec<u8>>) -> Option<S> {
    let records = || reader.networks(Default::default()).into_iter().flatten().take(PROBES).filter_map(Result::ok);
    let reads = |shape: &S| records().any(|record| shape.read(&record).is_some());
    S::ALL.iter().copied().find(reads)
}

/// A file for IPv4 is not asked for an IPv6 address: the reader calls that an error.
fn first_answer<S: Shape>(databases: &[Database<S>], address: IpAddr, place: &mut Place) {
    for database in databases {
        if (address.is_ipv4() || database.reader.metadata().ip_version == 6)
            && let Ok(record) = database.reader.lookup(address)
            && let Some(said) = database.says(&record)
        {
            return S::fill(said, place);
        }
    }
}

/// A text of the record, as a name; a record that is damaged, or of another shape, has none.
fn text(record: &Record<'_>, path: &[PathElement<'_>]) -> Option<String> {
    name(record.decode_path::<&str>(path).ok().flatten()?)
}

/// Trims, takes out what does not print, folds runs of spaces, cuts at 64 characters; none when nothing is left.
fn name(raw: &str) -> Option<String> {
    let prints = |character: &char| {
        !character.is_control()
            && !matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    let mut kept = String::new();
    // Twice the bound leaves space for what is taken out, and bounds the work on a file that somebody else made.
    for word in raw.chars().take(2 * MAX_NAME_CHARS).collect::<String>().split_whitespace() {
        let word: String = word.chars().filter(prints).collect();
        if !kept.is_empty() && !word.is_empty() {
            kept.push(' ');
        }
        kept.push_str(&word);
    }
    let kept: String = kept.chars().take(MAX_NAME_CHARS).collect();
    let kept = kept.trim_end();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// The countries of ISO 3166-1 (alpha-2), and `XK`, which is in use for Kosovo.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ \
    FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT \
    JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP \
    MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE \
    RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV \
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// A country's code in upper case. `EU` and `AP` are none, nor are `XX` and `ZZ`, by which some files say that they do not
/// know.
fn country_code(raw: &str) -> Option<String> {
    let code = raw.to_ascii_uppercase();
    COUNTRIES.split(' ').any(|country| country == code).then_some(code)
}

/// Addresses of private, shared, local and multicast use belong to no country. Those for documentation and benchmarks do
/// not either, but no real visitor has one and the demo's have nothing else.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let shared = u32::from(address) >> 22 == u32::from(Ipv4Addr::new(100, 64, 0, 0)) >> 22;
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || shared)
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address == Ipv6Addr::UNSPECIFIED
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast())
        }
    }
}

#[cfg(test)]
#[path = "geoip_tests.rs"]
pub(crate) mod tests;
