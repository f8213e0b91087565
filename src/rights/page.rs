//! The visitor's page as HTML: no script, no inline style, and nothing from the request in it.

use std::fmt::Write as _;

use super::texts::{Language, Words};
use crate::collect::{OFF_MAX_AGE_S, Shown};
use crate::config::{Identification, Retention, Site};
use crate::html::escaped;
use crate::items::{ItemEntry, Items, data_map};
use crate::privacy::cookie::LIFE_MONTHS;
use crate::privacy::keys::GRACE_MINUTES;
use crate::publish::VAULT_DAYS;

/// What has just been done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    None,
    Objected,
    /// And nothing could be erased now.
    ObjectedOnly,
    Erased,
    Allowed,
    Granted,
    Denied,
}

impl Notice {
    /// As the interface names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Objected => "objected",
            Self::ObjectedOnly => "objected_only",
            Self::Erased => "erased",
            Self::Allowed => "allowed",
            Self::Granted => "granted",
            Self::Denied => "denied",
        }
    }

    fn text(self, words: &Words) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Objected => Some(&words.done.objected),
            Self::ObjectedOnly => Some(&words.done.objected_only),
            Self::Erased => Some(&words.done.erased),
            Self::Allowed => Some(&words.done.allowed),
            Self::Granted => Some(&words.done.granted),
            Self::Denied => Some(&words.done.denied),
        }
    }

    /// The browser, once it has the cookies of the answer.
    pub(super) fn after(self, shown: Shown) -> Shown {
        match self {
            Self::Objected => Shown { objected: true, has_cookie: false, ..shown },
            Self::ObjectedOnly => Shown { objected: true, ..shown },
            Self::Allowed => Shown { objected: false, ..shown },
            Self::Denied | Self::Erased => Shown { has_cookie: false, ..shown },
            Self::None | Self::Granted => shown,
        }
    }
}

/// The page for one browser.
pub(super) struct Page<'a> {
    pub(super) site: &'a Site,
    pub(super) words: &'a Words,
    pub(super) shown: Shown,
    pub(super) notice: Notice,
    /// For an erasure.
    pub(super) receipt: Option<&'a str>,
    pub(super) retention: Retention,
    /// The section on what is held of the browser, if it was looked up.
    pub(super) held: Option<String>,
}

impl Page<'_> {
    pub(super) fn render(&self) -> String {
        let words = self.words;
        let title = self.fill(&words.title);
        let mut body = format!("<h1>{title}</h1>\n<p>{}</p>\n", self.fill(&words.lead));
        if let Some(text) = self.notice.text(words) {
            writeln!(
                body,
                "<section class=\"done\" role=\"status\"><p>{}</p>{}</section>",
                escaped(text),
                self.receipt()
            )
            .expect(WRITES);
        }
        body += &self.browser();
        body += self.held.as_deref().unwrap_or_default();
        body += &self.forms();
        body += &self.facts();
        document(words, &title, "", &format!("{}<main>\n{body}</main>\n", self.switch("/privacy")))
    }

    /// What is so for every browser.
    fn facts(&self) -> String {
        let words = self.words;
        let kept = self.paragraphs(&words.kept.heading, &self.deadlines());
        let recipients = self.paragraphs(&words.recipients.heading, &[&words.recipients.nobody]);
        let counted = self.paragraphs(&words.counted.heading, &[&words.counted.text]);
        [self.collected(), kept, recipients, counted, self.contact()].concat()
    }

    /// The notice: what is so for every browser, and a link to the page.
    fn notice(&self) -> String {
        let (words, title) = (self.words, self.fill(&self.words.framed.title));
        let page = self.address("/privacy", words.language.tag());
        let open = escaped(&words.framed.open);
        let link = format!("<p><a class=\"open\" href=\"{page}&amp;framed\" target=\"_top\">{open}</a></p>");
        let body = format!("<h1>{title}</h1>\n<p>{}</p>\n{link}\n", self.fill(&words.framed.lead)) + &self.facts();
        document(words, &title, "", &format!("{}<main>\n{body}</main>\n", self.switch("/privacy/notice")))
    }

    /// The links to the same page in the other languages.
    fn switch(&self, path: &str) -> String {
        let mut links = String::new();
        for language in Language::ALL {
            let (tag, name) = (language.tag(), escaped(&Words::of(language).name));
            let current = if language == self.words.language { " aria-current=\"true\"" } else { "" };
            let address = self.address(path, tag);
            writeln!(links, "<li><a href=\"{address}\" lang=\"{tag}\" hreflang=\"{tag}\"{current}>{name}</a></li>")
                .expect(WRITES);
        }
        format!("<nav aria-label=\"{}\"><ul>\n{links}</ul></nav>\n", escaped(&self.words.languages))
    }

    fn address(&self, path: &str, tag: &str) -> String {
        format!("{path}?site={}&amp;lang={tag}", escaped(&self.site.domain))
    }

    /// The receipt, to be kept.
    fn receipt(&self) -> String {
        let of = &self.words.done;
        self.receipt.map_or_else(String::new, |receipt| {
            format!("<p>{}: <code>{}</code></p><p>{}</p>", escaped(&of.receipt), escaped(receipt), self.fill(&of.keep))
        })
    }

    /// What the browser shows.
    fn browser(&self) -> String {
        let (of, shown) = (&self.words.browser, self.shown);
        let state = match shown {
            Shown { objected: true, .. } => &of.objected,
            Shown { asks: true, .. } => &of.asks,
            _ => &of.counted,
        };
        let cookie = match self.site.identity {
            Identification::Cookie if shown.has_cookie => &of.cookie,
            Identification::Cookie => &of.no_cookie,
            Identification::DailyAddress | Identification::None => &of.never_cookie,
        };
        self.paragraphs(&of.heading, &[state, cookie])
    }

    /// What the visitor can decide.
    fn forms(&self) -> String {
        let act = &self.words.act;
        let objection = if self.shown.objected {
            self.form("object", &[("withdrawn", &act.allow)], &act.allow_means)
        } else {
            self.form("object", &[("made", &act.object)], &act.object_means)
        };
        let erase = match self.site.identity {
            Identification::Cookie => self.form("erase", &[("all", &act.erase)], &act.erase_means),
            Identification::DailyAddress | Identification::None => String::new(),
        };
        let consent = self.form("consent", &[("granted", &act.grant), ("denied", &act.deny)], &act.consent_means);
        format!("<section><h2>{}</h2>\n{objection}{erase}{consent}</section>\n", escaped(&act.heading))
    }

    /// A form with a button for each state.
    fn form(&self, action: &str, buttons: &[(&str, &str)], means: &str) -> String {
        let (site, tag) = (escaped(&self.site.domain), self.words.language.tag());
        let mut form = format!(
            "<form method=\"post\" action=\"/v1/privacy/{action}\">\
             <input type=\"hidden\" name=\"site\" value=\"{site}\"><input type=\"hidden\" name=\"lang\" value=\"{tag}\">\n"
        );
        for (at, (state, label)) in buttons.iter().enumerate() {
            let class = if at == 0 { "" } else { " class=\"second\"" };
            writeln!(form, "<button name=\"state\" value=\"{state}\"{class}>{}</button>", escaped(label))
                .expect(WRITES);
        }
        format!("{form}<p>{}</p></form>\n", self.fill(means))
    }

    /// The items of the policy: what, why, from where.
    fn collected(&self) -> String {
        let (of, items) = (&self.words.collected, self.items());
        let mut listed: Vec<_> = data_map().item.iter().filter(|(key, _)| items.lists(key)).collect();
        listed.sort_by_key(|(_, entry)| entry.number.unwrap_or(u8::MAX));
        let mut list = String::new();
        for (key, entry) in listed {
            let Some(text) = self.words.item.get(key) else { continue };
            let sources: Vec<&str> = self.sources(entry);
            let (name, why, source) = (escaped(&text.name), escaped(&text.why), escaped(&of.source));
            let sources = escaped(&sources.join("; "));
            writeln!(list, "<li><strong>{name}</strong><div>{why}</div><div>{source}: {sources}</div></li>")
                .expect(WRITES);
        }
        let (heading, intro) = (escaped(&of.heading), escaped(&of.intro));
        format!("<section><h2>{heading}</h2>\n<p>{intro}</p>\n<ul class=\"items\">\n{list}</ul></section>\n")
    }

    fn items(&self) -> Items {
        Items::of(self.site.profile.as_deref(), self.site.items.as_deref()).unwrap_or_default()
    }

    /// Where an item comes from, each source once.
    fn sources(&self, entry: &ItemEntry) -> Vec<&str> {
        let of = &self.words.collected;
        let mut sources: Vec<&str> = Vec::new();
        for field in &entry.wire {
            let source = match field.as_str() {
                "cookie" if self.site.identity != Identification::Cookie => continue,
                "cookie" => &of.cookie,
                "address" => &of.address,
                field if field.starts_with("device.") => &of.device,
                field if field.starts_with("events.") => &of.page,
                _ => &of.header,
            };
            if !sources.contains(&source.as_str()) {
                sources.push(source);
            }
        }
        if sources.is_empty() {
            sources.push(&of.header);
        }
        sources
    }

    fn deadlines(&self) -> Vec<&str> {
        let of = &self.words.kept;
        let mut lines: Vec<&str> = vec![&of.rows];
        if self.site.identity == Identification::Cookie {
            lines.extend([of.key.as_str(), &of.cookie]);
        }
        lines.push(&of.numbers);
        lines
    }

    fn contact(&self) -> String {
        let (of, operator) = (&self.words.contact, &self.site.operator);
        let mut list = String::new();
        let mut add = |label: &str, value: String| {
            writeln!(list, "<dt>{}</dt><dd>{value}</dd>", escaped(label)).expect(WRITES);
        };
        add(&of.operator, escaped(self.operator()));
        if let Some(contact) = &operator.contact {
            let scheme = match contact.as_str() {
                https if https.starts_with("https://") => "",
                phone if phone.starts_with('+') => "tel:",
                _ => "mailto:",
            };
            let dialled = contact.split_whitespace().collect::<String>();
            add(&of.contact, format!("<a href=\"{scheme}{}\">{}</a>", escaped(&dialled), escaped(contact)));
        }
        if let Some(policy) = &operator.policy_url {
            add(&of.policy, format!("<a href=\"{}\">{}</a>", escaped(policy), escaped(&of.policy_link)));
        }
        let (heading, authority) = (escaped(&of.heading), escaped(&of.authority));
        format!("<section><h2>{heading}</h2>\n<dl>{list}</dl>\n<p>{authority}</p></section>\n")
    }

    fn operator(&self) -> &str {
        self.site.operator.name.as_deref().unwrap_or(&self.site.domain)
    }

    fn paragraphs(&self, heading: &str, lines: &[&str]) -> String {
        let lines: String = lines.iter().map(|line| format!("<p>{}</p>\n", self.fill(line))).collect();
        format!("<section><h2>{}</h2>\n{lines}</section>\n", escaped(heading))
    }

    /// A text with its places filled in.
    fn fill(&self, text: &str) -> String {
        let numbers = [
            ("off_days", OFF_MAX_AGE_S / 86_400),
            ("vault_hours", self.retention.vault_hours.into()),
            ("most_days", VAULT_DAYS),
            ("key_minutes", GRACE_MINUTES),
            ("stats_months", self.retention.stats_months().into()),
            ("cookie_months", LIFE_MONTHS.into()),
        ];
        let names = [("site", self.site.domain.clone()), ("operator", self.operator().to_owned())];
        let all = names.into_iter().chain(numbers.map(|(name, number)| (name, number.to_string())));
        all.fold(escaped(text), |text, (name, value)| text.replace(&format!("{{{name}}}"), &escaped(&value)))
    }
}

/// Writing to a string.
pub(super) const WRITES: &str = "a string takes all text";

/// The notice of a site, in which nothing depends on the browser.
pub(super) fn notice(site: &Site, words: &Words, retention: Retention) -> String {
    let shown = Shown { objected: false, asks: false, has_cookie: false };
    Page { site, words, shown, notice: Notice::None, receipt: None, retention, held: None }.notice()
}

/// A page that only says something.
pub(super) fn message(words: &Words, text: &str) -> String {
    document(words, &escaped(text), "", &format!("<main><p>{}</p></main>\n", escaped(text)))
}

/// Opens the page again, from this site, so that the browser shows its cookie.
pub(super) fn step(words: &Words, site: &Site) -> String {
    let again = format!("/privacy?site={}&amp;lang={}&amp;own", escaped(&site.domain), words.language.tag());
    let refresh = format!("<meta http-equiv=\"refresh\" content=\"0; url={again}\">\n");
    let body = format!(
        "<main><p>{}</p>\n<p><a href=\"{again}\">{}</a></p></main>\n",
        escaped(&words.step),
        escaped(&words.go_on)
    );
    document(words, &escaped(&words.step), &refresh, &body)
}

/// A whole document. Title, head and body are HTML.
fn document(words: &Words, title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n{head}<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/privacy.css\">\n</head>\n<body>\n{body}</body>\n</html>\n",
        words.language.tag()
    )
}
