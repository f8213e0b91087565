//! A proxy before the real engine that swallows answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::support::fake_vault::BrokenOnPurpose;

/// What becomes of an insert into the vault's tables of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It passes, and so does its answer.
    Whole,
    /// It is stored; the connection breaks instead of the answer.
    AnswerLost,
    /// It is stored; the answer never comes.
    AnswerHeld,
    /// The connection breaks before it has passed.
    RequestLost,
    /// It has not passed when the sender gives up waiting, and passes after that.
    RequestLate,
}

/// All of them.
pub(super) const PASSAGES: [Passage; 5] =
    [Passage::Whole, Passage::AnswerLost, Passage::AnswerHeld, Passage::RequestLost, Passage::RequestLate];

/// The proxy.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    plan: Arc<Mutex<VecDeque<Passage>>>,
    client: Client<HttpConnector, Full<Bytes>>,
    behind: u16,
}

impl Gate {
    /// Before the engine on this port; it ends with the runtime.
    pub(super) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            plan: Arc::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            behind: port,
        };
        let serving = gate.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let gate = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| gate.clone().pass(request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        gate
    }

    /// What becomes of the next inserts; the ones after them pass.
    pub(super) fn plan(&self, passages: impl IntoIterator<Item = Passage>) {
        *self.plan.lock().unwrap() = passages.into_iter().collect();
    }

    /// How many of the planned passages have not come to be.
    pub(super) fn left(&self) -> usize {
        self.plan.lock().unwrap().len()
    }

    async fn pass(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BrokenOnPurpose> {
        let (mut head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Err(BrokenOnPurpose) };
        let target = head.uri.path_and_query().unwrap().as_str().to_owned();
        head.uri = format!("http://127.0.0.1:{}{target}", self.behind).parse().unwrap();
        head.headers.remove(http::header::TRANSFER_ENCODING);
        let insert = target.contains("insert_deduplication_token");
        let passage = match insert {
            true => self.plan.lock().unwrap().pop_front().unwrap_or(Passage::Whole),
            false => Passage::Whole,
        };
        let whole = Request::from_parts(head, Full::new(body.to_bytes()));
        let forward = async move {
            let (head, body) = self.client.request(whole).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            assert!(!insert || head.status.is_success(), "{}", String::from_utf8_lossy(&body));
            Some((head, body))
        };
        match passage {
            Passage::RequestLost => return Err(BrokenOnPurpose),
            Passage::RequestLate => {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    forward.await
                });
                std::future::pending::<()>().await;
                return Err(BrokenOnPurpose);
            }
            Passage::Whole | Passage::AnswerLost | Passage::AnswerHeld => {}
        }
        let Some((mut head, body)) = forward.await else { return Err(BrokenOnPurpose) };
        match passage {
            Passage::AnswerLost => return Err(BrokenOnPurpose),
            Passage::AnswerHeld => std::future::pending::<()>().await,
            _ => {}
        }
        head.headers.remove(http::header::TRANSFER_ENCODING);
        head.headers.remove(http::header::CONTENT_LENGTH);
        Ok(Response::from_parts(head, Full::new(body)))
    }
}
