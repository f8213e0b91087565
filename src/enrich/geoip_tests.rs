//! What the committed fixtures answer, in each of the shapes, and that nothing makes a lookup fail.

use std::fs;

use proptest::prelude::*;

use super::*;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo").join(name)
}

fn geo(place: &[&str], provider: &[&str]) -> GeoIp {
    let files = |names: &[&str]| names.iter().map(|name| fixture(name)).collect::<Vec<_>>();
    GeoIp::open(&files(place), &files(provider)).expect("the fixtures open")
}

fn ask(geo: &GeoIp, address: &str) -> String {
    let Place { country, region, provider } = geo.lookup(address.parse().expect("an address"));
    format!("{country}|{region}|{provider}")
}

#[test]
fn every_network_of_the_list_is_found_in_every_shape() {
    let nested = geo(&["city-nested.mmdb"], &["asn.mmdb"]);
    let flat = geo(&["city-ipv4.mmdb", "city-ipv6.mmdb"], &["country-ipinfo.mmdb"]);
    let lite = geo(&["country-ipinfo.mmdb"], &[]);
    let list = fs::read_to_string(fixture("networks.csv")).expect("the list is committed");
    let mut regions = std::collections::BTreeSet::new();
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let range: ipnet::IpNet = fields[0].parse().expect("a network");
        for address in [range.network(), range.broadcast()] {
            let expected = format!("{}|{}|{}", fields[1], fields[2], fields[3]);
            assert_eq!(ask(&nested, &address.to_string()), expected);
            assert_eq!(ask(&flat, &address.to_string()), expected);
            assert_eq!(ask(&lite, &address.to_string()), format!("{}||", fields[1]));
        }
        assert!(fields[4].parse::<u32>().is_ok_and(|weight| weight > 0), "{line}");
        if fields[1] == "KZ" {
            regions.insert(fields[2].to_owned());
        }
    }
    assert_eq!(regions.len(), 17 + 3, "the regions of Kazakhstan and its three cities of that rank");
}

#[test]
fn the_registered_country_stands_in_and_a_continent_is_no_country() {
    let registered = geo(&["country-registered.mmdb"], &[]);
    // Every other network of the file has `EU` as its country.
    assert_eq!(ask(&registered, "198.18.0.9"), "KZ||");
    let list = fs::read_to_string(fixture("networks.csv")).expect("the list is committed");
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let range: ipnet::IpNet = fields[0].parse().expect("a network");
        assert_eq!(ask(&registered, &range.network().to_string()), format!("{}||", fields[1]), "{line}");
    }
    for (code, expected) in [
        ("kz", Some("KZ")),
        ("XK", Some("XK")),
        ("EU", None),
        ("AP", None),
        ("XX", None),
        ("QQ", None),
        ("", None),
        ("K", None),
    ] {
        assert_eq!(country_code(code).as_deref(), expected, "{code}");
    }
    assert_eq!(COUNTRIES.split(' ').count(), 249 + 1);
}

#[test]
fn what_no_file_knows_is_empty() {
    let full = geo(&["city-nested.mmdb"], &["asn.mmdb"]);
    let v4_only = geo(&["city-ipv4.mmdb"], &[]);
    for (geo, address, expected) in [
        (&full, "198.19.255.1", "||"),
        (&full, "8.8.8.8", "||"),
        (&full, "2001:db8:ffff::1", "||"),
        (&full, "::ffff:198.18.0.1", "KZ|Almaty|Kazakhtelecom"),
        (&full, "::ffff:10.0.0.1", "||"),
        (&v4_only, "2001:db8:100::1", "||"),
        (&v4_only, "::ffff:198.18.0.1", "KZ|Almaty|"),
        (&GeoIp::empty(), "198.18.0.1", "||"),
    ] {
        assert_eq!(ask(geo, address), expected, "{address}");
    }
    for private in
        ["10.1.2.3", "127.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "169.254.0.1", "0.0.0.0", "224.0.0.1"]
    {
        assert!(!is_public(private.parse().expect("an address")), "{private}");
    }
    for private in ["::1", "::", "fe80::1", "fd00::1", "ff02::1"] {
        assert!(!is_public(private.parse().expect("an address")), "{private}");
    }
    assert!(is_public(IpAddr::V4(Ipv4Addr::new(100, 128, 0, 1))));
}

#[test]
fn a_file_that_would_answer_nothing_is_refused_with_a_remedy() {
    let refusal = |place: &[PathBuf], provider: &[PathBuf]| match GeoIp::open(place, provider) {
        Ok(_) => panic!("the file was taken"),
        Err(error) => error.to_string(),
    };
    let as_place = refusal(&[fixture("asn.mmdb")], &[]);
    assert!(as_place.contains("asn.mmdb") && as_place.contains("gives no country"), "{as_place}");
    assert!(as_place.contains("country.iso_code") && as_place.contains("[geo] provider"), "{as_place}");
    let as_provider = refusal(&[], &[fixture("city-ipv4.mmdb")]);
    assert!(as_provider.contains("gives no provider") && as_provider.contains("as_name"), "{as_provider}");
    let missing = refusal(&[fixture("none.mmdb")], &[]);
    assert!(missing.contains("none.mmdb") && missing.contains("check the path"), "{missing}");
    let text = refusal(&[fixture("networks.csv")], &[]);
    assert!(text.contains("networks.csv") && text.contains(".mmdb"), "{text}");
}

#[test]
fn files_are_exchanged_while_in_use_and_kept_when_the_new_ones_are_bad() {
    let geo = geo(&["country-ipinfo.mmdb"], &[]);
    geo.reload(&[fixture("city-nested.mmdb")], &[]).expect("the fixture opens");
    assert_eq!(ask(&geo, "198.18.0.1"), "KZ|Almaty|");
    assert!(geo.reload(&[fixture("networks.csv")], &[]).is_err());
    assert_eq!(ask(&geo, "198.18.0.1"), "KZ|Almaty|");
    let [file] = &geo.files()[..] else { panic!("one file") };
    assert_eq!((file.kind.as_str(), file.built_at.map(Timestamp::as_second)), ("GeoIP2-City", None));
}

#[test]
fn names_are_bounded_and_print() {
    assert_eq!(name("  Kazakh\ttelecom \n JSC "), Some("Kazakh telecom JSC".to_owned()));
    assert_eq!(name("a\u{202E}b\u{0}c\u{200B}"), Some("abc".to_owned()));
    assert_eq!(name("\u{0} \u{FEFF}"), None);
    assert_eq!(name(&"ж".repeat(500)).map(|name| name.chars().count()), Some(MAX_NAME_CHARS));
    for (raw, code) in [("kz", Some("KZ")), ("KAZ", None), ("K1", None), ("ZZ", None), ("", None), ("ҚЗ", None)] {
        assert_eq!(country_code(raw).as_deref(), code, "{raw}");
    }
}

proptest! {
    #[test]
    fn no_address_makes_a_lookup_fail(v4 in any::<u32>(), v6 in any::<u128>(), low in 0u32..0x20000) {
        thread_local!(static GEO: GeoIp = geo(&["city-ipv4.mmdb", "city-nested.mmdb"], &["asn.mmdb"]));
        let in_range = Ipv4Addr::from(0xC612_0000 + low);
        for address in [IpAddr::V4(v4.into()), IpAddr::V6(v6.into()), IpAddr::V4(in_range), IpAddr::V6(in_range.to_ipv6_mapped())] {
            let place = GEO.with(|geo| geo.lookup(address));
            prop_assert!(place.country.is_empty() || place.country.len() == 2);
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_answers_within_bounds(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40), low in 0u32..0x20000) {
        let mut bytes = fs::read(fixture("city-nested.mmdb")).expect("the fixture is committed");
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let opened = Reader::from_source(bytes).ok().and_then(|reader| Database::<PlaceShape>::with_shape_found(Path::new("x"), reader).ok());
        if let Some(database) = opened {
            let mut place = Place::default();
            first_answer(&[database], IpAddr::V4(Ipv4Addr::from(0xC612_0000 + low)), &mut place);
            prop_assert!(place.country.len() <= 2 && place.region.chars().count() <= MAX_NAME_CHARS);
        }
    }
}
