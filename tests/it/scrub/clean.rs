//! Paths, search terms and error messages in which nobody is named: every one must come through unchanged.

use super::planted::Random;

const EN: &str = include_str!("../../fixtures/words/en.txt");
const RU: &str = include_str!("../../fixtures/words/ru.txt");
const KK: &str = include_str!("../../fixtures/words/kk.txt");
const PRODUCTS: &str = include_str!("../../fixtures/words/products.txt");
const EVERYDAY: &str = include_str!("../../fixtures/words/everyday.txt");
const ERRORS: &str = include_str!("../../fixtures/words/errors.txt");

/// The words of the lists after which people are named or numbered.
#[rustfmt::skip]
const PEOPLE: [&str; 37] = [
    "account", "accounts", "anketa", "client", "clients", "contract", "contracts", "customer", "customers", "dogovor",
    "employees", "invoice", "invoices", "kelisim", "klient", "login", "master", "member", "members", "order", "orders",
    "passport", "people", "profile", "schet", "sellers", "shart", "sotrudniki", "speakers", "tapsyrys", "team", "ticket",
    "tickets", "user", "users", "zakaz", "zayavka",
];
/// The words of the lists after which a password stands, and some by which it is talked of.
const PASSWORD: [&str; 3] = ["password", "parol", "пароль"];
/// What a page is called by that begins with a word for people: anything else there names somebody.
const TIED: [&str; 4] = ["portal", "support", "settings", "server"];
const TALK: [&str; 6] = ["reset", "забыл", "подходит", "recovery", "settings", "ұмыттым"];

pub(super) struct Words {
    en: Vec<&'static str>,
    ru: Vec<&'static str>,
    kk: Vec<&'static str>,
    products: Vec<&'static str>,
    errors: Vec<&'static str>,
    everyday: Vec<&'static str>,
}

impl Words {
    pub(super) fn new() -> Self {
        let lines = |text: &'static str| text.lines().collect::<Vec<_>>();
        Self {
            en: lines(EN),
            ru: lines(RU),
            kk: lines(KK),
            products: lines(PRODUCTS),
            errors: lines(ERRORS),
            everyday: lines(EVERYDAY),
        }
    }

    /// A segment as pages of shops, banks and documentation have them.
    fn segment(&self, random: &mut Random) -> String {
        let tied = |random: &mut Random, count: usize, by: &str| {
            let mut words: Vec<&str> = Vec::new();
            for _ in 0..count {
                let somebody = words.last().is_some_and(|last| PEOPLE.contains(last));
                words.push(if somebody { random.pick(&TIED) } else { random.pick(&self.en) });
            }
            words.join(by)
        };
        let words = |random: &mut Random, count: usize| tied(random, count, "-");
        match random.below(20) {
            0..=6 => words(random, 1),
            7..=9 => words(random, 2),
            10 => words(random, 4),
            11..=13 => random.pick(&self.products).to_owned(),
            14 => format!("v{}", 1 + random.below(9)),
            15 => format!("{}.{}", words(random, 1), random.pick(&["html", "php", "aspx", "pdf", "js", "htm"])),
            16 => format!("{}", 2018 + random.below(10)),
            17 => format!("{}-{}", random.pick(&["top", "chapter", "part", "page", "step", "q"]), 1 + random.below(30)),
            18 => tied(random, 2, "_"),
            _ => {
                let list = if random.below(2) == 0 { &self.ru } else { &self.kk };
                translit(random.pick(list))
            }
        }
    }

    pub(super) fn path(&self, random: &mut Random) -> String {
        if random.below(20) == 0 {
            let (year, month, day) = (2018 + random.below(9), 1 + random.below(12), 1 + random.below(28));
            return format!("/{}/{year}/{month:02}/{day:02}/{}", random.pick(&["news", "blog"]), random.pick(&self.en));
        }
        let mut path = String::new();
        let (mut years, mut products) = (0, 0);
        let mut last = String::new();
        for _ in 0..=random.below(4) {
            // A segment after one of these names a person, unless it is the name of a page.
            let somebody = PEOPLE.contains(&last.as_str());
            let segment = if last.split(['-', '_', '.']).any(|word| PASSWORD.contains(&word)) {
                random.pick(&["reset", "recovery", "settings", "change"]).to_owned()
            } else if somebody {
                random.pick(&["list", "new", "history", "search"]).to_owned()
            } else {
                self.segment(random)
            };
            last.clone_from(&segment);
            // A page is about one product, in one year.
            let digits = segment.bytes().filter(u8::is_ascii_digit).count();
            let seen = if digits == segment.len() { &mut years } else { &mut products };
            *seen += usize::from(digits > 2);
            if digits <= 2 || *seen == 1 {
                path = format!("{path}/{segment}");
            }
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }

    pub(super) fn search(&self, random: &mut Random) -> String {
        let language = random.below(3);
        let mut words: Vec<String> = Vec::new();
        for _ in 0..=random.below(4) {
            let word = random.pick([&self.en, &self.ru, &self.kk][language]);
            let password = words.last().is_some_and(|last| PASSWORD.contains(&last.as_str()));
            words.push(if password { random.pick(&TALK) } else { word }.to_owned());
        }
        if words.last().is_some_and(|last| PASSWORD.contains(&last.as_str())) {
            return words.join(" ");
        }
        match random.below(8) {
            0 => words.push(random.pick(&self.products).replace('-', " ")),
            1 => words.push(format!("{} {}", 5 * (1 + random.below(20_000)), random.pick(&["тенге", "теңге", "kzt"]))),
            2 => words.push(format!("{}гб", random.pick(&[8, 16, 64, 128, 256, 512]))),
            3 => words.push(format!("{}", 2018 + random.below(10))),
            4 => words.push(format!("{}%", 1 + random.below(99))),
            5 => words[0] = words[0].to_uppercase(),
            _ => (),
        }
        words.join(" ")
    }

    /// A path or a search as it is in fact written, with what varies filled in.
    pub(super) fn everyday(&self, random: &mut Random) -> String {
        let mut text = random.pick(&self.everyday).to_owned();
        let is_path = text.starts_with('/');
        while let Some((before, rest)) = text.split_once('{') {
            let (slot, after) = rest.split_once('}').expect("a slot is closed");
            let value = match slot {
                "n" => format!("{}", 1 + random.below(9)),
                "nn" => format!("{}", 10 + random.below(89)),
                "nnn" => format!("{}", 100 + random.below(899)),
                "dd" => format!("{:02}", 1 + random.below(28)),
                "mm" => format!("{:02}", 1 + random.below(12)),
                "year" => format!("{}", 2015 + random.below(13)),
                "price" => format!("{}", 50 * (1 + random.below(1_999))),
                "ru_month" => random.pick(&["января", "марта", "мая", "июля", "октября", "декабря"]).to_owned(),
                "product" if is_path => random.pick(&self.products).to_owned(),
                "product" => random.pick(&self.products).replace('-', " "),
                "ru" if is_path => translit(random.pick(&self.ru)),
                "kk" if is_path => translit(random.pick(&self.kk)),
                "ru" => random.pick(&self.ru).to_owned(),
                "kk" => random.pick(&self.kk).to_owned(),
                // What follows a word for people is somebody.
                _ => loop {
                    let word = random.pick(&self.en);
                    if !PEOPLE.contains(&word) {
                        break word.to_owned();
                    }
                },
            };
            text = format!("{before}{value}{after}");
        }
        text
    }

    /// A message, and its template as a person would write it down.
    pub(super) fn error(&self, random: &mut Random) -> (String, String) {
        let mut message = random.pick(&self.errors).to_owned();
        for (slot, value) in [
            ("{word}", camel(random.pick(&self.en), random.pick(&self.en))),
            ("{status}", random.pick(&["400", "401", "403", "404", "418", "500", "502", "503", "504"]).to_owned()),
            ("{ru}", random.pick(&self.ru).to_owned()),
            ("{kk}", random.pick(&self.kk).to_owned()),
        ] {
            message = message.replace(slot, &value);
        }
        let ms = (1000 * (1 + random.below(60))).to_string();
        let mut template = message.replace("{ms}", "<number>").replace("{n}", "<number>");
        message = message.replace("{ms}", &ms);
        while message.contains("{n}") {
            message = message.replacen("{n}", &random.below(5_000).to_string(), 1);
        }
        while let Some((before, (_, after))) =
            template.split_once("{'").and_then(|(before, rest)| Some((before, rest.split_once("'}")?)))
        {
            template = format!("{before}<text>{after}");
        }
        message = message.replace("{'", "'").replace("'}", "'");
        (message, template)
    }
}

fn camel(first: &str, second: &str) -> String {
    let mut upper = true;
    let joined = format!("{first}-{second}");
    let mut out = String::new();
    for c in joined.chars() {
        if c == '-' {
            upper = true;
        } else {
            out.extend(if upper && !out.is_empty() { c.to_uppercase().collect::<Vec<_>>() } else { vec![c] });
            upper = false;
        }
    }
    out
}

fn translit(word: &str) -> String {
    const LATIN: &[(char, &str)] = &[
        ('а', "a"),
        ('ә', "a"),
        ('б', "b"),
        ('в', "v"),
        ('г', "g"),
        ('ғ', "g"),
        ('д', "d"),
        ('е', "e"),
        ('ё', "e"),
        ('ж', "zh"),
        ('з', "z"),
        ('и', "i"),
        ('і', "i"),
        ('й', "y"),
        ('к', "k"),
        ('қ', "q"),
        ('л', "l"),
        ('м', "m"),
        ('н', "n"),
        ('ң', "ng"),
        ('о', "o"),
        ('ө', "o"),
        ('п', "p"),
        ('р', "r"),
        ('с', "s"),
        ('т', "t"),
        ('у', "u"),
        ('ұ', "u"),
        ('ү', "u"),
        ('ф', "f"),
        ('х', "kh"),
        ('һ', "h"),
        ('ц', "ts"),
        ('ч', "ch"),
        ('ш', "sh"),
        ('щ', "shch"),
        ('ы', "y"),
        ('э', "e"),
        ('ю', "yu"),
        ('я', "ya"),
    ];
    word.chars()
        .filter_map(|c| {
            LATIN.iter().find(|(from, _)| *from == c).map_or((c == '-').then_some("-"), |(_, to)| Some(*to))
        })
        .collect()
}
