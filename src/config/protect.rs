//! The settings of account protection: whether a site offers it, and where the keys of its verdicts lie.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Site;
use super::error::Errors;
use crate::items::Items;

/// The most characters of an audience.
const AUDIENCE_MAX: usize = 255;

/// Account protection of a site. Its policy must list the item `protection`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protect {
    /// For whom verdicts are (`aud`): the application that checks them refuses those for others. Such as `https://jetpay.kz`.
    pub audience: String,
    /// Whether ports of remote-control programs on the device count, with the visitor's consent. Default false: browsers ask the
    /// visitor, or block it.
    #[serde(default)]
    pub ports: bool,
    /// Whether verdicts are counted and published only: tokens have the lowest level and `"shadow":true`. Default false: begin with
    /// true, and look at what the rules find.
    #[serde(default)]
    pub shadow: bool,
}

/// The keys that sign verdicts of account protection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerdictKeys {
    /// The folder of the keys, made at the first start; nodes share it. Default: `verdict-keys` beside `[cookie] key_file`.
    pub key_dir: Option<PathBuf>,
}

impl VerdictKeys {
    /// The folder of the keys.
    pub fn folder(&self) -> &Path {
        self.key_dir.as_deref().unwrap_or(Path::new(Self::DEFAULT))
    }

    /// The folder beside the cookies' key, where none is named.
    pub(super) const DEFAULT: &str = "verdict-keys";
}

/// Checks what a site offers. Without `items`, because its policy is wrong itself, every item counts as listed.
pub(super) fn check(site: &Site, items: Option<&Items>, errors: &mut Errors<'_>) {
    let Some(protect) = &site.protect else { return };
    errors.require(
        items.is_none_or(|items| items.protection),
        "protect",
        "the site's policy does not list the item `protection`, so nothing may be looked at for it",
    );
    errors.require(
        (1..=AUDIENCE_MAX).contains(&protect.audience.len())
            && protect.audience.bytes().all(|byte| byte.is_ascii_graphic()),
        "protect.audience",
        "name the application for which verdicts are, such as https://jetpay.kz",
    );
}
