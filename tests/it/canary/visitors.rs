//! Visitors who carry secrets in every channel that reaches the product, in requests that are well-formed and not.

use std::sync::LazyLock;

use super::search::Needles;
use crate::support::collector::{AGENT, beacon_of, view_bytes, view_id};
use crate::support::program::Program;

const ADDRESS: &str = "198.18.77.213";
const ADDRESS_6: &str = "2001:db8:77:213:cafe:f00d:1:2";
const AGENT_TOKEN: &str = "KanarischeAgentenKennung";
const HINT: &str = "KanarischerHinweis";
const COOKIE: &str = "kanarische-sitzung-4b1d";
const FORGED: &str = "AalmixZkanarischALtHSohccrUQ8BJVG2UqgCqAIBOthrwQKeVPeK3jgrpaks";
const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImthbmFyaSJ9";
const EMAIL: &str = "aigerim.kanar@example.kz";
const PHONE: &str = "+77017654321";
const IIN: &str = "870412350987";
const SEGMENT: &str = "kanarenweg-77aa";
const PARAMETER: &str = "kanarischer-parameter";
const FRAGMENT: &str = "kanarischer-anker";
const CAMPAIGN: &str = "kanarische-kampagne";
const REFERRER: &str = "kanarische-herkunft";
const REFERRER_HOST: &str = "kanarienhost";
const USER_INFO: &str = "kanarischer-nutzer";
const EXIT_PATH: &str = "kanarischer-ausgang";
const EVENT: &str = "kanarisches.ereignis";
const VARIANT: &str = "kanarische.variante";
const FIELD: &str = "kanarisches_feld";
const QUERY: &str = "kanarische suche";
const MESSAGE: &str = "kanarischer fehler";
const SITE: &str = "kanarische-seite.kz";
const HOST: &str = "kanarischer-wirt.kz";
const DETECTOR: &str = "kanarischer_fund";
const DIGEST: &str = "S2FuYXJpc2NoZXJXZXJ0IQ";
const LANGUAGE: &str = "x-kanarisch";
/// In the form of a language's tag.
const HINT_TAG: &str = "kanarisc-hinweis";
const HEADER: &str = "kanarische-kopfzeile";

const NONCE: &str = "nonce-des-kanarienvogels";
const ZONE: &str = "Kanarien/Kanarenstadt";
const SERVICE: &str = "kanarischer_dienst";

const SECRETS: [&str; 35] = [
    NONCE,
    ZONE,
    SERVICE,
    ADDRESS,
    ADDRESS_6,
    AGENT_TOKEN,
    HINT,
    COOKIE,
    FORGED,
    TOKEN,
    EMAIL,
    PHONE,
    IIN,
    SEGMENT,
    PARAMETER,
    FRAGMENT,
    CAMPAIGN,
    REFERRER,
    REFERRER_HOST,
    USER_INFO,
    EXIT_PATH,
    EVENT,
    VARIANT,
    FIELD,
    QUERY,
    MESSAGE,
    SITE,
    HOST,
    LANGUAGE,
    HEADER,
    DETECTOR,
    DIGEST,
    HINT_TAG,
    "kanarisc",
    // What the digest's text stands for.
    "KanarischerWert!",
];

/// What to look for: the secrets, and the view ids of all rounds as text and as bytes.
pub(crate) fn needles() -> &'static Needles {
    static NEEDLES: LazyLock<Needles> = LazyLock::new(|| {
        let views: Vec<String> = (0..12).flat_map(|round| [view(round, 0), view(round, 1)]).map(view_id).collect();
        let mut secrets: Vec<&str> = SECRETS.to_vec();
        secrets.extend(views.iter().map(String::as_str));
        let bytes = (0..12).flat_map(|round| [view(round, 0), view(round, 1)]);
        bytes.fold(Needles::new(&secrets), |needles, byte| needles.and("a view id", view_bytes(byte).to_vec()))
    });
    &NEEDLES
}

/// The same for the answer to a call for a verdict, which repeats the call's nonce.
pub(crate) fn needles_of_verdicts() -> &'static Needles {
    static NEEDLES: LazyLock<Needles> =
        LazyLock::new(|| Needles::new(&SECRETS.into_iter().filter(|secret| *secret != NONCE).collect::<Vec<_>>()));
    &NEEDLES
}

/// Calls for verdicts, as bytes: some that get one, and some that do not.
pub(crate) fn calls(product: &Program) -> Vec<Vec<u8>> {
    let good = format!(
        r#"{{"v":1,"site":"jetpay.kz","nonce":"{NONCE}","consent":"given","{FIELD}":"{EMAIL}","ports":{{"{SERVICE}":"open","rdp":"open"}},
        "evidence":{{"automation":["{DETECTOR}","webdriver"],"engine":"blink","zone":"{ZONE}","languages":["{HINT_TAG}","kk"],
        "screen":[77017,65432,1,1],"window":[77017,65432,1,1],"touch":0,"input":{{"moves":"none"}},"{FIELD}":"{TOKEN}"}}}}"#
    );
    let call = |body: &str| {
        let call = product
            .beacon(body)
            .header("User-Agent", &format!("{AGENT} {AGENT_TOKEN}"))
            .header("Sec-CH-UA", &format!("\"{HINT}\";v=\"1\", \"Chromium\";v=\"149\""))
            .header("Accept-Language", LANGUAGE)
            .header("Referer", &format!("https://jetpay.kz/{REFERRER}"))
            .header("X-Forwarded-For", ADDRESS)
            .header("Cookie", &format!("sid={COOKIE}; __Host-tamga-jetpay.kz={FORGED}"));
        let mut bytes = call.bytes();
        let end = bytes.iter().position(|byte| *byte == b'\r').unwrap();
        bytes.splice(..end, b"POST /v1/verdict HTTP/1.1".iter().copied());
        bytes
    };
    vec![
        call(&good),
        call(&good.replace("jetpay.kz", SITE)),
        call(&good.replace(NONCE, &format!("{NONCE} {EMAIL}"))),
        call(&good[..good.len() / 2]),
    ]
}

/// The number of a view.
fn view(round: u8, which: u8) -> u8 {
    1 + 2 * round + which
}

/// A round of requests, as bytes.
pub(crate) fn requests(product: &Program, round: u8) -> Vec<Vec<u8>> {
    let page = format!(
        "https://{USER_INFO}:pw@jetpay.kz/pay/{SEGMENT}/{EMAIL}?email={EMAIL}&{PARAMETER}=1&utm_source={CAMPAIGN}\
         &utm_campaign={CAMPAIGN}&gclid={TOKEN}#{FRAGMENT}"
    );
    let pages = [
        page.clone(),
        format!("https://jetpay.kz/docs/{SEGMENT}{PHONE}/{IIN}/{TOKEN}"),
        format!("https://jetpay.kz/{}", EMAIL.replace('@', "%2540")),
        format!("https://jetpay.kz/docs/{}", EMAIL.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>()),
        format!("https://{HOST}/x"),
    ];
    // Of a referrer its registrable domain may rest, of a page what the site's templates keep; nothing else.
    let referrer = format!("https://{REFERRER_HOST}.example.kz/{REFERRER}?q={QUERY}");
    let own_referrer = format!("https://jetpay.kz/docs/{IIN}/{EMAIL}?{REFERRER}");
    let mut events: Vec<String> = pages
        .iter()
        .zip([&referrer, &own_referrer].into_iter().cycle())
        .map(|(page, referrer)| {
            format!(r#"{{"type":"view","at":0,"url":"{page}","referrer":"{referrer}","{FIELD}":1}}"#)
        })
        .collect();
    events.extend([
        format!(r#"{{"type":"exit","at":1,"url":"https://{USER_INFO}@www.kaspi.kz/{EXIT_PATH}?{PARAMETER}"}}"#),
        format!(r#"{{"type":"event","at":1,"name":"{EVENT}","variant":"{VARIANT}"}}"#),
        format!(r#"{{"type":"event","at":1,"name":"pay.started","variant":"{VARIANT}"}}"#),
        format!(r#"{{"type":"search","at":1,"query":"{QUERY}"}}"#),
        format!(r#"{{"type":"error","at":1,"message":"{MESSAGE} {EMAIL}"}}"#),
        format!(r#"{{"type":"{EVENT}","at":1,"{FIELD}":"{EMAIL}"}}"#),
    ]);
    let good = beacon_of(view(round, 0), 0, &events.join(","));
    let second = beacon_of(view(round, 1), 0, &events[1]);
    let device = format!(
        r#"{{"time_zone":"{EMAIL}","canvas":{{"digest":"{DIGEST}","state":"normal"}},"fonts":["{SEGMENT}","{PHONE}","Arial"],
        "plugins":["{SEGMENT} PDF","{EMAIL}"],"webgl":{{"vendor":"{HINT}","renderer":"{HINT} GeForce {IIN}","digest":"{DIGEST}"}},
        "languages":["kk-x-kanarisc","{HINT_TAG}"],"automation":["{DETECTOR}"],"{FIELD}":"{EMAIL}",
        "screen":{{"width":77017,"height":65432,"depth":24,"ratio":100,"window":"full"}}}}"#
    );
    let device = beacon_of(view(round, 1), 7, "").replace("]}", &format!("],\"device\":{device}}}"));
    // Words of a search or a message may rest; what names someone may not.
    let texts = [EMAIL, PHONE, IIN, TOKEN].map(|secret| {
        format!(
            r#"{{"type":"search","at":1,"query":"чай {secret}"}},{{"type":"error","at":1,"message":"upload of {secret} failed"}}"#
        )
    });
    let texts = beacon_of(view(round, 1), 8, &texts.join(",")).replace("jetpay.kz", "all.kz");
    let laden = |body: &str| {
        product
            .beacon(body)
            .header("User-Agent", &format!("{AGENT} {AGENT_TOKEN}"))
            .header("Sec-CH-UA", &format!("\"{HINT}\";v=\"1\", \"Chromium\";v=\"150\""))
            .header("Sec-CH-UA-Platform", &format!("\"{HINT}\""))
            .header("Accept-Language", LANGUAGE)
            .header("Authorization", &format!("Bearer {TOKEN}"))
            .header("Referer", &format!("https://jetpay.kz/{REFERRER}"))
            .header("X-Forwarded-For", &format!("{ADDRESS_6}, {ADDRESS}"))
            .header("Forwarded", &format!("for=\"[{ADDRESS_6}]\""))
            .header("X-Real-IP", ADDRESS)
            .header("X-Custom", HEADER)
            .header("Cookie", &format!("sid={COOKIE}; __Host-tamga-jetpay.kz={FORGED}; jwt={TOKEN}"))
    };
    let ipv6 = laden(&second).header("X-Forwarded-For", ADDRESS_6);
    let picture = |target: &str| {
        let mut bytes = laden("").bytes();
        let end = bytes.iter().position(|byte| *byte == b'\r').unwrap();
        bytes.splice(..end, format!("GET {target} HTTP/1.1").into_bytes());
        bytes
    };
    let route = |line: &str| {
        let mut bytes = laden("").bytes();
        let end = bytes.iter().position(|byte| *byte == b'\r').unwrap();
        bytes.splice(..end, format!("{line} HTTP/1.1").into_bytes());
        bytes
    };
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let (shown, reported) = (encode(&page), encode(&referrer));
    vec![
        laden(&good).bytes(),
        laden(&good).bytes(),
        ipv6.bytes(),
        laden(&second.replace("\"seq\":0", "\"seq\":1")).header("Sec-GPC", "1").bytes(),
        laden(&second.replace("\"seq\":0", "\"seq\":2"))
            .header("Cookie", &format!("__Host-tamga-off=1; {COOKIE}"))
            .bytes(),
        laden(&beacon_of(view(round, 1), 3, &format!("{{\"type\":\"object\",\"at\":0,\"{FIELD}\":1}},{}", events[0])))
            .bytes(),
        laden(&second.replace("\"seq\":0", "\"seq\":4"))
            .header("User-Agent", &format!("Googlebot/2.1 {AGENT_TOKEN} {EMAIL}"))
            .bytes(),
        laden(&second.replace("\"seq\":0", "\"seq\":5")).without("Accept-Language").bytes(),
        laden(&second.replace("\"seq\":0", "\"seq\":6"))
            .header("X-Forwarded-For", &format!("{EMAIL}, {TOKEN}"))
            .bytes(),
        laden(&device).bytes(),
        laden(&texts).header("Origin", "https://all.kz").bytes(),
        // Refused, each in its way.
        laden(&device.replace("\"seq\":7", "\"seq\":9").replace("kk-x", "kk_x")).bytes(),
        laden(&good[..good.len() / 2]).bytes(),
        laden(&good.replace("\"v\":1", "\"v\":2")).bytes(),
        laden(&good.replace("\"site\":\"jetpay.kz\"", &format!("\"site\":\"{SITE}\""))).bytes(),
        laden(&good).header("Origin", &format!("https://{HOST}")).bytes(),
        laden(&good).header("Content-Type", &format!("text/{HEADER}")).bytes(),
        laden(&(good.clone() + &EMAIL.repeat(4_000))).bytes(),
        laden(&good.replace(&view_id(view(round, 0)), TOKEN)).bytes(),
        laden(&good.replace("pay.started", &format!("{EMAIL} {QUERY}"))).bytes(),
        laden(&good.replace("https://jetpay.kz/docs", &format!("https://jetpay.kz:{PHONE}/docs"))).bytes(),
        laden(&good).header("X-Long", &EMAIL.repeat(4_000)).bytes(),
        route(&format!("POST /v1/beacon/{EMAIL}?{PARAMETER}")),
        route(&format!("DELETE /v1/beacon?{EMAIL}")),
        route("OPTIONS /v1/beacon"),
        route(&format!("GET /tamga.js?{EMAIL}")),
        picture(&format!("/v1/picture?site=jetpay.kz&url={shown}&ref={reported}&{PARAMETER}={EMAIL}")),
        picture(&format!("/v1/picture?site={SITE}&url={shown}")),
        picture("/v1/picture?site=jetpay.kz"),
        // No HTTP at all, or cut in the middle.
        format!("{EMAIL} {TOKEN}\r\n{HEADER}\r\n\r\n").into_bytes(),
        format!("POST /{SEGMENT} HTTP/1.1\r\n{HEADER} : {EMAIL}\r\n\r\n").into_bytes(),
        format!("POST /v1/beacon HTTP/1.1\r\nContent-Length: {EMAIL}\r\n\r\n{good}").into_bytes(),
        [b"POST /v1/beacon HTTP/1.1\r\nConnection: close\r\nHost: \xff\xfe", EMAIL.as_bytes(), b"\r\n\r\n"].concat(),
    ]
}
