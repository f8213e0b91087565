//! Answers: the headers that ClickHouse's clients read, and the body. A body that fails half-way breaks the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use crate::failure::Failure;
use crate::output;
use crate::run::{BodyChunk, Head};

/// The time that the last bytes get before a failed answer closes its connection.
const BREAK_DELAY: Duration = Duration::from_millis(20);

/// Facts about the engine that every answer has in its headers.
pub(crate) struct About {
    pub(crate) version: Arc<str>,
    pub(crate) time_zone: HeaderValue,
}

/// A body that is complete, or one that the engine is still producing.
pub(crate) enum AnswerBody {
    Whole(Option<Bytes>),
    Streamed {
        parts: mpsc::Receiver<BodyChunk>,
        tag: String,
        version: Arc<str>,
    },
    /// The failure was sent. The connection breaks after the delay.
    Breaking(Pin<Box<Sleep>>),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let body = self.get_mut();
        match body {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed { parts, tag, version } => match ready!(parts.poll_recv(context)) {
                Some(BodyChunk::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(BodyChunk::End) => {
                    *body = Self::Whole(None);
                    Poll::Ready(None)
                }
                None => Poll::Ready(Some(Err(std::io::Error::other("the thread that made the answer broke off")))),
                Some(BodyChunk::Failed(failure)) => {
                    let block = exception_block(&failure.body(version), tag);
                    *body = Self::Breaking(Box::pin(sleep(BREAK_DELAY)));
                    Poll::Ready(Some(Ok(Frame::data(block))))
                }
            },
            Self::Breaking(delay) => {
                ready!(delay.as_mut().poll(context));
                Poll::Ready(Some(Err(std::io::Error::other("the query failed after its answer had begun"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            _ => SizeHint::default(),
        }
    }
}

/// The trailer in which a server reports an exception after data. A header announces the tag that marks it.
fn exception_block(message: &str, tag: &str) -> Bytes {
    let length = message.len();
    format!("\r\n__exception__\r\n{tag}\r\n{message}{length} {tag}\r\n__exception__\r\n").into()
}

/// A short text, `/ping` and the like.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    response
}

/// The answer to a request that failed before its answer began.
pub(crate) fn failed(failure: &Failure, about: &About, query_id: &str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from(failure.body(&about.version)))));
    *response.status_mut() = failure.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(HeaderName::from_static("x-clickhouse-exception-code"), HeaderValue::from(failure.code));
    if failure.status == StatusCode::UNAUTHORIZED {
        headers
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"ClickHouse server HTTP API\""));
    }
    common(&mut response, about, query_id);
    response
}

/// The beginning of an answer whose body comes through `parts`.
pub(crate) fn begun(
    head: &Head,
    parts: mpsc::Receiver<BodyChunk>,
    tag: String,
    about: &About,
    query_id: &str,
) -> Response<AnswerBody> {
    let summary = summary(head);
    let tag_header = HeaderValue::try_from(tag.as_str());
    let mut response = Response::new(AnswerBody::Streamed { parts, tag, version: Arc::clone(&about.version) });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(output::content_type(&head.format)));
    for (name, value) in [
        ("x-clickhouse-summary", HeaderValue::try_from(summary)),
        // The client chose the name. A name that is no header value has already failed as a format.
        ("x-clickhouse-format", HeaderValue::try_from(head.format.as_str())),
        ("x-clickhouse-exception-tag", tag_header),
    ] {
        if let Ok(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    common(&mut response, about, query_id);
    response
}

fn common(response: &mut Response<AnswerBody>, about: &About, query_id: &str) {
    let headers = response.headers_mut();
    headers
        .insert(HeaderName::from_static("x-clickhouse-server-display-name"), HeaderValue::from_static("tamga-engine"));
    headers.insert(HeaderName::from_static("x-clickhouse-timezone"), about.time_zone.clone());
    if let Ok(id) = HeaderValue::try_from(query_id) {
        headers.insert(HeaderName::from_static("x-clickhouse-query-id"), id);
    }
}

/// Counts as text, as the server writes them. For a streamed answer they say what was known when it began.
fn summary(head: &Head) -> String {
    let progress = head.progress;
    serde_json::json!({
        "read_rows": progress.read_rows.to_string(),
        "read_bytes": progress.read_bytes.to_string(),
        "written_rows": progress.written_rows.to_string(),
        "written_bytes": progress.written_bytes.to_string(),
        "total_rows_to_read": "0",
        "result_rows": progress.result_rows.to_string(),
        "result_bytes": "0",
        "elapsed_ns": head.elapsed.as_nanos().to_string(),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_say_its_end_is_broken() {
        for (parts, whole) in [
            (vec![BodyChunk::Data(Bytes::from("a")), BodyChunk::End], true),
            (vec![BodyChunk::Data(Bytes::from("a"))], false),
        ] {
            let (sender, receiver) = mpsc::channel(2);
            for part in parts {
                sender.send(part).await.unwrap_or_else(|_| panic!("the receiver is here"));
            }
            drop(sender);
            let body = AnswerBody::Streamed { parts: receiver, tag: String::new(), version: "1".into() };
            assert_eq!(body.collect().await.is_ok(), whole);
        }
    }

    #[test]
    fn an_exception_block_measures_its_message() {
        let block = exception_block("Code: 1.\n", "tagtagtagtagtagt");
        assert_eq!(
            block,
            "\r\n__exception__\r\ntagtagtagtagtagt\r\nCode: 1.\n9 tagtagtagtagtagt\r\n__exception__\r\n".as_bytes()
        );
    }
}
