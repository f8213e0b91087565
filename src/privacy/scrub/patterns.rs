//! The rules that are patterns or scans, in the order in which they are asked.

use std::net::Ipv4Addr;

use super::rule::{ALWAYS, Find, Rule};
use super::{plates, scans, shapes, token};

pub(super) static RULES: &[Rule] = &[
    Rule {
        name: "url",
        needs: |of| of.colons > 0 || of.dots > 0,
        find: Find::Pattern(
            r"[a-z][a-z0-9+.-]{1,15}://\S+|\bwww\.\S+|\b(?:data|blob|mailto|tel|javascript):\S+|\b(?:t|wa|telegram)\.me/\S+|\b(?:instagram|facebook|vk|tiktok|twitter|linkedin|github|ok|threads|youtube)\.(?:com|ru|net)/@?[a-z0-9]\S+",
            ALWAYS,
        ),
        joins: false,
        #[cfg(test)]
        finds: &["https://a.kz/p?x=1", "postgres://u:p@h/db", "www.a.kz/me", "mailto:a", "t.me/aigerim"],
        #[cfg(test)]
        leaves: &["net::ERR_FAILED", "http 404", "data is missing"],
    },
    Rule {
        name: "secret",
        needs: |of| of.ats > 0 && of.colons > 0,
        find: Find::Pattern(r"[^\s:/@]+:[^\s@/]*@\S+", ALWAYS),
        joins: false,
        #[cfg(test)]
        finds: &["root:hunter2@db", "u:@h"],
        #[cfg(test)]
        leaves: &["at 10:30 @ noon", "a:b"],
    },
    Rule {
        name: "email",
        needs: |of| of.ats > 0,
        find: Find::Pattern(
            r"[a-z0-9_.%+'\x01-]+(?:[\s\[({<]{0,3}@[\s\])}>]{0,3}[a-z0-9\x01-]+(?:\s{0,2}\.\s{0,2}[a-z0-9\x01-]+)+|@[a-z0-9\x01]+)",
            ALWAYS,
        ),
        joins: true,
        #[cfg(test)]
        finds: &["a@b.kz", "A.B+c@Mail.Example.KZ", "айгерим@почта.қаз", "a @ b . kz", "root@localhost"],
        #[cfg(test)]
        leaves: &["@media", "a @ b", "mail.kz"],
    },
    Rule {
        name: "email",
        needs: |of| of.brackets > 0,
        find: Find::Pattern(
            r"[a-z0-9_.%+'\x01-]+\s{0,2}[\[({<]\s{0,2}at\s{0,2}[\])}>]\s{0,2}[a-z0-9\x01-]+(?:\s{0,2}[\[({<]?\s{0,2}(?:\.|dot)\s{0,2}[\])}>]?\s{0,2}[a-z0-9\x01-]+)*",
            ALWAYS,
        ),
        joins: false,
        #[cfg(test)]
        finds: &["a[at]b.kz", "aigerim (at) mail (dot) kz"],
        #[cfg(test)]
        leaves: &["look at me", "(at least)"],
    },
    Rule {
        name: "name",
        needs: |of| of.ats > 0,
        find: Find::Pattern(r"@\s?[a-z\x01][a-z0-9_.\x01]{1,31}/?", scans::is_handle),
        joins: false,
        #[cfg(test)]
        finds: &["@aigerim_n", "ask @Aigerim"],
        #[cfg(test)]
        leaves: &["@media", "@babel/core", "@"],
    },
    Rule {
        name: "jwt",
        needs: |of| of.code_run >= scans::JWT_MIN,
        find: Find::Scan(scans::jwts),
        joins: true,
        #[cfg(test)]
        finds: &[
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
            "EYJHBGCIOIJIUZI1NIJ9",
            "eyJhbGciOiJIUzI1NiJ9 eyJzdWIiOiIxMjM0In0 c2lnbm F0 dXJl",
        ],
        #[cfg(test)]
        leaves: &["eyjafjallajokull", "monkeyjungle"],
    },
    Rule {
        name: "uuid",
        needs: |of| of.hex >= 32,
        find: Find::Pattern(r"[0-9a-f]{8}(?:[^0-9a-z]{0,3}[0-9a-f]{4}){3}[^0-9a-z]{0,3}[0-9a-f]{12}", ALWAYS),
        joins: true,
        #[cfg(test)]
        finds: &[
            "0b8f1c2e-4d5a-4c3b-9e8f-aabbccddeeff",
            "0B8F1C2E4D5A4C3B9E8FAABBCCDDEEFF",
            "idabcdefab cdef abcd efab cdefabcdefab",
        ],
        #[cfg(test)]
        leaves: &["0b8f1c2e-4d5a-4c3b", "deadbeef"],
    },
    Rule {
        name: "iban",
        needs: |of| of.digits >= 2 && of.alphanumeric >= 15,
        find: Find::Scan(scans::ibans),
        joins: true,
        #[cfg(test)]
        finds: &["KZ86125KZT5004100100", "kz27 8562 2031 3942 1566", "ibanGB82-WEST-1234-5698-7654-32x"],
        #[cfg(test)]
        leaves: &["KZ86125KZT5004100101", "kz-2026-black-edition-of-2025", "de"],
    },
    Rule {
        name: "mac",
        needs: |of| of.hex >= 12 && of.colons + of.dashes + of.dots >= 2,
        find: Find::Pattern(r"\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b|\b[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}\b", ALWAYS),
        joins: false,
        #[cfg(test)]
        finds: &["00:1b:44:11:3a:b7", "00-1B-44-11-3A-B7", "001b.4411.3ab7"],
        #[cfg(test)]
        leaves: &["10:30:45", "ab-cd-ef"],
    },
    Rule {
        name: "address",
        needs: |of| of.dots >= 3 && of.digits >= 4,
        find: Find::Pattern(r"\d{1,3}(?:\.\d{1,3}){3}", |text| text.parse::<Ipv4Addr>().is_ok()),
        joins: false,
        #[cfg(test)]
        finds: &["198.18.7.9", "from 10.0.0.1:8080"],
        #[cfg(test)]
        leaves: &["1.2.3", "1.2.3.456"],
    },
    Rule {
        name: "address",
        needs: |of| of.colons >= 2,
        find: Find::Pattern(r"[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}", scans::is_ipv6),
        joins: false,
        #[cfg(test)]
        finds: &["2001:db8::1", "[fe80::1ff:fe23:4567:890a]"],
        #[cfg(test)]
        leaves: &["10:30:45", "a::b", "::1"],
    },
    Rule {
        name: "secret",
        needs: |of| of.equals > 0 || of.colons > 0,
        find: Find::Pattern(
            concat!(
                r#"\b(?:pass(?:word|wd|phrase)?|pwd|secret|[a-z]{0,8}[_-]?token|api[_-]?key|key|auth|sessionid|session|sid|otp|pin|cvv|cvc|code|"#,
                r#"e-?mail|phone|tel|msisdn|iin|bin|iban|card|pan|passport|login|user(?:name|id|_id)?|(?:first|last|full)?_?name|fio|dob)"#,
                r#"(?:\s{0,2}=\s{0,2}["']?[^\s"'&;,)}=]+|["']\s{0,2}:\s{0,2}["']?[^\s"',}]+)"#
            ),
            ALWAYS,
        ),
        joins: false,
        #[cfg(test)]
        finds: &["password=hunter2", r#"{"login":"aigerim"}"#, "access_token = abc", "?name=Aigerim"],
        #[cfg(test)]
        leaves: &["Unexpected token: }", "wrong password", "reading 'name'", "a == b"],
    },
    Rule {
        name: "secret",
        needs: |of| of.spaces > 0 && of.code_run >= 8,
        find: Find::Pattern(r"\b(?:bearer|basic)\s+[a-z0-9+/=._~-]{8,}", |text| {
            text.bytes().any(|byte| byte.is_ascii_digit() || byte == b'=')
        }),
        joins: false,
        #[cfg(test)]
        finds: &["Bearer abcdef012345", "Authorization: Basic dXNlcjpwYXNz="],
        #[cfg(test)]
        leaves: &["basic knowledge", "bearer of news"],
    },
    Rule {
        name: "token",
        needs: |of| of.hex_run >= 16,
        find: Find::Pattern(r"[0-9a-f]{16,}", |text| text.bytes().any(|byte| byte.is_ascii_digit())),
        joins: false,
        #[cfg(test)]
        finds: &["deadbeefdeadbee1", "507F1F77BCF86CD799439011"],
        #[cfg(test)]
        leaves: &["deadbeef1", "facade"],
    },
    Rule {
        name: "encoded",
        needs: |of| (of.capitals > 0 && of.code_run >= token::BASE64_MIN) || of.hex_run >= token::HEX_MIN,
        find: Find::Encoded,
        joins: true,
        #[cfg(test)]
        finds: &["ODUwMTAxMzAwMTI0", "id-YWlnZXJpbUBtYWlsLmt6.html", "YUBiLmt6", "6140622e6b7a"],
        #[cfg(test)]
        leaves: &["Administration", "Getting-Started-With-Payments", "facade"],
    },
    // Six digits in base64, also when the capitals were lost, as in the name of a host.
    Rule {
        name: "encoded",
        needs: |of| of.run >= 8,
        find: Find::Pattern("(?:[mno][dtjz][aceigkmquy][wxyz0-5]){2}", ALWAYS),
        joins: true,
        #[cfg(test)]
        finds: &["mtawotywnzixotaw", "id=MTAWOTYWNZIX"],
        #[cfg(test)]
        leaves: &["administration", "mdaxmda", "indexsyntax"],
    },
    Rule {
        name: "token",
        needs: |of| of.run >= token::LONG || (of.run >= token::TOKEN_MIN && of.digits > 0),
        find: Find::Scan(token::tokens),
        joins: false,
        #[cfg(test)]
        finds: &["aB3dE5gH", "c0nf1rm-x7Kq9ZbT2LmW"],
        #[cfg(test)]
        leaves: &["iPhone15ProMax", "getElementsByClassName", "wh-1000xm5"],
    },
    Rule {
        name: "spelled",
        needs: |of| of.spaces + of.dots + of.dashes + of.slashes >= 5,
        find: Find::Pattern(r"\b(?:[a-z0-9\x01@][\s._/-]{1,2}){5,}[a-z0-9\x01@]\b", ALWAYS),
        joins: false,
        #[cfg(test)]
        finds: &["a i g e r i m", "a.i-g.e-r.i"],
        #[cfg(test)]
        leaves: &["a b c", "e.g. it is"],
    },
    Rule {
        name: "plate",
        needs: |of| of.digits >= 3 && of.alphanumeric >= 6,
        find: Find::Scan(plates::plates),
        joins: false,
        #[cfg(test)]
        finds: &["123ABC02", "штраф А123ВС77"],
        #[cfg(test)]
        leaves: &["225-45-r17", "iphone 15 128gb"],
    },
    Rule {
        name: "vin",
        needs: |of| of.run >= 17,
        find: Find::Scan(plates::vins),
        joins: false,
        #[cfg(test)]
        finds: &["XTA210990Y2766389"],
        #[cfg(test)]
        leaves: &["internationalizat"],
    },
    Rule {
        name: "card",
        needs: |of| of.digits >= 2,
        find: Find::Scan(shapes::masked),
        joins: false,
        #[cfg(test)]
        finds: &["4400-43**-****-7449", "•••• 7449", "440043xxxxxx7449", "4400…7449", "*7449", "+7 701 *** ** 67"],
        #[cfg(test)]
        leaves: &["1920x1080", "5* отель", "xxxl 2026", "*100#", "2*2", "4400...5500"],
    },
    Rule {
        name: "code",
        needs: |of| (of.digits >= 2 || of.capitals >= 12) && of.run >= 3,
        find: Find::Scan(shapes::codes),
        joins: false,
        #[cfg(test)]
        finds: &["l9c6-qv7u-dap4", "kupon-tmk0j5", "AB12C-D34EF", "QWER-TYUI-OPAS"],
        #[cfg(test)]
        leaves: &["core-i5-13400f", "oled55c3", "7800x3d", "wh-1000xm5", "b2b-c2c", "c2h5oh", "mp3-mp4"],
    },
    Rule {
        name: "session",
        needs: |of| of.brackets >= 2,
        find: Find::Scan(shapes::sessions),
        joins: false,
        #[cfg(test)]
        finds: &["(S(lit3py55t21z5v55vlm25s55))"],
        #[cfg(test)]
        leaves: &["f(x)", "(a (b))"],
    },
    Rule {
        name: "secret",
        needs: |of| of.marks > 0 && of.code_run >= 3,
        find: Find::Pattern(
            r"[;,!&?](?:jsessionid|phpsessid|sid|sess|session|token)[a-z_]{0,8}[=,/:-][^\s;,!&]+|!ut/\S+",
            ALWAYS,
        ),
        joins: false,
        #[cfg(test)]
        finds: &["/pay;jsessionid=1a2b", "page,sid,k7x2m9", "/portal/!ut/p/a1"],
        #[cfg(test)]
        leaves: &["session, token", "inside"],
    },
    Rule {
        name: "place",
        needs: |of| of.digits >= 6 && of.numbers >= 4,
        find: Find::Pattern(
            r"\d{1,3}[.,]\d{3,}\s{0,2}[\x02nsew]?\s{0,2}[,;/| ]{1,3}\s{0,2}-?\d{1,3}[.,]\d{3,}|[ns]\s?\d{1,2}[.,]\d{2,}[^0-9]{1,4}[ew]\s?\d{1,3}[.,]\d{2,}",
            shapes::is_place,
        ),
        joins: false,
        #[cfg(test)]
        finds: &["43.238, 76.889", "43.2389N 76.8897E", "N43.238 E076.889", "43,2389 76,8897"],
        #[cfg(test)]
        leaves: &["12.500, 13.750, 14.000", "1.5, 2.25", "12.000 15.500"],
    },
    Rule {
        name: "place",
        needs: |of| of.numbers >= 2 && of.symbols > 0,
        find: Find::Pattern(r"\d{1,3}\s?\x02\s?\d{1,2}(?:[.,]\d+)?\s?['\x02][^a-z]{0,12}[nsew]?", ALWAYS),
        joins: false,
        #[cfg(test)]
        finds: &["43°14'20\"N", "76°53′E"],
        #[cfg(test)]
        leaves: &["37°", "20-25°"],
    },
    // The codes of places: `6WV2Q2+HJ`, `///filled.count.soap`.
    Rule {
        name: "place",
        needs: |of| of.pluses > 0 || of.slashes >= 3,
        find: Find::Pattern(
            r"\b[2-9cfghjmpqrvwx]{4,8}\+[2-9cfghjmpqrvwx]{2,3}\b|///\s?[^\s./]+\.[^\s./]+\.[^\s./]+",
            |text| text.starts_with('/') || text.bytes().any(|byte| byte.is_ascii_digit()),
        ),
        joins: false,
        #[cfg(test)]
        finds: &["8GQ6WV2Q+HJ", "6wv2+hj almaty", "///filled.count.soap"],
        #[cfg(test)]
        leaves: &["c++", "a+b", "file:///home"],
    },
    Rule {
        name: "date",
        needs: |of| of.digits >= 6 && of.numbers >= 3,
        find: Find::Scan(shapes::birth_dates),
        joins: false,
        #[cfg(test)]
        finds: &["01.02.1985", "1985-02-01", "1/2/1985", "01.02.85"],
        #[cfg(test)]
        leaves: &["2026-07-15", "9.5.1945", "1.2.3", "15.07.2026", "15.07.26", "10.11.99.1", "90/60/90"],
    },
];
