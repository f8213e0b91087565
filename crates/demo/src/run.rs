//! Runs the product with simulated visitors, on loopback and on a simulated clock.
//!
//! The days before yesterday are published first ([`crate::past`]). The product's clock begins yesterday at the shop's
//! midnight. The player moves it until it reaches real time. By then yesterday's window is closed and published. The demo
//! owns its folder. On another day it empties the folder and plays again. On the same day it only starts the product.

use std::convert::Infallible;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Deserialize;
use tamga::clock::Clock;
use tamga::config::Config;
use tamga::privacy::seal::CookieSeal;
use tamga::secret::Secret;
use tamga::serve::{self, Running, Stores};
use tower::{Service, ServiceExt, service_fn};

use crate::browser::Browser;
use crate::folder::{Played, clear, cookie_key, hold, is_played, prepare, write_file};
use crate::geo;
use crate::live::{self, Live, Whose};
use crate::options::Options;
use crate::past::Past;
use crate::places;
use crate::player::{Patience, Player};
use crate::progress::Progress;
use crate::random::Random;
use crate::report::PlayReport;
use crate::returning::Returning;
use crate::shop::{Answer, Shop};
use crate::site::{SITE, beginning, identity_cookie, shop_host, time_zone};
use crate::world::{Settings, World};

/// Another seed, another world.
pub(crate) const SEED: u64 = 0x0074_616d_6761;
/// The address of a visitor on this machine, from one of the networks of Almaty, so that it has a place.
const OWN_ADDRESS: HeaderValue = HeaderValue::from_static("198.18.0.77");
/// The pattern of earlier days has so many times fewer visitors than a day, and so many at least.
const PATTERN_OF: u32 = 2;
const PATTERN_LEAST: u32 = 100;
/// The time that publishing may take after everything was played.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(120);

/// Does what the options say.
pub(crate) fn run(options: Options) -> Result<()> {
    if options.list_beacons {
        return list_beacons(&options);
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(options))
}

/// Prints what is played of yesterday: who sends it, and the beacon.
fn list_beacons(options: &Options) -> Result<()> {
    let start = beginning(Clock::machine().now());
    let end = start.to_zoned(time_zone()).tomorrow()?.timestamp();
    let world = world(options, options.visitors, start, end)?;
    for step in &world.steps {
        let Browser { kind, device, keeps_cookies, was_here, .. } = &world.browsers[step.browser];
        let body: serde_json::Value = serde_json::from_str(&step.body)?;
        let line = serde_json::json!({
            "at": step.at.to_string(), "browser": step.browser, "kind": kind, "device": device, "keeps_cookies": keeps_cookies, "was_here": was_here,
            "beacon": body,
        });
        say(&line.to_string())?;
    }
    Ok(())
}

fn world(options: &Options, visitors_per_day: u32, start: Timestamp, end: Timestamp) -> Result<World> {
    let has_past = start > opened(options, start)?;
    let (time_zone, port) = (time_zone(), options.port);
    let settings = Settings { seed: SEED, start, end, time_zone, visitors_per_day, has_past, port };
    Ok(World::new(&settings, &places::parse(geo::NETWORKS)?))
}

/// Runs the demo until it is stopped.
async fn serve(options: Options) -> Result<()> {
    let now = Clock::machine().now();
    let start = beginning(now);
    let day = start.to_zoned(time_zone()).date();
    let Options { days, visitors, port, .. } = options;
    let today = Played { day: day.to_string(), days, visitors, port };
    let fresh = !is_played(&options.data, &today);
    if fresh {
        clear(&options)?;
    }
    let config = prepare(&options)?;
    if fresh {
        past(&options, config.clone(), start).await?;
    }
    say("Starting the collector and two embedded ClickHouse engines.")?;
    let began = Instant::now();
    let clock = if fresh { Clock::simulated(start) } else { Clock::machine() };
    let ending = serve::Ending::listen()?;
    let mut running = serve::start_wrapped(config, clock.clone(), with_shop).await?;
    running.stop_at(ending);
    let stores = match running.stores().await {
        Ok(stores) => stores,
        Err(error) => {
            // The first error is returned. Errors while stopping the rest are not reported.
            let _ = running.stop().await;
            return Err(error);
        }
    };
    say(&format!("They are up ({:.1} s).", began.elapsed().as_secs_f64()))?;
    let shown = tokio::select! {
        shown = show(&options, &running, &stores, fresh.then_some((start, clock)), &today) => shown,
        () = running.stopping() => Ok(()),
    };
    if shown.is_err() || options.once {
        running.stop().await?;
        return shown;
    }
    running.wait().await?;
    let next = if is_played(&options.data, &today) {
        format!("The data stays in {}; started again today, it is there at once.", options.data.display())
    } else {
        "Not everything was played; the next start begins anew.".to_owned()
    };
    say(&format!("\nStopped. {next}"))
}

/// Plays, waits for the published numbers, and prints what to look at.
async fn show(
    options: &Options,
    running: &Running,
    stores: &Stores,
    world: Option<(Timestamp, Clock)>,
    played: &Played,
) -> Result<()> {
    if let Some((start, clock)) = world {
        let end = Clock::machine().now();
        let report = play(options, running.address.context("the demo listens at a port")?, start, end, clock).await?;
        say(&format!(
            "Played {} beacons with {} events in {:.0} s: {} accepted, {} dropped (programs that say so, browsers that \
             ask not to be measured), {} of visitors who object, {} refused.",
            report.requests,
            report.events_sent,
            report.seconds,
            report.accepted,
            report.dropped,
            report.off,
            report.rejected,
        ))?;
        say("Waiting until yesterday is published.")?;
        published(stores, &played.day).await?;
        write_file(&options.data.join("played.json"), &serde_json::to_vec(played)?)?;
    } else {
        say("Yesterday's visitors were played before; nothing to do.")?;
    }
    say(&summary(options, stores, &played.day).await?)
}

async fn play(
    options: &Options,
    address: SocketAddr,
    start: Timestamp,
    end: Timestamp,
    clock: Clock,
) -> Result<PlayReport> {
    say(&format!("Playing the shop's visitors since yesterday's midnight, {} a day.", options.visitors))?;
    let world = world(options, options.visitors, start, end)?;
    let cookies = earlier_cookies(options, &world, start)?;
    let progress = Progress::new(start, end, time_zone());
    let mut player = Player::new(world, address, clock, Patience::default(), Some(progress));
    cookies.into_iter().for_each(|(browser, value)| player.bring(browser, identity_cookie(), value));
    Ok(player.play().await?)
}

/// The cookies of those who were here before yesterday, sealed with the key of the collector that runs.
fn earlier_cookies(options: &Options, world: &World, start: Timestamp) -> Result<Vec<(usize, String)>> {
    let key: [u8; 32] = fs::read(cookie_key(options))?.try_into().ok().context("a key has 32 bytes")?;
    let (seal, mut random) = (CookieSeal::new(&Secret::new(key)), Random::new(SEED));
    let date = |time: Timestamp| time.to_zoned(time_zone()).date();
    let returning = Returning::since(date(opened(options, start)?));
    let known = world.browsers.iter().enumerate().filter(|(_, browser)| browser.was_here);
    let cookie = |at| Some((at, seal.seal(SITE, &returning.cookie(date(start), &mut random)?)));
    Ok(known.map(|(at, _)| at).filter_map(cookie).collect())
}

/// The midnight at which the shop opened; `start` is yesterday's.
fn opened(options: &Options, start: Timestamp) -> Result<Timestamp> {
    let before = jiff::Span::new().days(options.days.saturating_sub(2));
    Ok(start.to_zoned(time_zone()).checked_sub(before)?.timestamp())
}

/// Publishes the days before yesterday, whose midnight is `end`.
async fn past(options: &Options, config: Config, end: Timestamp) -> Result<()> {
    let opened = opened(options, end)?;
    if opened == end {
        return Ok(());
    }
    say("Publishing the days before yesterday.")?;
    let began = Instant::now();
    // Nobody else begins in this folder meanwhile.
    let _held = hold(&options.data)?;
    let visitors = (options.visitors / PATTERN_OF).max(PATTERN_LEAST);
    let first_night = opened.to_zoned(time_zone()).tomorrow()?.timestamp();
    let pattern = world(options, visitors, opened, first_night)?;
    let times = f64::from(options.visitors) / f64::from(visitors);
    let days = Past { config, opened, end, times, seed: SEED }.publish(pattern).await?;
    say(&format!("Published {days} days ({:.1} s).", began.elapsed().as_secs_f64()))
}

/// Waits for yesterday's row of the ledger.
async fn published(stores: &Stores, day: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Count {
        count: u64,
    }
    let began = Instant::now();
    while began.elapsed() < PUBLISHED_WITHIN {
        let sql = "SELECT count() AS count FROM publications WHERE site = {site:String} AND day = {day:Date}";
        let parameters = [("site", SITE.to_owned()), ("day", day.to_owned())];
        let rows: Vec<Count> = stores.stats.rows(sql, &parameters).await?;
        if rows.first().is_some_and(|row| row.count > 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("yesterday was not published within {} s; the log above says why", PUBLISHED_WITHIN.as_secs())
}

/// A row of `pages`.
#[derive(Deserialize)]
struct Page {
    path: String,
    views: u64,
    /// Not shown for pages folded together.
    visitors: Option<u64>,
}

/// The pages as a table for a terminal.
fn table(pages: &[Page]) -> String {
    let mut out = format!("  {:<28}{:>8}{:>10}\n", "path", "views", "visitors");
    for page in pages {
        let visitors = page.visitors.map_or("not shown".to_owned(), |visitors| visitors.to_string());
        out.push_str(&format!("  {:<28}{:>8}{visitors:>10}\n", page.path, page.views));
    }
    out
}

/// Some published numbers, and the addresses to look at.
async fn summary(options: &Options, stores: &Stores, day: &str) -> Result<String> {
    let sql = "SELECT path, views, visitors FROM pages WHERE site = {site:String} AND day = {day:Date} AND carried_to = day \
               ORDER BY views DESC LIMIT 8";
    let parameters = [("site", SITE.to_owned()), ("day", day.to_owned())];
    let pages: Vec<Page> = stores.stats.rows(sql, &parameters).await?;
    if pages.is_empty() {
        bail!("nothing was published of {day}: too few visitors were played for any number to be shown");
    }
    let mut out = format!("\nPublished of {day}, the most viewed pages:\n\n{}", table(&pages));
    let shop = format!("http://{}/", shop_host(options.port));
    let numbers = format!("http://127.0.0.1:{}/stats", options.port + 1);
    let metrics = format!("http://127.0.0.1:{}/metrics", options.port + 1);
    let password = std::path::absolute(options.data.join("engine/analyst.password"))?;
    out.push_str(&format!(
        "\nOpen in a browser:\n\n  {shop:<40}the shop; your own visit is counted like the others\n  \
         {counted:<40}your clicks as they are counted, and what is held of them\n  \
         {metrics:<40}the collector's figures\n\n\
         Ask the stats store, as an analyst may (docs/analysts.md); the password is in the file that the line reads:\n\n  \
         curl -su \"analyst:$(cat '{password}')\" http://127.0.0.1:{stats} --data-binary \\\n    \
         \"SELECT country, region, sum(visits) AS visits FROM places GROUP BY ALL ORDER BY visits DESC LIMIT 10 FORMAT PrettyCompact\"\n\n\
         Look at the published numbers (account analyst, password {shown}):\n\n  {numbers}\n\nCtrl-C ends it.\n",
        counted = format!("{shop}counted"),
        stats = options.engine_port + 1,
        shown = fs::read_to_string(&password).unwrap_or_default().trim(),
        password = password.display(),
    ));
    Ok(out)
}

/// The shop beside the collector: the host name decides which of them answers. Visitors on this machine get an address.
fn with_shop<S, B>(
    collector: S,
    address: Option<SocketAddr>,
) -> impl Service<Request<Incoming>, Response = Response<Either<Full<Bytes>, B>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: 'static,
{
    let port = address.expect("the demo listens at a port").port();
    let (shop, live) = (Arc::new(Shop::new(port)), Arc::new(Live::default()));
    service_fn(move |mut request: Request<Incoming>| {
        let (collector, shop, live) = (collector.clone(), shop.clone(), live.clone());
        async move {
            let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            if shop.is_host(host) {
                let answer = match request.uri().path() {
                    live::PATH => Some(Answer { content_type: "application/json", body: live.json().into() }),
                    path => shop.respond(path),
                };
                return Ok(from_shop(&shop, answer).map(Either::Left));
            }
            if request.uri().path() == "/" {
                return Ok(redirect(&format!("http://{}/", shop_host(port))).map(Either::Left));
            }
            let whose = Whose::of(&request);
            if !request.headers().contains_key("x-forwarded-for") {
                request.headers_mut().insert("x-forwarded-for", OWN_ADDRESS);
            }
            let answer = collector.oneshot(request).await?;
            live.count(whose, answer.status());
            Ok(answer.map(Either::Right))
        }
    })
}

fn from_shop(shop: &Shop, answer: Option<Answer>) -> Response<Full<Bytes>> {
    let (status, kind, body) = match answer {
        Some(answer) => (StatusCode::OK, answer.content_type, Bytes::from(answer.body.into_owned())),
        None => (StatusCode::NOT_FOUND, "text/plain", Bytes::from_static(b"The shop has no such page.\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(policy) = HeaderValue::from_str(shop.content_security_policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn redirect(to: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// Prints a line to standard output. A reader that went away is no error.
fn say(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_without_a_published_number_of_visitors_are_listed_too() {
        let rows = [r#"{"path":"/tea","views":95,"visitors":80}"#, r#"{"path":"(other)","views":60,"visitors":null}"#];
        let pages: Vec<Page> = rows.iter().map(|row| serde_json::from_str(row).expect("a row of pages")).collect();
        let lines: Vec<Vec<String>> =
            table(&pages).lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
        assert_eq!(lines[1..], [vec!["/tea", "95", "80"], vec!["(other)", "60", "not", "shown"]]);
    }
}
