// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may call: the bearer token, the cookie of the server's own pages, and the one-time links that set it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use subtle::ConstantTimeEq;

/// How long a one-time link works.
const LINK_TIME: Duration = Duration::from_secs(600);

/// Links that may wait to be used; one more drops the oldest.
const LINKS: usize = 64;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new token: 256 random bits as 43 characters `A-Z a-z 0-9 - _`.
///
/// # Errors
/// The system has no random numbers to give.
pub fn random_token() -> io::Result<String> {
    let mut random = [0_u8; 33];
    getrandom::fill(&mut random[..32])
        .map_err(|error| error.raw_os_error().map_or_else(|| io::Error::other(error), io::Error::from_raw_os_error))?;
    let mut token = String::with_capacity(44);
    for group in random.chunks_exact(3) {
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for shift in [18, 12, 6, 0] {
            token.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
    // The last character stands for the padding byte alone.
    token.truncate(43);
    Ok(token)
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is too easy to guess.
    #[error("expected a token of at least 32 characters, got {0}")]
    TooShort(usize),
    /// It has a character that headers, cookies or subprotocols do not carry.
    #[error("expected a token of the characters A-Z a-z 0-9 - _, got another one at byte {0}")]
    Character(usize),
}

/// Is this fit to be a token: 32 or more characters `A-Z a-z 0-9 - _`?
///
/// # Errors
/// [`TokenError`] says what is wrong.
pub fn check_token(token: &str) -> Result<(), TokenError> {
    if let Some(at) = token.bytes().position(|byte| !ALPHABET.contains(&byte)) {
        return Err(TokenError::Character(at));
    }
    if token.len() < 32 {
        return Err(TokenError::TooShort(token.len()));
    }
    Ok(())
}

fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// The secrets of a server that has a token.
#[derive(Debug)]
pub(crate) struct Secrets {
    token: String,
    cookie_name: String,
    session: String,
    /// The cookie is for TLS alone.
    secure: bool,
}

impl Secrets {
    /// Cookies do not know ports, so the name has it: several servers of one host keep theirs apart.
    pub(crate) fn new(token: String, session: Option<String>, port: u16, secure: bool) -> io::Result<Self> {
        let session = session.map_or_else(random_token, Ok)?;
        Ok(Self { token, cookie_name: format!("moonport_{port}"), session, secure })
    }

    /// Exactly one Authorization header, `Bearer` and the token.
    pub(crate) fn has_bearer(&self, headers: &HeaderMap) -> bool {
        let Some(value) = only(headers, &AUTHORIZATION) else { return false };
        let Some((scheme, token)) = value.split_at_checked(7) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && is_same(token.trim_ascii(), self.token.as_bytes())
    }

    /// The cookie, which browsers also send for pages of other ports of this host: the caller rules these out.
    pub(crate) fn has_cookie(&self, headers: &HeaderMap) -> bool {
        headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b';')).any(|pair| {
            let pair = pair.trim_ascii_start();
            pair.strip_prefix(self.cookie_name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
                .is_some_and(|value| is_same(value.trim_ascii_end(), self.session.as_bytes()))
        })
    }

    /// The token itself, however it came.
    pub(crate) fn is_token(&self, token: &str) -> bool {
        is_same(token.as_bytes(), self.token.as_bytes())
    }

    pub(crate) fn set_cookie(&self) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let value = format!("{}={}; HttpOnly; SameSite=Strict; Path=/{secure}", self.cookie_name, self.session);
        HeaderValue::try_from(value).ok()
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// The one-time links that were given out and not used. Any thread makes them, the server's thread takes them.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<VecDeque<(String, Instant)>>);

impl Links {
    pub(crate) fn make(&self) -> io::Result<String> {
        let token = random_token()?;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() == LINKS {
            links.pop_front();
        }
        links.push_back((token.clone(), Instant::now() + LINK_TIME));
        Ok(token)
    }

    /// Is this one of them? Then not again.
    pub(crate) fn take(&self, token: &str) -> bool {
        self.take_at(token, Instant::now())
    }

    fn take_at(&self, token: &str, now: Instant) -> bool {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, end)| *end > now);
        let found = links.iter().position(|(link, _)| is_same(link.as_bytes(), token.as_bytes()));
        found.and_then(|at| links.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_fit() {
        let token = random_token().unwrap();
        assert_eq!(token.len(), 43);
        assert_eq!(check_token(&token), Ok(()));
        assert_ne!(token, random_token().unwrap());
        assert_eq!(check_token(&"a".repeat(31)), Err(TokenError::TooShort(31)));
        assert_eq!(check_token(&format!("{}.", "a".repeat(40))), Err(TokenError::Character(40)));
        assert_eq!(check_token("é"), Err(TokenError::Character(0)));
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_token_is_the_token() {
        let token = "t".repeat(32);
        let secrets = Secrets::new(token.clone(), None, 1, false).unwrap();
        let has = |value: &str| secrets.has_bearer(&headers(&[("authorization", value)]));
        assert!(has(&format!("Bearer {token}")));
        assert!(has(&format!("bearer  {token}")));
        for bad in ["", "Bearer", "Bearer ", "Bearer t", &token, &format!("Basic {token}"), &format!("Bearer {token}t")]
        {
            assert!(!has(bad), "{bad}");
        }
        let value = format!("Bearer {token}");
        assert!(!secrets.has_bearer(&headers(&[("authorization", &value), ("authorization", &value)])));
        assert!(!secrets.has_bearer(&HeaderMap::new()));
    }

    #[test]
    fn the_cookie_is_not_the_token() {
        let token = "t".repeat(32);
        let secrets = Secrets::new(token.clone(), None, 8787, false).unwrap();
        let set = secrets.set_cookie().unwrap();
        let set = set.to_str().unwrap();
        assert!(!set.contains(&token));
        let cookie = set.split(';').next().unwrap();
        assert!(secrets.has_cookie(&headers(&[("cookie", cookie)])));
        assert!(secrets.has_cookie(&headers(&[("cookie", &format!("a=b; {cookie}; c=d"))])));
        assert!(secrets.has_cookie(&headers(&[("cookie", "a=b"), ("cookie", cookie)])));
        assert!(!secrets.has_cookie(&headers(&[("cookie", &format!("moonport_8787={token}"))])));
        assert!(!secrets.has_cookie(&headers(&[("cookie", &format!("x{cookie}"))])));
        assert!(!secrets.has_cookie(&headers(&[("cookie", "moonport_8787=")])));
    }

    #[test]
    fn links_work_once_and_not_for_ever() {
        let links = Links::default();
        let first = links.make().unwrap();
        assert!(!links.take("x"));
        assert!(links.take(&first));
        assert!(!links.take(&first));

        let late = links.make().unwrap();
        assert!(!links.take_at(&late, Instant::now() + LINK_TIME));

        let oldest = links.make().unwrap();
        let next = links.make().unwrap();
        for _ in 0..LINKS - 1 {
            links.make().unwrap();
        }
        assert!(!links.take(&oldest));
        assert!(links.take(&next));
    }
}
