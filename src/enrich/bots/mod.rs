//! Declared bots, and the signs of programs that declare nothing.
//!
//! The declarations are in `patterns.txt`, which `scripts/update-bots` makes from the list crawler-user-agents (MIT, see
//! `LICENSE` beside it), and in [`MORE`]: what that list does not have yet, and how programs call themselves in general.
//! `scripts/agents` compares both with thousands of agents. The signs are in this file. Each sign is one header that every current browser sends, and that an
//! HTTP client or an automated browser often lacks. A sign is a reason to flag and never to drop, because each can be wrong:
//! a filtering proxy strips headers, and on a plain-http site no browser sends `Sec-Fetch-*`.

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::version::chromium_major;
use crate::event::{Automation, Sender};

const PATTERNS: &str = include_str!("patterns.txt");

/// Class and pattern of programs that `patterns.txt` does not name. Agents of language models first, by the names that their
/// makers give; then what names of programs end in. No browser's agent has such a word.
const MORE: [(&str, &str); 5] = [
    (
        "ai",
        r"(?i:\b(ai2bot|amazon-kendra|autogpt|agentgpt|bard-ai|bedrockbot|browser-?base|browser-use|chatgpt|claude-|codex|copilot-agent|crawl4ai|crawlee|crawlspace|exabot|firecrawl|gemini-deep|geminibot|genspark|google-agent|google-firebase|grokbot|hyperbrowser|jina-?(ai|reader)|kimibot|klaviyoaibot|laiondownloader|langchain|llama-?index|meta-external[a-z]+|meta-webindexer|multion|notebooklm|nova-?act|openai|openmanus|quillbot|qwenbot|searchgpt|shapbot|skyvern|stagehand|tavily|webpilot|xai-|yandexadditional))",
    ),
    ("ai", r"\b(Operator|Devin|Lindy|Apify|Zyte|Yutori|TinyFish|Scrapling|Awario|Cursor|iAsk)(/|;|\)|$)"),
    // A program that fetches a page because somebody has asked it about the page: `Shap-User`.
    ("ai", r"\b[A-Z][A-Za-z0-9]+-User(/|;|\)|,|\s|$)"),
    ("ai", r"[A-Za-z](-| )Agent(/|;|\)|$)"),
    // But not the telephones of Cubot.
    (
        UNLISTED,
        r"([a-tv-z0-9]bot|[^Cc]ubot|[a-z0-9]Bot|[ _-][Bb]ot|[Cc]rawler|[Ss]pider|[Ss]craper|[Ff]etcher)(/|;|\)|,|\s|$)",
    ),
];

/// The class of a program that no pattern knows, but that says `+http…` or that the browser parser calls a crawler.
const UNLISTED: &str = "other";

/// Chromium sends `Sec-Fetch-*` since version 76; browsers built on it followed by this one.
const CHROMIUM_WITH_FETCH_METADATA: u16 = 80;

/// The list of declared bots, compiled once.
pub(super) struct Bots {
    set: RegexSet,
    classes: Vec<&'static str>,
}

impl Bots {
    pub(super) fn new() -> Self {
        let (classes, patterns): (Vec<_>, Vec<_>) = lines().chain(MORE).unzip();
        let set = RegexSetBuilder::new(patterns)
            .unicode(false)
            .size_limit(256 << 20)
            .dfa_size_limit(8 << 20)
            .build()
            .expect("the patterns are compiled in, and a test compiles them");
        Self { set, classes }
    }

    /// The class that the agent declares, by the first pattern of the list that finds it. `parsed_as_crawler` is the
    /// browser parser's opinion; the list has the first word because it knows more, and by class.
    pub(super) fn declared(&self, agent: &str, parsed_as_crawler: bool) -> Option<&'static str> {
        // Most agents match no pattern. Whether any matches is far cheaper to find out than which one.
        if self.set.is_match(agent.as_bytes()) {
            return self.set.matches(agent.as_bytes()).iter().next().map(|index| self.classes[index]);
        }
        (parsed_as_crawler || agent.contains("+http")).then_some(UNLISTED)
    }
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    PATTERNS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

/// The strongest sign that a sender who declares nothing is a program, or none. `os` is what the agent claims.
pub(super) fn suspicion(agent: &str, sender: &Sender, os: &str) -> Automation {
    if agent.trim().is_empty() {
        Automation::Suspect("no_agent")
    } else if agent.contains("HeadlessChrome") || sender.brands.expose().contains("HeadlessChrome") {
        Automation::Suspect("headless")
    } else if !sender.has_language {
        Automation::Suspect("no_language")
    } else if !sender.has_fetch_metadata && chromium_major(agent) >= CHROMIUM_WITH_FETCH_METADATA {
        Automation::Suspect("no_fetch_metadata")
    } else if platform_contradicts(sender.platform.expose(), os) {
        Automation::Suspect("platform_mismatch")
    } else {
        Automation::None
    }
}

/// The agent's string is often forged, the hint beside it seldom. An Android device that asks for desktop pages claims
/// Linux, hence only these three are compared.
fn platform_contradicts(platform: &str, os: &str) -> bool {
    matches!((platform, os), ("Windows", "macOS" | "Linux" | "Android") | ("macOS", "Windows" | "Linux" | "Android"))
        || matches!((platform, os), ("Linux", "Windows" | "macOS"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_vendored_list_is_whole_and_its_classes_are_few() {
        assert!(PATTERNS.starts_with("# Generated by scripts/update-bots"));
        let listed = PATTERNS.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(lines().count(), listed, "a line without a class");
        assert!(listed > 1_000, "the list has shrunk to {listed}");
        let classes: BTreeSet<_> = lines().map(|(class, _)| class).collect();
        let known = ["advertising", "ai", "archive", "feed", "monitor", "preview", "scanner", "search", "seo", "tool"];
        assert_eq!(classes, BTreeSet::from(known));
    }

    #[test]
    fn programs_declare_themselves_without_a_link() {
        let bots = Bots::new();
        for name in [
            "NovaAct",
            "Operator",
            "Meta-ExternalFetcher",
            "meta-externalfetcher",
            "YandexAdditional",
            "YandexAdditionalBot",
            "Shap-User",
            "ShapBot",
            "Crawl4AI",
            "GPTBot",
            "ChatGPT-User",
            "ChatGPT Agent",
            "OAI-SearchBot",
            "ClaudeBot",
            "Claude-User",
            "Perplexity-User",
            "MistralAI-User",
            "Google-NotebookLM",
            "Google-Agent",
            "Gemini-Deep-Research",
            "xAI-Grok",
            "GrokBot",
            "QwenBot",
            "KimiBot",
            "DeepSeek-User",
            "Firecrawl",
            "FirecrawlAgent",
            "Skyvern",
            "browser-use",
            "Browserbase",
            "Stagehand",
            "Hyperbrowser",
            "Amazon-Nova-Act",
            "bedrockbot",
            "Manus-User",
            "TavilyBot",
            "ExaBot",
            "LinkupBot",
            "Kangaroo Bot",
            "Poseidon Research Crawler",
            "img2dataset",
            "cohere-ai",
            "Devin",
            "Replit-Agent",
            "Bytespider",
            "TikTokSpider",
            "CCBot",
            "Diffbot",
            "Timpibot",
            "omgili",
            "SomeNewBot",
            "NeverSeen-User",
            "my_scraper",
        ] {
            for agent in [
                format!(
                    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; {name}/1.0) Chrome/120.0.0.0 Safari/537.36"
                ),
                format!(
                    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 {name}"
                ),
                format!("{name}/2.1"),
            ] {
                assert!(bots.declared(&agent, false).is_some(), "{agent}");
            }
        }
        for person in [
            "Mozilla/5.0 (Linux; Android 14; CUBOT X70) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; Cubot) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
            "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
        ] {
            assert_eq!(bots.declared(person, false), None, "{person}");
        }
    }

    #[test]
    fn the_list_is_ready_in_time_for_a_start_and_bounded_on_hostile_agents() {
        let start = Instant::now();
        let bots = Bots::new();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        // 512 bytes are the most that `client` passes on. Repeated beginnings of patterns keep many alternatives alive.
        let hostile = "GoogGoogleAhBingbaiduYanWebMonSiteSEOCrawlSpiderBo".repeat(11);
        let start = Instant::now();
        for round in 0..50 {
            bots.declared(&hostile[round..round + 500], false);
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}
