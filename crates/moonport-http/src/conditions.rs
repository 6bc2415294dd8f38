// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conditions and ranges of a request (RFC 9110, sections 13 and 14), and the versions that they are held against.

use std::fs::Metadata;
use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use http::header::{
    ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE,
};

/// What a request wants to know or have.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    matches: Vec<HeaderValue>,
    unmodified_since: Option<HeaderValue>,
    none_match: Vec<HeaderValue>,
    modified_since: Option<HeaderValue>,
    pub(crate) range: Option<HeaderValue>,
    if_range: Option<HeaderValue>,
}

impl Conditions {
    pub(crate) fn new(method: &Method, headers: &HeaderMap) -> Self {
        if *method != Method::GET && *method != Method::HEAD {
            return Self::default();
        }
        let value = |name| headers.get(name).cloned();
        // RFC 9110, section 5.3: a list may come in several lines.
        let list = |name| headers.get_all(name).iter().cloned().collect();
        Self {
            matches: list(IF_MATCH),
            unmodified_since: value(IF_UNMODIFIED_SINCE),
            none_match: list(IF_NONE_MATCH),
            modified_since: value(IF_MODIFIED_SINCE),
            // RFC 9110, section 14.2: a range is for GET alone.
            range: value(RANGE).filter(|_| *method == Method::GET),
            if_range: value(IF_RANGE),
        }
    }
}

/// Which state of something this is.
pub(crate) struct Version {
    tag: String,
    modified: Option<SystemTime>,
}

impl Version {
    pub(crate) fn of_file(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Self { tag: format!("\"{:x}-{:x}\"", since.as_nanos(), metadata.len()), modified }
    }

    /// Of what this build of the server has in memory.
    pub(crate) fn of_text(text: &str) -> Self {
        Self { tag: format!("\"{:016x}\"", hash(text)), modified: None }
    }

    pub(crate) fn set(&self, headers: &mut HeaderMap) {
        if let Ok(tag) = HeaderValue::try_from(self.tag.as_str()) {
            headers.insert(ETAG, tag);
        }
        // httpdate panics beyond the year 9999.
        if let Some(modified) = self.modified.filter(|time| seconds(*time) < 253_402_300_800) {
            headers.entry(LAST_MODIFIED).or_insert_with(|| {
                HeaderValue::try_from(httpdate::fmt_http_date(modified)).unwrap_or(HeaderValue::from_static(""))
            });
        }
    }

    /// The client wants a version that it knows, and this is another.
    pub(crate) fn is_unwanted(&self, conditions: &Conditions) -> bool {
        if !conditions.matches.is_empty() {
            return !tags(&conditions.matches).any(|tag| tag == b"*" || tag == self.tag.as_bytes());
        }
        let Some(since) = conditions.unmodified_since.as_ref().and_then(date) else { return false };
        self.modified.is_some_and(|modified| seconds(modified) > seconds(since))
    }

    pub(crate) fn is_known(&self, conditions: &Conditions) -> bool {
        if !conditions.none_match.is_empty() {
            let weak = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag) == self.tag.as_bytes();
            return tags(&conditions.none_match).any(|tag| tag == b"*" || weak(tag));
        }
        let Some(since) = conditions.modified_since.as_ref().and_then(date) else { return false };
        self.modified.is_some_and(|modified| seconds(modified) <= seconds(since))
    }

    /// RFC 9110, section 13.1.5: the range is of the version that the client has a part of, else it gets all.
    pub(crate) fn allows_range(&self, conditions: &Conditions) -> bool {
        let Some(value) = &conditions.if_range else { return true };
        if value.as_bytes().starts_with(b"\"") {
            return value.as_bytes() == self.tag.as_bytes();
        }
        match (date(value), self.modified) {
            (Some(date), Some(modified)) => seconds(date) == seconds(modified),
            _ => false,
        }
    }
}

/// FNV-1a. Nobody gains by two texts with the same one: both are ours.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Ours have no commas, so that it does not matter where the list cuts those of others.
fn tags(list: &[HeaderValue]) -> impl Iterator<Item = &[u8]> {
    list.iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// Dates of HTTP have no fractions.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What a Range header asks for. Several ranges, other units and nonsense ask for everything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Range {
    All,
    /// First and last byte.
    Part(u64, u64),
    Nowhere,
}

impl Range {
    pub(crate) fn parse(value: &[u8], length: u64) -> Self {
        Self::try_parse(value, length).unwrap_or(Self::All)
    }

    fn try_parse(value: &[u8], length: u64) -> Option<Self> {
        let (unit, range) = std::str::from_utf8(value).ok()?.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (from, to) = range.split_once('-')?;
        let number = |text: &str| {
            let text = text.trim();
            (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse().unwrap_or(u64::MAX))
        };
        let (from, to) = if from.trim().is_empty() {
            (length.saturating_sub(number(to)?), if number(to)? == 0 { return Some(Self::Nowhere) } else { u64::MAX })
        } else if to.trim().is_empty() {
            (number(from)?, u64::MAX)
        } else {
            (number(from)?, number(to)?)
        };
        if from > to {
            return None;
        }
        Some(if from >= length { Self::Nowhere } else { Self::Part(from, to.min(length - 1)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |text: &str| Range::parse(text.as_bytes(), 10);
        assert_eq!(range("bytes=0-3"), Range::Part(0, 3));
        assert_eq!(range("Bytes=3-"), Range::Part(3, 9));
        assert_eq!(range("bytes=-3"), Range::Part(7, 9));
        assert_eq!(range("bytes=-30"), Range::Part(0, 9));
        assert_eq!(range("bytes=9-99999999999999999999999"), Range::Part(9, 9));
        assert_eq!(range("bytes=10-"), Range::Nowhere);
        assert_eq!(range("bytes=-0"), Range::Nowhere);
        for all in ["", "bytes=", "bytes=-", "bytes=3-2", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes=+1-2"] {
            assert_eq!(range(all), Range::All, "{all}");
        }
        assert_eq!(Range::parse(b"bytes=0-", 0), Range::Nowhere);
        assert_eq!(Range::parse(b"bytes=-1", 0), Range::Nowhere);
    }
}
