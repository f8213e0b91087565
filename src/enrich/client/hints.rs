//! The brands by which a Chromium browser names itself in `Sec-CH-UA`, and which browser family they make it.
//!
//! Only names of a fixed list are ever returned: the header is the client's, its words are not kept. The made-up brand
//! that Chromium adds (`Not)A;Brand`) is in no list and so falls away.

use super::super::version::leading_number;

/// Brand, family. The first entry that the header holds decides: every derivative also names Chromium.
const BRANDS: [(&str, &str); 15] = [
    ("Microsoft Edge WebView2", "Edge WebView"),
    ("Microsoft Edge", "Edge"),
    ("Opera GX", "Opera"),
    ("Opera", "Opera"),
    ("OperaMobile", "Opera"),
    ("Brave", "Brave"),
    ("YaBrowser", "Yandex Browser"),
    ("Yandex", "Yandex Browser"),
    ("Samsung Internet", "Samsung Internet"),
    ("DuckDuckGo", "DuckDuckGo"),
    ("Vivaldi", "Vivaldi"),
    ("HuaweiBrowser", "Huawei Browser"),
    ("Amazon Silk", "Silk"),
    ("Android WebView", "Android WebView"),
    ("Google Chrome", "Chrome"),
];

/// The family and major version that the brands name, if one of them is known.
pub(super) fn family(brands: &str) -> Option<(&'static str, u16)> {
    let listed: Vec<(&str, u16)> = entries(brands).collect();
    BRANDS
        .iter()
        .find_map(|(brand, family)| listed.iter().find(|(name, _)| name == brand).map(|(_, major)| (*family, *major)))
}

/// The header's pairs of quoted brand and version, at most sixteen. A brand may itself hold `;` and `,`, which is why
/// quotes are looked for and not separators.
fn entries(header: &str) -> impl Iterator<Item = (&str, u16)> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once('"')?;
        let (brand, after) = after.split_once('"')?;
        let (_, after) = after.split_once("v=\"")?;
        let (version, after) = after.split_once('"')?;
        rest = after;
        Some((brand, leading_number(version)))
    })
    .take(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_name_the_family() {
        for (header, expected) in [
            (r#""Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140""#, Some(("Chrome", 140))),
            (r#""Not)A;Brand";v="8", "Chromium";v="138", "Microsoft Edge";v="138""#, Some(("Edge", 138))),
            (r#""Not;A=Brand";v="99", "Opera";v="121", "Chromium";v="137""#, Some(("Opera", 121))),
            (r#""Brave";v="139", "Chromium";v="139""#, Some(("Brave", 139))),
            (r#""YaBrowser";v="25.8", "Chromium";v="138", "Yowser";v="2.5""#, Some(("Yandex Browser", 25))),
            (r#""Android WebView";v="139", "Chromium";v="139""#, Some(("Android WebView", 139))),
            (r#""Chromium";v="139", "Not A(Brand";v="24""#, None),
            (r#""Chromium;v=139"#, None),
            (r#"""""""""""""#, None),
            ("", None),
        ] {
            assert_eq!(family(header), expected, "{header}");
        }
    }
}
