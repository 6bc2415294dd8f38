// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handshake of a WebSocket (RFC 6455, section 4.2): what is asked before 101, and the answer.

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::answer::{self, Content};
use crate::message::{self, Request};
use crate::refusal::Refusal;
use crate::routes::WebSocketOptions;
use crate::security::Standing;
use crate::service::Asked;
use crate::token::Secrets;

/// A connection that becomes a WebSocket once 101 is written.
pub(crate) struct Upgrade {
    pub(crate) request: Request,
    pub(crate) codec: Option<message::Content>,
    /// Of the request, as it counts in the mailbox.
    pub(crate) size: usize,
}

/// What every server takes as a subprotocol, so that a token can be offered beside it.
const OWN_PROTOCOL: &str = "moonport";

const TOKEN_PREFIX: &str = "moonport.token.";

/// Can a path speak this subprotocol? Names of tokens are no protocols.
#[must_use]
pub fn is_protocol(name: &str) -> bool {
    !name.is_empty() && crate::head::is_token(name.as_bytes()) && !name.starts_with(TOKEN_PREFIX)
}

/// Gives the answer to a handshake that passed. `secrets`: those that the client must know.
pub(crate) fn accept(
    request: &Asked,
    has_body: bool,
    standing: Standing,
    secrets: Option<&Secrets>,
    options: &WebSocketOptions,
) -> Result<Response<Content>, Refusal> {
    let headers = request.headers();
    // A HEAD request comes here too, as to every GET route.
    let may_ask = request.method() == Method::GET && request.version() == Version::HTTP_11;
    if !may_ask || !names(headers, &UPGRADE, "websocket") || !names(headers, &CONNECTION, "upgrade") {
        return Err(Refusal::upgrade_required("this path speaks WebSocket"));
    }
    let offered = protocols(headers)?;
    if let Some(secrets) = secrets
        && !secrets.has_bearer(headers)
        && !(standing.own && secrets.has_cookie(headers))
        && !offered.iter().filter_map(|offer| offer.strip_prefix(TOKEN_PREFIX)).any(|token| secrets.is_token(token))
    {
        return Err(Refusal::unauthorized("a token is needed"));
    }
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refusal::upgrade_required("the version of WebSocket is 13"));
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
    let key = key.ok_or(Refusal::bad_request("Sec-WebSocket-Key is not one of 16 bytes in base64"))?;
    if has_body {
        return Err(Refusal::bad_request("the handshake of a WebSocket has no body"));
    }
    let protocol = choose(&offered, &options.protocols)?;

    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(|_| Refusal::internal())?;
    let mut response = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::try_from(protocol).map_err(|_| Refusal::internal())?);
    }
    Ok(response)
}

/// Has a header that is a list this item?
fn names(headers: &HeaderMap, name: &HeaderName, item: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(item))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value.trim())
}

/// 22 characters of base64 and two of padding.
fn is_key(key: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    // The last digit has four bits that stand for nothing.
    let is_last = |byte: u8| matches!(byte, b'A' | b'Q' | b'g' | b'w');
    let digits = key.strip_suffix("==").map(str::as_bytes);
    digits.is_some_and(|digits| {
        digits.len() == 22 && digits.iter().copied().all(is_digit) && digits.last().copied().is_some_and(is_last)
    })
}

/// The subprotocols that the client offers, in its order.
fn protocols(headers: &HeaderMap) -> Result<Vec<&str>, Refusal> {
    let bad = || Refusal::bad_request("Sec-WebSocket-Protocol is not a list of names");
    let mut offered = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        for offer in value.to_str().map_err(|_| bad())?.split(',') {
            let offer = offer.trim();
            if offer.is_empty() || !crate::head::is_token(offer.as_bytes()) {
                return Err(bad());
            }
            offered.push(offer);
        }
    }
    Ok(offered)
}

/// The first one offered that the server knows. Where something was offered and nothing fits, browsers would give up
/// after 101, with Lua woken for nothing: then it is refused before.
fn choose<'a>(offered: &[&'a str], known: &[String]) -> Result<Option<&'a str>, Refusal> {
    if offered.is_empty() {
        return Ok(None);
    }
    let is_known = |offer: &&str| *offer == OWN_PROTOCOL || known.iter().any(|known| known == offer);
    let chosen = offered.iter().copied().find(is_known);
    chosen
        .map(Some)
        .ok_or(Refusal::bad_request("none of the offered subprotocols is spoken here; offer \"moonport\" too"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_16_bytes_in_base64() {
        assert!(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
        for bad in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZR==",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbX!sZSBub25jZQ==",
        ] {
            assert!(!is_key(bad), "{bad}");
        }
    }

    #[test]
    fn the_token_is_never_chosen() {
        let known = ["chat".to_owned()];
        let choose = |offered: &[&'static str]| choose(offered, &known).map_err(|refusal| refusal.status().as_u16());
        assert_eq!(choose(&[]), Ok(None));
        assert_eq!(choose(&["moonport.token.x", "moonport"]), Ok(Some("moonport")));
        assert_eq!(choose(&["v9", "chat", "moonport"]), Ok(Some("chat")));
        assert_eq!(choose(&["moonport.token.x"]), Err(400));
        assert_eq!(choose(&["Chat"]), Err(400));
    }
}
