//! The token: a compact JWS (RFC 7515), signed by Ed25519 (RFC 8037), with the claims of a JWT (RFC 7519).
//!
//! Everything in it is the site's own, the caller's nonce, or one of a few words. Times are cut to the minute. So two calls with one
//! verdict have equal tokens but for nonce, times and signature, and a token is no identifier. Ed25519 signatures are a function of
//! key and text: nothing can be hidden in one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::keys::SigningKey;
use super::rules::Verdict;

/// How long a token holds, in minutes, from the begin of the minute in which it was signed.
const LIFE_MINUTES: i64 = 5;

/// For whom a token is, and by whom.
pub(super) struct Parties {
    pub(super) issuer: String,
    pub(super) audience: String,
    /// Verdicts are counted, and the token says nothing of the caller.
    pub(super) is_shadow: bool,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    nonce: &'a str,
    level: &'a str,
    reasons: &'a [&'static str],
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
}

/// A token with this verdict. In shadow mode its level is the lowest, so that an application that overlooks the mode does no harm.
pub(super) fn token(parties: &Parties, verdict: &Verdict, nonce: &str, key: &SigningKey, now_ms: i64) -> String {
    let iat = now_ms.div_euclid(60_000) * 60;
    let nothing = Verdict::lowest();
    let Verdict { level, reasons } = if parties.is_shadow { &nothing } else { verdict };
    let claims = Claims {
        iss: &parties.issuer,
        aud: &parties.audience,
        nonce,
        level,
        reasons,
        iat,
        exp: iat + LIFE_MINUTES * 60,
        shadow: parties.is_shadow,
    };
    let claims = serde_json::to_vec(&claims).expect("texts and numbers");
    let mut token = format!("{}.{}", key.header(), URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}
