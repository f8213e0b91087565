//! `GET /v1/picture`: HTTP around [`ingest`], for pages without scripts and for places that only show a picture.
//!
//! The pixel never sets or reads the identity cookie. Each request is a new view with a random pseudonym that is never
//! confirmed, so it counts as a view and not as a visitor. The answer is always the same picture. An objection and
//! `Sec-GPC` are honoured. `HEAD`, and what a browser fetches ahead of a visit or for a preview, is no view.
//!
//! Lists of blockers know many names of such pixels, `/v1/count.gif?` among them. It is a second name of this route.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderValue, Method, Request, header};

use super::ingest::{Payload, ingest};
use super::server::Peer;
use super::{Collector, headers};
use crate::decode::pixel::PixelQuery;
use crate::outcome::DropReason;

/// A transparent picture of one pixel, GIF89a, 43 bytes.
const PICTURE: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Counts a view and answers with the picture.
pub(super) async fn get(
    State(collector): State<Arc<Collector>>,
    query: Result<Query<PixelQuery>, QueryRejection>,
    request: Request<Body>,
) -> Response {
    let (head, _) = request.into_parts();
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0.ip());
    if head.method == Method::GET && headers::is_ahead(&head.headers) {
        collector.metrics.receive(1).dropped(DropReason::Prefetch, 1);
    } else if head.method == Method::GET {
        // The page that shows the picture, if the browser names it.
        let query =
            query.ok().map(|Query(query)| PixelQuery { referer: Some(headers::referer(&head.headers)), ..query });
        // The outcome is counted by now. The picture is the answer in any case.
        let _ = ingest::<Body>(&collector, &head.headers, peer, Payload::Pixel(query)).await;
    }
    let mut response = Response::new(Body::from(&PICTURE[..]));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    out.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_picture_has_43_bytes_and_ends_as_a_gif() {
        assert_eq!((super::PICTURE.len(), super::PICTURE[42]), (43, b';'));
    }
}
