//! How a visit began: the channel, and the source as coarsely as it is still useful.
//!
//! A source is a registrable domain or a word of the site's own, never a host or a path: `mail.example.kz/inbox/42` and
//! `example.kz` are the same source. Registrable means under the *ICANN* section of the public suffix list. Its private
//! section would make each tenant of a platform a source (`somebody.github.io`, `shop.tilda.ws`): those names are often
//! a person's, and seldom bring enough visitors to be published. An address, a name without a known suffix, and an
//! application that `hosts.txt` does not list become `other`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use psl::{List, Psl, Type};

use super::site::{OTHER, SiteEnrich, allowed};
use crate::event::{Entry, PageUrl};

struct Known {
    channel: &'static str,
    /// For applications, the domain that they are published as.
    domain: Option<&'static str>,
}

/// By host; `google.*` by `google.`, which no host is.
static HOSTS: LazyLock<HashMap<&'static str, Known, RandomState>> = LazyLock::new(|| {
    lines().map(|(host, channel, domain)| (host.trim_end_matches('*'), Known { channel, domain })).collect()
});

fn lines() -> impl Iterator<Item = (&'static str, &'static str, Option<&'static str>)> {
    include_str!("hosts.txt").lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?, words.next()))
    })
}

/// How a visit that begins with this view began. The rules, first match wins: a page of the same site is `internal`; a
/// medium that means paid, or a paid click's parameter, is `paid`; any campaign parameter is `campaign`; a referrer of
/// `hosts.txt` has its channel there; any other is `referral`; none, or one that the site ignores, is `direct`.
pub fn entry(page: &PageUrl, referrer: Option<&PageUrl>, site: &SiteEnrich) -> Entry {
    let host = referrer.map(|referrer| referrer.host.expose().as_str());
    if host.is_some_and(|host| site.owns(host)) {
        return Entry { channel: "internal", ..Entry::default() };
    }
    let origin = host.filter(|host| !site.ignores(host)).map(origin);
    let campaign = &page.campaign;
    let medium = campaign.medium.as_ref().map(|word| word.expose().as_str());
    let tagged = campaign.source.is_some() || campaign.medium.is_some() || campaign.campaign.is_some();
    let channel = if page.paid_click || medium.is_some_and(is_paid) {
        "paid"
    } else if tagged {
        "campaign"
    } else {
        origin.as_ref().map_or("direct", |(channel, _)| channel)
    };
    let source = match &campaign.source {
        Some(_) => allowed(campaign.source.as_ref(), &site.sources),
        None => origin.map(|(_, source)| source).unwrap_or_default(),
    };
    Entry {
        channel,
        source,
        medium: allowed(campaign.medium.as_ref(), &site.mediums),
        campaign: allowed(campaign.campaign.as_ref(), &site.campaigns),
    }
}

/// The media by which advertising is marked as paid: `cpc`, `cpm`, `ppc`, `retargeting`, `paid_social` …
fn is_paid(medium: &str) -> bool {
    let medium = medium.to_lowercase();
    medium.contains("cp") || medium == "ppc" || medium == "retargeting" || medium.starts_with("paid")
}

/// Channel and source of a foreign host.
fn origin(host: &str) -> (&'static str, String) {
    if host.starts_with(PageUrl::APP_PREFIX) {
        return match HOSTS.get(host) {
            Some(known) => (known.channel, known.domain.unwrap_or(OTHER).to_owned()),
            None => ("referral", OTHER.to_owned()),
        };
    }
    let Some(domain) = registrable_domain(host) else { return ("referral", OTHER.to_owned()) };
    (known_channel(host, domain).unwrap_or("referral"), domain.to_owned())
}

/// The channel of the longest entry that covers the host, the domain itself being the shortest.
fn known_channel(host: &str, domain: &str) -> Option<&'static str> {
    let suffix = domain.split_once('.').map(|(_, suffix)| suffix)?;
    let mut covering = host;
    loop {
        if let Some(known) = HOSTS.get(covering) {
            return Some(known.channel);
        }
        if let Some(known) = HOSTS.get(covering.strip_suffix(suffix)?) {
            return Some(known.channel);
        }
        if covering.len() <= domain.len() {
            return None;
        }
        covering = covering.split_once('.')?.1;
    }
}

/// The registrable domain of a host under the ICANN section of the public suffix list; none for an address, a name with
/// an unknown suffix, or an application. A suffix of several labels that has a site itself (`gov.kz`) is its own, and so is
/// its `www`.
pub fn registrable_domain(host: &str) -> Option<&str> {
    let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    if is_address || host.starts_with(PageUrl::APP_PREFIX) {
        return None;
    }
    let mut domain = host;
    let mut suffix = List.suffix(host.as_bytes())?;
    let bare = host.strip_prefix("www.").unwrap_or(host);
    if bare.contains('.') && suffix.typ() == Some(Type::Icann) && suffix.as_bytes() == bare.as_bytes() {
        return Some(bare);
    }
    if suffix.typ() != Some(Type::Private) {
        domain = std::str::from_utf8(List.domain(host.as_bytes())?.as_bytes()).ok()?;
    }
    // A private suffix (`github.io`) is itself a domain under a shorter suffix; climb until that is ICANN's.
    while suffix.typ() == Some(Type::Private) {
        domain = std::str::from_utf8(suffix.as_bytes()).ok()?;
        suffix = List.suffix(domain.split_once('.')?.1.as_bytes())?;
    }
    let icann = suffix.typ() == Some(Type::Icann);
    if !icann || domain.len() <= suffix.as_bytes().len() {
        return None;
    }
    // A private suffix may stand several labels below (`s3.eu-central-1.amazonaws.com`); one label is the domain's own.
    let label_end = domain.len() - suffix.as_bytes().len() - 1;
    let start = domain[..label_end].rfind('.').map_or(0, |dot| dot + 1);
    Some(&domain[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The channels that `hosts.txt` may give a host.
    const CHANNELS: [&str; 6] = ["search", "ai", "social", "messenger", "email", "referral"];

    fn site() -> SiteEnrich {
        SiteEnrich::new(crate::enrich::SiteWords {
            hosts: vec!["jetpay.kz".to_owned(), "www.jetpay.kz".to_owned()],
            sources: vec!["Newsletter".to_owned()],
            mediums: vec!["email".to_owned(), "cpc".to_owned()],
            campaigns: vec!["NAURYZ".to_owned(), "Май".to_owned()],
            ignored_referrers: vec!["bank.kz".to_owned()],
            events: Vec::new(),
        })
    }

    fn began(page: &str, referrer: &str) -> String {
        let page = crate::decode::url::parse(page).expect("a page");
        let referrer = crate::decode::url::parse(referrer).ok();
        let Entry { channel, source, medium, campaign } = entry(&page, referrer.as_ref(), &site());
        format!("{channel}|{source}|{medium}|{campaign}")
    }

    #[test]
    fn every_known_host_is_written_as_it_is_looked_up() {
        let mut seen = std::collections::HashSet::new();
        for (host, channel, domain) in lines() {
            assert!(CHANNELS.contains(&channel), "{host} {channel}");
            assert!(seen.insert(host), "{host} is listed twice");
            assert_eq!(host, host.to_ascii_lowercase(), "{host}");
            assert_eq!(
                host.starts_with(PageUrl::APP_PREFIX),
                domain.is_some(),
                "{host}: applications, and they only, have a domain"
            );
            let name = domain.unwrap_or(host).replace(".*", ".com");
            let registrable = registrable_domain(&name).unwrap_or_else(|| panic!("{host} has no registrable domain"));
            assert!(domain.is_none() || registrable == name, "{host} is published as {registrable}");
        }
        assert!(seen.len() >= 150);
    }

    #[test]
    fn a_referrer_is_known_by_its_longest_entry_and_named_by_its_domain_only() {
        for (referrer, expected) in [
            ("https://www.google.kz/", "search|google.kz||"),
            ("https://www.google.co.uk/search?q=secret", "search|google.co.uk||"),
            ("https://mail.google.com/mail/u/0/", "email|google.com||"),
            ("https://gemini.google.com/app", "ai|google.com||"),
            ("https://news.google.com/", "referral|google.com||"),
            ("https://yandex.kz/search/?text=secret", "search|yandex.kz||"),
            ("https://mail.yandex.kz/", "email|yandex.kz||"),
            ("https://ya.ru/", "search|ya.ru||"),
            ("https://go.mail.ru/search", "search|mail.ru||"),
            ("https://e.mail.ru/inbox/0:1", "email|mail.ru||"),
            ("https://my.mail.ru/", "social|mail.ru||"),
            ("https://2gis.kz/almaty", "search|2gis.kz||"),
            ("https://kaspi.kz/shop", "referral|kaspi.kz||"),
            ("https://m.vk.com/id1", "social|vk.com||"),
            ("https://ok.ru/", "social|ok.ru||"),
            ("https://t.me/channel", "messenger|t.me||"),
            ("https://l.facebook.com/", "social|facebook.com||"),
            ("https://web.whatsapp.com/", "messenger|whatsapp.com||"),
            ("https://chatgpt.com/c/1", "ai|chatgpt.com||"),
            ("https://www.perplexity.ai/", "ai|perplexity.ai||"),
            ("https://notgoogle.com/", "referral|notgoogle.com||"),
            ("https://google.com.evil.kz/", "referral|evil.kz||"),
            ("https://shop.somebody.com.kz/a/b", "referral|somebody.com.kz||"),
            ("https://somebody.github.io/diary", "referral|github.io||"),
            ("https://somebody.blogspot.co.uk/", "referral|blogspot.co.uk||"),
            ("https://bucket.s3.amazonaws.com/", "referral|amazonaws.com||"),
            ("https://192.0.2.9/admin", "referral|other||"),
            ("https://[2001:db8::1]/", "referral|other||"),
            ("http://intranet/", "referral|other||"),
            ("http://crm.corp.internal-name/", "referral|other||"),
            ("https://com.kz/", "referral|com.kz||"),
            ("https://gov.kz/memleket", "referral|gov.kz||"),
            ("https://www.gov.kz/", "referral|gov.kz||"),
            ("https://adilet.gov.kz/", "referral|adilet.gov.kz||"),
            ("http://kz/", "referral|other||"),
            ("http://www.kz/", "referral|www.kz||"),
            ("android-app://com.google.android.gm/", "email|google.com||"),
            ("android-app://com.whatsapp", "messenger|whatsapp.com||"),
            ("android-app://com.somebody.app/", "referral|other||"),
            ("https://jetpay.kz/tariffs", "internal|||"),
            ("https://www.jetpay.kz/", "internal|||"),
            ("https://help.jetpay.kz/", "referral|jetpay.kz||"),
            ("https://acs.bank.kz/3ds", "direct|||"),
            ("https://notbank.kz/", "referral|notbank.kz||"),
            ("none", "direct|||"),
        ] {
            assert_eq!(began("https://jetpay.kz/", referrer), expected, "{referrer}");
        }
    }

    #[test]
    fn campaigns_speak_in_the_sites_own_words_only() {
        for (query, referrer, expected) in [
            ("utm_source=newsletter&utm_medium=EMAIL&utm_campaign=Nauryz", "none", "campaign|newsletter|email|nauryz"),
            ("utm_source=user-4711&utm_campaign=x", "none", "campaign|other||other"),
            ("utm_source=newsletter&utm_medium=cpc", "https://google.kz/", "paid|newsletter|cpc|"),
            ("utm_medium=paid_social", "https://instagram.com/", "paid|instagram.com|other|"),
            ("gclid=1", "https://www.google.kz/", "paid|google.kz||"),
            ("gclid=1", "none", "paid|||"),
            ("utm_campaign=nauryz", "https://t.me/a", "campaign|t.me||nauryz"),
            ("utm_campaign=%D0%BC%D0%B0%D0%B8%CC%86", "none", "campaign|||май"),
            ("utm_source=newsletter", "https://jetpay.kz/", "internal|||"),
            ("utm_source=newsletter", "https://acs.bank.kz/", "campaign|newsletter||"),
            ("source=x", "none", "direct|||"),
        ] {
            assert_eq!(began(&format!("https://jetpay.kz/?{query}"), referrer), expected, "{query} from {referrer}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_domain_is_an_end_of_its_host(host in "[a-z0-9.\\-:\\[\\]]{0,60}(github\\.io|com\\.kz|kz|ck|compute\\.amazonaws\\.com)?") {
            if let Some(domain) = registrable_domain(&host) {
                proptest::prop_assert!(host.ends_with(domain) && domain.contains('.'));
            }
            origin(&host);
        }
    }
}
