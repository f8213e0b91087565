//! Sends the demo's world to the collector, on the simulated clock.
//!
//! It sends as a reverse proxy would: over loopback, with the visitor's address in `X-Forwarded-For`. Time has slices
//! of half a minute. Within a slice the clock stands still. Up to 64 browsers send at once, each its own beacons in
//! order, and the clock moves on when all are answered. A browser keeps its cookies and repeats a beacon after a 5xx or
//! no answer. Every other answer is final. If a beacon was stored and its answer lost, the repetition is a duplicate
//! and counts as `dropped`.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::progress::Progress;
use crate::report::PlayReport;
use crate::site::{collector_host, shop_host};
use crate::world::{Step, World};
use tamga::clock::Clock;

/// Simulated milliseconds within which the clock stands. A divisor of a minute, so that no slice crosses a midnight.
const SLICE_MS: i64 = 30_000;
/// Browsers that send at once.
const CONCURRENCY: usize = 64;
/// A request without an answer for so long is repeated.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Answers are empty or a short problem description.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// How often and how fast a beacon is repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) attempts: u32,
    /// The pause after the first one; it doubles up to two seconds. `Retry-After` is not waited for: the clock stands.
    pub(crate) first_pause: Duration,
}

impl Default for Patience {
    /// About a minute: longer than a collector takes to restart.
    fn default() -> Self {
        Self { attempts: 34, first_pause: Duration::from_millis(50) }
    }
}

/// Why the playing stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    /// Beacons stay without an answer.
    #[error(
        "the collector at {address} gave no final answer to {beacons} beacons within {attempts} attempts each. Its log says why; start the demo again when it runs."
    )]
    NoAnswer {
        /// Where the collector should be.
        address: SocketAddr,
        /// How many beacons of the last slice, at least.
        beacons: u64,
        /// How often each was tried.
        attempts: u32,
    },
}

/// The player. Where it is in the world, its cookies and its report last from one call of [`Player::play_until`] to the
/// next.
pub(crate) struct Player {
    stage: Arc<Stage>,
    clock: Clock,
    progress: Option<Progress>,
    jars: HashMap<usize, Jar>,
    next: usize,
    report: PlayReport,
}

/// What all requests share.
struct Stage {
    world: World,
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    host: HeaderValue,
    origin: HeaderValue,
    patience: Patience,
}

/// A browser's cookies for the collector's host, by name.
type Jar = BTreeMap<String, String>;

impl Player {
    /// Plays `world` at the collector that listens on `address`, moving `clock`.
    pub(crate) fn new(
        world: World,
        address: SocketAddr,
        clock: Clock,
        patience: Patience,
        progress: Option<Progress>,
    ) -> Self {
        let text = |text: String| HeaderValue::try_from(text).expect("host names of the demo are plain ASCII");
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let stage = Stage {
            world,
            client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(CONCURRENCY).build(connector),
            address,
            host: text(collector_host(address.port())),
            origin: text(format!("http://{}", shop_host(address.port()))),
            patience,
        };
        Self { stage: Arc::new(stage), clock, progress, jars: HashMap::new(), next: 0, report: PlayReport::default() }
    }

    /// Gives a browser a cookie of an earlier day.
    pub(crate) fn bring(&mut self, browser: usize, name: String, value: String) {
        self.jars.entry(browser).or_default().insert(name, value);
    }

    /// Plays to the world's end, and lets the clock go on with the machine's time.
    pub(crate) async fn play(&mut self) -> Result<PlayReport, PlayError> {
        let end = self.stage.world.end;
        let report = self.play_until(end).await?;
        self.clock.follow_machine();
        if let Some(progress) = &mut self.progress {
            progress.finish(end, report.events_sent);
        }
        Ok(report)
    }

    /// Plays what happens before `until`; the clock then shows `until`. The report is the sum of all calls.
    ///
    /// After an error the slice that failed is behind: the next call goes on with the one after it.
    pub(crate) async fn play_until(&mut self, until: Timestamp) -> Result<PlayReport, PlayError> {
        let began = Instant::now();
        let before = self.report.seconds;
        let outcome = loop {
            let slice = self.slice(until);
            if slice.is_empty() {
                self.clock.advance_to(until);
                break Ok(());
            }
            self.clock.advance_to(self.stage.world.steps[slice[0]].at);
            if let Err(error) = self.play_slice(&slice).await {
                break Err(error);
            }
            self.report.seconds = before + began.elapsed().as_secs_f64();
            if let Some(progress) = &mut self.progress {
                progress.show(self.clock.now(), self.report.events_sent);
            }
        };
        outcome.map(|()| self.report.clone())
    }

    /// Takes the steps of the next slice before `until`.
    fn slice(&mut self, until: Timestamp) -> Vec<usize> {
        let steps = &self.stage.world.steps;
        let number = |step: &Step| step.at.as_millisecond().div_euclid(SLICE_MS);
        let first = self.next;
        let Some(current) = steps.get(first).map(number) else { return Vec::new() };
        let end = first + steps[first..].partition_point(|step| step.at < until && number(step) == current);
        self.next = end;
        (first..end).collect()
    }

    async fn play_slice(&mut self, slice: &[usize]) -> Result<(), PlayError> {
        let mut by_browser: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for step in slice {
            by_browser.entry(self.stage.world.steps[*step].browser).or_default().push(*step);
        }
        let mut unanswered = 0;
        let mut browsers = JoinSet::new();
        for (browser, steps) in by_browser {
            if browsers.len() >= CONCURRENCY {
                unanswered += self.join(&mut browsers).await;
            }
            let jar = self.jars.remove(&browser).unwrap_or_default();
            browsers.spawn(Arc::clone(&self.stage).browse(browser, steps, jar));
        }
        while !browsers.is_empty() {
            unanswered += self.join(&mut browsers).await;
        }
        if unanswered == 0 {
            return Ok(());
        }
        let Stage { address, patience, .. } = &*self.stage;
        Err(PlayError::NoAnswer { address: *address, beacons: unanswered, attempts: patience.attempts })
    }

    /// Waits for one browser; returns how many of its beacons had no answer.
    async fn join(&mut self, browsers: &mut JoinSet<Browsed>) -> u64 {
        let Some(joined) = browsers.join_next().await else { return 0 };
        let Browsed { browser, jar, report, unanswered } = joined.expect("a browser neither panics nor is aborted");
        if !jar.is_empty() {
            self.jars.insert(browser, jar);
        }
        self.report.add(&report);
        unanswered
    }
}

/// What a browser did in a slice.
struct Browsed {
    browser: usize,
    jar: Jar,
    report: PlayReport,
    unanswered: u64,
}

impl Stage {
    /// Sends a browser's beacons of one slice, one after the other.
    async fn browse(self: Arc<Self>, browser: usize, steps: Vec<usize>, mut jar: Jar) -> Browsed {
        let mut report = PlayReport::default();
        let mut unanswered = 0;
        for step in steps {
            let step = &self.world.steps[step];
            match self.send(step, &jar, &mut report.retries).await {
                Some((status, headers)) => {
                    report.count(step, status, &headers);
                    if self.world.browsers[browser].keeps_cookies {
                        keep_cookies(&headers, &mut jar);
                    }
                }
                None => unanswered += 1,
            }
        }
        Browsed { browser, jar, report, unanswered }
    }

    /// The final answer to a beacon, if there is one.
    async fn send(&self, step: &Step, jar: &Jar, retries: &mut u64) -> Option<(StatusCode, HeaderMap)> {
        let mut pause = self.patience.first_pause;
        for attempt in 1..=self.patience.attempts {
            let answer = tokio::time::timeout(ANSWER_WITHIN, self.attempt(self.request(step, jar))).await;
            if let Ok(Some((status, headers))) = answer
                && !status.is_server_error()
            {
                return Some((status, headers));
            }
            *retries += 1;
            if attempt < self.patience.attempts {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
        }
        None
    }

    async fn attempt(&self, request: Request<Full<Bytes>>) -> Option<(StatusCode, HeaderMap)> {
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        // Read to its end, so that the connection can be used again.
        Limited::new(body, MAX_ANSWER_BYTES).collect().await.ok()?;
        Some((parts.status, parts.headers))
    }

    fn request(&self, step: &Step, jar: &Jar) -> Request<Full<Bytes>> {
        let mut request = Request::post(format!("http://{}/v1/beacon", self.address))
            .header(header::HOST, &self.host)
            .header(header::ORIGIN, &self.origin)
            .header("x-forwarded-for", step.address.to_string())
            .header(header::CONTENT_TYPE, "text/plain;charset=UTF-8")
            .header(header::ACCEPT, "*/*")
            .header(header::ACCEPT_ENCODING, "gzip, deflate, br");
        for (name, value) in &self.world.browsers[step.browser].headers {
            request = request.header(*name, value);
        }
        if !jar.is_empty() {
            let cookies: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        request.body(Full::from(step.body.clone())).expect("the world's headers and cookies are well-formed")
    }
}

/// Takes the cookies of an answer over. Attributes are not looked at but for `Max-Age=0`, which ends a cookie.
fn keep_cookies(headers: &HeaderMap, jar: &mut Jar) {
    for cookie in headers.get_all(header::SET_COOKIE) {
        let Ok(text) = cookie.to_str() else { continue };
        let mut parts = text.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
        if parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use http::Response;
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpListener;

    use super::*;
    use crate::browser::{Browser, Kind};

    /// What a request looked like to the collector, and the simulated time at its arrival.
    #[derive(Clone)]
    struct Seen {
        body: String,
        headers: HeaderMap,
        at: Timestamp,
    }

    type Answer = fn(turn: usize) -> Response<Full<Bytes>>;

    fn answer(status: u16, outcome: &str, cookie: &str) -> Response<Full<Bytes>> {
        let answer = Response::builder().status(status).header("tamga-outcome", outcome).header("set-cookie", cookie);
        answer.body(Full::default()).expect("well-formed")
    }

    /// A collector that notes what it sees; the answer depends on how many requests there were before.
    async fn collector(clock: Clock, answer: Answer) -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (notes, clock) = (Arc::clone(&notes), clock.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (notes, clock) = (Arc::clone(&notes), clock.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.expect("a body").to_bytes();
                        let body = String::from_utf8(body.to_vec()).expect("text");
                        let mut notes = notes.lock().expect("no test panics with it");
                        notes.push(Seen { body, headers: parts.headers, at: clock.now() });
                        Ok::<_, Infallible>(answer(notes.len() - 1))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        (address, seen)
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_010 + second).expect("in range")
    }

    /// Steps as (second, browser). The body is the step's number.
    fn world(steps: &[(i64, usize)]) -> World {
        let address = [10, 1, 2, 3].into();
        let browser = |keeps_cookies| Browser {
            kind: Kind::Person,
            device: "phone",
            addresses: [address; 2],
            keeps_cookies,
            was_here: false,
            machine: serde_json::Value::Null,
            headers: vec![("user-agent", "Test/1".to_owned()), ("sec-fetch-site", "same-site".to_owned())],
        };
        let steps = steps.iter().enumerate().map(|(index, (second, browser))| Step {
            at: time(*second),
            browser: *browser,
            address,
            events: 2,
            body: index.to_string(),
        });
        World { browsers: vec![browser(true), browser(true), browser(false)], steps: steps.collect(), end: time(600) }
    }

    fn quick(world: World, address: SocketAddr, clock: &Clock) -> Player {
        let patience = Patience { attempts: 3, first_pause: Duration::from_millis(1) };
        Player::new(world, address, clock.clone(), patience, None)
    }

    #[tokio::test]
    async fn cookies_come_back_to_those_who_keep_them_in_order_and_on_the_clock() {
        let clock = Clock::simulated(time(0));
        let (address, seen) = collector(clock.clone(), |_| answer(202, "accepted", "id=abc; Path=/; HttpOnly")).await;
        let steps = [(0, 0), (1, 0), (2, 2), (3, 0), (3, 2), (31, 1), (40, 0), (95, 1)];
        let mut player = quick(world(&steps), address, &clock);
        let half = player.play_until(time(35)).await.expect("answered");
        assert_eq!((half.requests, clock.now()), (6, time(35)));
        let report = player.play().await.expect("answered");
        assert_eq!((report.requests, report.events_sent, report.accepted, report.retries), (8, 16, 16, 0));
        assert_eq!(report.statuses, BTreeMap::from([(202, 8)]));
        assert!(clock.now() > time(600), "the clock follows the machine");

        let seen = seen.lock().expect("whole").clone();
        let of = |steps: &[usize]| -> Vec<Seen> {
            seen.iter().filter(|seen| steps.contains(&seen.body.parse().expect("a number"))).cloned().collect()
        };
        let first = of(&[0, 1, 3, 6]);
        assert_eq!(first.iter().map(|seen| seen.body.as_str()).collect::<Vec<_>>(), ["0", "1", "3", "6"]);
        let cookies: Vec<_> = first.iter().map(|seen| seen.headers.contains_key("cookie")).collect();
        assert_eq!(cookies, [false, true, true, true]);
        assert_eq!(first[3].headers["cookie"], "id=abc");
        assert!(of(&[2, 4]).iter().all(|seen| !seen.headers.contains_key("cookie")));
        assert_eq!(of(&[0, 1, 2, 3, 4]).iter().map(|seen| seen.at).collect::<Vec<_>>(), [time(0); 5]);
        assert_eq!(of(&[5, 7]).iter().map(|seen| seen.at).collect::<Vec<_>>(), [time(31), time(95)]);

        let headers = &first[0].headers;
        assert_eq!(headers["host"], format!("t.demo.localhost:{}", address.port()));
        assert_eq!(headers["origin"], format!("http://shop.demo.localhost:{}", address.port()));
        assert_eq!(
            (&headers["x-forwarded-for"], &headers["user-agent"]),
            (&"10.1.2.3".parse().expect("ASCII"), &"Test/1".parse().expect("ASCII"))
        );
    }

    #[tokio::test]
    async fn an_unavailable_collector_is_asked_again_and_a_refusal_is_final() {
        let clock = Clock::simulated(time(0));
        let (address, seen) = collector(clock.clone(), |turn| match turn {
            0 | 1 => answer(503, "", "a=1"),
            2 => answer(202, "dropped", "a=1; Max-Age=60"),
            3 => answer(202, "off", "a=1; Max-Age=0"),
            _ => answer(422, "", "b=2"),
        })
        .await;
        let mut player = quick(world(&[(0, 0), (1, 0), (2, 0)]), address, &clock);
        let report = player.play().await.expect("answered in the end");
        assert_eq!((report.requests, report.retries), (3, 2));
        assert_eq!((report.accepted, report.dropped, report.off, report.rejected), (0, 2, 2, 2));
        let seen = seen.lock().expect("whole").clone();
        assert_eq!(seen.iter().map(|seen| seen.body.as_str()).collect::<Vec<_>>(), ["0", "0", "0", "1", "2"]);
        assert!(!seen[4].headers.contains_key("cookie"), "Max-Age=0 ends a cookie");
    }

    #[tokio::test]
    async fn a_collector_that_stays_away_ends_the_playing_with_a_sentence() {
        let clock = Clock::simulated(time(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let error = quick(world(&[(0, 0), (1, 1)]), address, &clock).play().await.expect_err("nobody answers");
        assert!(error.to_string().contains("2 beacons within 3 attempts"), "{error}");
        assert!(clock.now() < time(600), "the clock stands where the playing stopped");
    }
}
