//! What identifies and has no check digit, as people and systems write it: plates, masked cards, codes, secrets, handles,
//! birth dates, flats, places, documents, names after a word that announces a person.
//!
//! Made up from how they are written, and not from the rules: some forms are here that no rule knows. Each text comes
//! with the parts of it that must not stay.

use super::frames::*;
use super::makers::*;
use super::planted::{Random, identifier};

pub(super) const TEXT_KINDS: [&str; 14] = [
    "plate",
    "vin",
    "masked",
    "code",
    "contract",
    "session",
    "secret",
    "handle",
    "mail",
    "birth",
    "flat",
    "telephone",
    "place",
    "document",
];
pub(super) const PATH_KINDS: [&str; 8] = ["plate", "vin", "masked", "code", "contract", "session", "person", "mail"];

pub(super) fn text(kind: &str, random: &mut Random) -> Planted {
    match kind {
        "plate" => {
            let value = plate(random);
            let frames = PLATE_TEXTS;
            let text = amid(random, &value, frames);
            planted(text, &[&value])
        }
        "vin" => {
            let value = vin(random);
            let frames = VIN_TEXTS;
            let text = amid(random, &value, frames);
            planted(text, &[&value])
        }
        "masked" => {
            let value = masked(random);
            let frames = CARD_TEXTS;
            let text = amid(random, &value, frames);
            let secrets = runs_of_digits(&value);
            Planted { text, secrets }
        }
        "code" => {
            let (word, value) = (random.pick(CODE_WORDS), code(random));
            let join = random.pick(&[" ", "-", ": ", "=", " № ", " - ", "_"]);
            let text = if random.below(3) == 0 { value.clone() } else { format!("{word}{join}{value}") };
            let text = amid(random, &text, &["{}", "не работает {}", "{} скидка", "ввести {}", "apply {} failed"]);
            planted(text, &[&value])
        }
        "contract" => {
            let value = contract(random);
            let word = random.pick(CONTRACT_WORDS);
            let join = random.pick(&[" ", " № ", " №", ": ", " #", "-", " номер ", " no. "]);
            let text = format!("{word}{join}{value}");
            let text = amid(
                random,
                &text,
                &["{}", "оплатить {}", "{} статус", "где мой {}", "{} қайда", "{} not found", "status of {}"],
            );
            planted(text, &[&value])
        }
        "session" => {
            let value = session(random);
            let frames = SESSION_TEXTS;
            let text = amid(random, &value, frames);
            planted(text, &[&value])
        }
        "secret" => secret(random),
        "handle" => handle(random),
        "mail" => mail(random),
        "birth" => {
            let (value, parts) = birth(random);
            let frames = BIRTH_TEXTS;
            let text = amid(random, &value, frames);
            Planted { text, secrets: parts }
        }
        "flat" => flat(random),
        "telephone" => telephone(random),
        "place" => place(random),
        _ => document(random),
    }
}

pub(super) fn path(kind: &str, random: &mut Random) -> Planted {
    let dashed = |text: &str| text.replace(' ', "-");
    match kind {
        "plate" => {
            let value = dashed(&plate(random));
            let frames = PLATE_PATHS;
            let text = amid(random, &value, frames);
            planted(text, &[&value])
        }
        "vin" => {
            let value = vin(random);
            let text =
                amid(random, &value, &["/vin/{}", "/check/{}/report", "/cars/vin-{}", "/avto/{}.html", "/report_{}"]);
            planted(text, &[&value])
        }
        "masked" => {
            let value = dashed(&masked(random)).replace('#', "*");
            let text = amid(random, &value, &["/cards/{}", "/pay/{}/confirm", "/karta-{}", "/transfer/{}"]);
            let secrets = runs_of_digits(&value);
            Planted { text, secrets }
        }
        "code" => {
            let value = code(random);
            let word =
                random.pick(&["kupon", "promo", "coupon", "promokod", "code", "gift", "ref", "invite", "voucher"]);
            let text = match random.below(4) {
                0 => format!("/{word}/{value}"),
                1 => format!("/{word}-{value}"),
                2 => format!("/akcii/{word}_{value}"),
                _ => format!("/{value}"),
            };
            planted(text, &[&value])
        }
        "contract" => {
            let value = dashed(&contract(random)).replace(['/', '№', '#'], "-");
            let word = random.pick(CONTRACT_SEGMENTS);
            let text = amid(random, &value, &["/{w}/{}", "/{w}-{}", "/kz/{w}/{}/status", "/my/{w}_{}", "/{w}/{}/pdf"])
                .replace("{w}", word);
            planted(text, &[&value])
        }
        "session" => {
            let value = session(random);
            let frames = SESSION_PATHS;
            let text = amid(random, &value, frames);
            planted(text, &[&value])
        }
        "mail" => {
            let made = mail(random);
            let text = format!("/{}", made.text.replace(' ', random.pick(&["-", "_", "."])));
            Planted { text, ..made }
        }
        _ => person(random),
    }
}

fn secret(random: &mut Random) -> Planted {
    let password = match random.below(8) {
        0 => format!("{}{}!", random.pick(&["Qwerty", "Almaty", "Parol", "Astana", "Admin"]), random.chars(DIGITS, 3)),
        1 => {
            format!("{}{}", random.pick(&["aigerim", "qwerty", "asdfgh", "nurlan", "zhuldyz"]), random.chars(DIGITS, 4))
        }
        2 => random.chars(b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", 9),
        3 => format!("{}_{}", random.pick(&["moi", "my", "home", "dom"]), random.chars(SMALL, 6)),
        4 => random.pick(&["qwerty", "asdfgh", "zxcvbn", "iloveyou"]).to_owned(),
        5 => format!("{}{}", random.pick(&["солнышко", "Айгерим", "жұлдыз", "пароль"]), random.chars(DIGITS, 2)),
        6 => random.pick(WORDS).to_owned(),
        _ => random.chars(DIGITS, 6),
    };
    let code = digits_of(random, &[4, 4, 6, 6, 5]);
    if random.below(2) == 0 {
        let frames = PASSWORD_TEXTS;
        let text = amid(random, &password, frames);
        return planted(text, &[&password]);
    }
    let frames = SENT_CODE_TEXTS;
    let text = amid(random, &code, frames);
    planted(text, &[&code])
}

fn handle(random: &mut Random) -> Planted {
    let latin = match random.below(4) {
        0 => format!("{}_{}", random.pick(NAMES), random.pick(SURNAMES)),
        1 => format!("{}.{}", random.pick(NAMES), random.chars(SMALL, 3)),
        2 => format!("{}{}", random.pick(NAMES), random.chars(DIGITS, 2)),
        _ => random.pick(NAMES).to_owned(),
    };
    let native = match random.below(3) {
        0 => format!("{}_{}", random.pick(CYRILLIC_NAMES), random.chars(DIGITS, 2)),
        1 => format!("{}_{}", random.pick(CYRILLIC_NAMES), random.pick(CYRILLIC_NAMES)),
        _ => random.pick(CYRILLIC_NAMES).to_owned(),
    };
    let (value, text) = match random.below(10) {
        0..=2 => {
            (native.clone(), amid(random, &native, &["@{}", "инста @{}", "напиши @{} завтра", "@{} жазыңыз", "тг:@{}"]))
        }
        3 | 4 => {
            (latin.clone(), amid(random, &latin, &["@{}", "инста @{}", "ask @{} about it", "@{}, привет", "(@{})"]))
        }
        5 => (
            latin.clone(),
            amid(
                random,
                &latin,
                &["instagram.com/{}", "vk.com/{}", "facebook.com/{}", "t.me/{}", "tiktok.com/@{}", "github.com/{}"],
            ),
        ),
        6 => (latin.clone(), amid(random, &latin, HANDLE_TEXTS)),
        7 => (
            latin.clone(),
            amid(random, &latin, &["ник {}_7", "логин {}_kz", "tg {}_a", "instagram {}_x", "инста {}_98"]),
        ),
        8 => (latin.clone(), format!("＠{latin}")),
        _ => (native.clone(), amid(random, &native, &["ник: {}", "логин: {}", "аккаунт @{}", "@ {}_kz"])),
    };
    planted(text, &[&value])
}

fn mail(random: &mut Random) -> Planted {
    let name = match random.below(3) {
        0 => format!("{}.{}", random.pick(NAMES), random.pick(SURNAMES)),
        1 => format!("{}{}", random.pick(NAMES), random.chars(DIGITS, 2)),
        _ => format!("{}_{}", random.pick(NAMES), random.pick(SURNAMES)),
    };
    let (host, tld) = random.pick(&[
        ("mail", "ru"),
        ("gmail", "com"),
        ("yandex", "kz"),
        ("inbox", "ru"),
        ("kaspi", "kz"),
        ("outlook", "com"),
    ]);
    let frames = MAIL_TEXTS;
    let text = random.pick(frames).replace("{n}", &name).replace("{h}", host).replace("{t}", tld);
    planted(text, &[&name])
}

fn birth(random: &mut Random) -> (String, Vec<String>) {
    let (year, month, day) = (1940 + random.below(70), 1 + random.below(12), 1 + random.below(28));
    let word = random.pick(&MONTHS)[month - 1];
    let short = random.pick(&[".", "/", "-", ",", " "]);
    let (text, secret) = match random.below(10) {
        0..=2 => (format!("{day:02}{short}{month:02}{short}{year}"), year.to_string()),
        3 | 4 => (format!("{year}-{month:02}-{day:02}"), year.to_string()),
        5 => (format!("{day} {word} {year}"), year.to_string()),
        6 => (format!("{word} {day}, {year}"), year.to_string()),
        7 => (format!("{year} жылғы {day} {}", MONTHS[1][month - 1]), year.to_string()),
        8 => (format!("{year}.{month:02}.{day:02}"), year.to_string()),
        _ => (format!("{day}.{month}.{year}г"), year.to_string()),
    };
    (text, vec![secret])
}

fn flat(random: &mut Random) -> Planted {
    let number = format!("{}", 11 + random.below(300));
    let building = 1 + random.below(9);
    let frames = FLAT_TEXTS;
    let text = amid(random, &number, frames).replace("{h}", &building.to_string());
    planted(text, &[&number])
}

fn telephone(random: &mut Random) -> Planted {
    if random.below(3) == 0 {
        let iban = identifier("iban", random);
        let gap = random.pick(&[" ", " / ", " - ", "  ", " счет ", " | ", "\u{2003}", "…"]);
        let groups: Vec<&str> = (0..iban.len()).step_by(4).map(|at| &iban[at..iban.len().min(at + 4)]).collect();
        let text = amid(random, &groups.join(gap), &["{}", "iban {}", "счет {} перевод", "шот {}", "ИИК {}"]);
        let secrets = groups.iter().filter(|group| group.len() == 4).map(|group| (*group).to_owned()).collect();
        return Planted { text, secrets };
    }
    let code = random.pick(&["701", "702", "705", "707", "747", "775", "778", "727"]);
    let prefix = random.pick(&["8", "+7", "7", "8"]);
    let (a, b, c) = (random.chars(b"23456789", 3), random.chars(b"23456789", 2), random.chars(b"23456789", 2));
    let gap = random.pick(TELEPHONE_GAPS);
    let text = match random.below(5) {
        0 => format!("{prefix} {code}{gap}{a} {b} {c}"),
        1 => format!("{prefix}{gap}{code}{gap}{a}{b}{c}"),
        2 => format!("{prefix} ({code}){gap}{a}{gap}{b}{gap}{c}"),
        3 => format!("{prefix}{code}{gap}{a}{b}{gap}{c}"),
        _ => format!("{prefix}-{code}{gap}{a}-{b}-{c}"),
    };
    let text = amid(random, &text, &["{}", "позвонить {}", "телефон {} чей", "call {} now", "нөмір {}", "whatsapp {}"]);
    Planted { text, secrets: vec![a] }
}

fn place(random: &mut Random) -> Planted {
    let (lat, lon) = (
        format!("{}.{}", 40 + random.below(15), random.chars(b"123456789", 5)),
        format!("{}.{}", 50 + random.below(37), random.chars(b"123456789", 5)),
    );
    let cut = random.pick(&[3, 4, 5]);
    let (lat, lon) = (&lat[..3 + cut], &lon[..3 + cut]);
    let text = match random.below(9) {
        0..=2 => format!("{lat}{}{lon}", random.pick(&[", ", ",", " ", ";", "/", "; "])),
        3 => format!("lat {lat} lon {lon}"),
        4 => format!("{lat}N {lon}E"),
        5 => format!("N{lat} E{lon}"),
        6 => format!("{}°{}'{}\"N {}°{}'{}\"E", &lat[..2], &lat[3..5], &lon[3..5], &lon[..2], &lon[3..5], &lat[3..5]),
        7 => format!("{} {}", lat.replace('.', ","), lon.replace('.', ",")),
        _ => format!("широта {lat} долгота {lon}"),
    };
    let text = amid(
        random,
        &text,
        &["{}", "координаты {}", "что находится {}", "gps {}", "no route to {}", "маршрут до {}", "орналасқан жері {}"],
    );
    Planted { text, secrets: vec![lat[3..].to_owned(), lon[3..].to_owned()] }
}

fn document(random: &mut Random) -> Planted {
    let word = random.pick(DOCUMENT_WORDS);
    let (text, secret) = match random.below(8) {
        0 => {
            let n = random.chars(b"123456789", 8);
            (format!("N{n}"), n)
        }
        1 => {
            let n = random.chars(b"123456789", 9);
            (n.clone(), n)
        }
        2 => {
            let n = random.chars(b"123456789", 6);
            (format!("45 08 {n}"), n)
        }
        3 => {
            let n = random.chars(b"123456789", 6);
            (format!("4508 № {} {}", &n[..3], &n[3..]), n)
        }
        4 => {
            let n = random.chars(b"123456789", 6);
            (format!("{}{n}", random.chars(LETTERS, 2)), n)
        }
        5 => {
            let n = random.chars(b"123456789", 6);
            (format!("{} {} {}", random.chars(LETTERS, 2), &n[..3], &n[3..]), n)
        }
        6 => {
            let n = random.chars(b"123456789", 9);
            (format!("{} {} {}", &n[..3], &n[3..6], &n[6..]), n)
        }
        _ => {
            let n = random.chars(b"345678", 5);
            (format!("IV-АБ {n}"), n)
        }
    };
    let text = format!("{word} {text}");
    let text = amid(random, &text, &["{}", "потерял {}", "замена {}", "{} not valid", "{} жоғалды", "проверить {}"]);
    planted(text, &[&secret])
}

fn person(random: &mut Random) -> Planted {
    let value = match random.below(6) {
        0 => random.pick(NAMES).to_owned(),
        1 => format!("{}-{}", random.pick(SURNAMES), random.pick(NAMES)),
        2 => format!("{}.{}", random.pick(NAMES), random.pick(SURNAMES)),
        3 => format!("{}_{}", random.pick(NAMES), random.pick(SURNAMES)),
        4 => random.pick(CYRILLIC_NAMES).to_owned(),
        _ => format!("{}{}", random.pick(&["i.", "a-", "d"]), random.pick(SURNAMES)),
    };
    let word = random.pick(PERSON_WORDS);
    let frames = PERSON_PATHS;
    let text = random.pick(frames).replace("{w}", word).replace("{}", &value);
    planted(text, &[&value])
}

pub(super) const DISGUISES: [&str; 7] =
    ["as it is", "full-width", "zero-width", "digits of another script", "look-alikes", "percent twice", "entities"];

/// The same, written so that it reads the same and is other characters.
pub(super) fn disguised(how: &str, text: &str, random: &mut Random) -> String {
    let one = |c: char, random: &mut Random| match how {
        "full-width" if matches!(c, '!'..='~') => char::from_u32(c as u32 + 0xFEE0).unwrap().to_string(),
        "zero-width" => format!("{c}{}", random.pick(&['\u{200B}', '\u{2060}', '\u{FEFF}', '\u{AD}'])),
        "digits of another script" => match c.to_digit(10) {
            Some(digit) => char::from_u32(random.pick(&[0x0660, 0x06F0, 0x0966]) + digit).unwrap().to_string(),
            None => c.to_string(),
        },
        "look-alikes" if random.below(2) == 0 => match c {
            'а'..='я' | 'А'..='Я' => latin(c).to_string(),
            c => cyrillic(c).to_string(),
        },
        "percent twice" => c.to_string().bytes().map(|byte| format!("%25{byte:02X}")).collect(),
        "entities" => format!("&#{};", c as u32),
        _ => c.to_string(),
    };
    text.chars().map(|c| one(c, random)).collect()
}

/// Whether one of the secret parts stands in what was kept, whatever stands between its characters.
pub(super) fn is_left(kept: &str, secrets: &[String]) -> bool {
    let bare =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let mut shown = String::new();
    let mut rest = kept;
    while let Some((before, after)) = rest.split_once('<') {
        shown.push_str(before);
        rest = match after.split_once('>') {
            Some((word, after)) if word.chars().all(|c| c.is_ascii_lowercase()) => after,
            _ => after,
        };
        shown.push(' ');
    }
    shown.push_str(rest);
    let shown = bare(&shown);
    secrets.iter().any(|secret| {
        let secret: Vec<char> = bare(secret).chars().collect();
        let half = (secret.len().max(4) * 2 / 3).min(secret.len()).max(2);
        secret.windows(half).any(|part| shown.contains(&part.iter().collect::<String>()))
    })
}
