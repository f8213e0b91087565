//! The query of the pixel: one view, described by its address.

use serde::Deserialize;

use super::beacon::Addressed;
use super::url;
use crate::event::{ReceivedBeacon, ReceivedEvent};
use crate::outcome::Rejection;
use crate::secret::Personal;

/// The parameters of `/v1/picture`.
#[derive(Deserialize)]
pub struct PixelQuery {
    /// The site's domain.
    pub site: Option<String>,
    /// The address of the page that was viewed. Where it is missing or no address, the page that shows the picture is.
    pub url: Option<String>,
    /// `Referer`: the page that shows the picture.
    #[serde(skip)]
    pub referer: Option<Personal<String>>,
    /// The address of the page before.
    #[serde(rename = "ref")]
    pub referrer: Option<String>,
}

impl PixelQuery {
    /// The beacon that a snippet would have sent for this view. `view` is a new random view id.
    pub fn addressed(self, view: [u8; 16]) -> Result<Addressed, Rejection> {
        let Self { site, url, referer, referrer } = self;
        let [page, shown_by, referrer] = [url.map(Personal::new), referer, referrer.map(Personal::new)]
            .map(|text| text.and_then(|text| url::parse(text.expose()).ok()));
        let page = page.or(shown_by);
        let site = site.ok_or(Rejection::Malformed)?;
        let events = vec![ReceivedEvent::View { page: page.ok_or(Rejection::OutOfBounds)?, referrer }];
        let view = Personal::new(view);
        let beacon = ReceivedBeacon { view, seq: 0, events, unknown_events: 0, device: None, unknown_fields: 0 };
        Ok(Addressed { site, beacon, invalid_events: 0 })
    }
}
