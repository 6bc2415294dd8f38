// SPDX-License-Identifier: MIT OR Apache-2.0
//! The strict reading of a request's head (RFC 9112, sections 2 to 6), before hyper sees it. Pure functions over
//! bytes; what passes here, hyper reads the same way.

use crate::Limits;
use crate::scan;

/// How the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes; 0 where there is none.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not what RFC 9112 asks for: 400.
    Malformed(&'static str),
    /// The target is longer than [`Limits::uri`]: 414.
    UriTooLong,
    /// It is longer than [`Limits::head`]: 431.
    TooLarge,
    /// It has more lines than [`Limits::headers`]: 431.
    TooManyHeaders,
}

use Fault::Malformed;

/// Where a search for the end of a head stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search {
    line: usize,
    scanned: usize,
}

impl Search {
    pub(crate) const START: Self = Self { line: 0, scanned: 0 };

    /// Looks on for the empty line that ends a head. `buffer` starts with the head and only grows between calls.
    /// Gives the length of the head, or `None` while it is not complete.
    ///
    /// # Errors
    /// A line that ends in a bare LF, and heads or targets that are longer than `limits` allow.
    pub fn find_end(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<usize>, Fault> {
        while let Some(found) = scan::line_feed(&buffer[self.scanned..]) {
            let feed = self.scanned + found;
            if feed == self.line || buffer[feed - 1] != b'\r' {
                return Err(BARE);
            }
            if feed - 1 == self.line {
                let length = feed + 1;
                return if length > limits.head { Err(too_large(buffer, limits)) } else { Ok(Some(length)) };
            }
            self.line = feed + 1;
            self.scanned = feed + 1;
        }
        self.scanned = buffer.len();
        if buffer.len() > limits.head || (self.line == 0 && target_length(buffer) > limits.uri) {
            return Err(too_large(buffer, limits));
        }
        Ok(None)
    }
}

fn too_large(buffer: &[u8], limits: &Limits) -> Fault {
    if target_length(buffer) > limits.uri { Fault::UriTooLong } else { Fault::TooLarge }
}

/// The length of the target as far as it is known.
fn target_length(buffer: &[u8]) -> usize {
    let mut parts = buffer.splitn(3, |&byte| byte == b' ' || byte == b'\r');
    parts.nth(1).map_or(0, <[u8]>::len)
}

/// Checks a whole head, with its last empty line, and says how its body ends.
///
/// # Errors
/// [`Fault`] says what is wrong.
pub fn check(head: &[u8], limits: &Limits) -> Result<Framing, Fault> {
    read(head, limits).map(|read| read.framing)
}

/// What is known of a head that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) framing: Framing,
    /// At which offset the digits of its Content-Length are.
    pub(crate) digits: Option<usize>,
    /// Has it an Accept?
    pub(crate) accepts: bool,
}

/// As [`check`]; says more.
pub(crate) fn read(head: &[u8], limits: &Limits) -> Result<Read, Fault> {
    if head.len() > limits.head {
        return Err(too_large(head, limits));
    }
    let (line, mut rest) = split_line(head)?;
    let version = check_request_line(line, limits)?;

    let mut length = None;
    let mut digits = None;
    let (mut chunked, mut accepts) = (false, false);
    let mut count = 0;
    loop {
        if let Some(more) = rest.strip_prefix(b"\r\n") {
            rest = more;
            break;
        }
        count += 1;
        if count > limits.headers {
            return Err(Fault::TooManyHeaders);
        }
        let ((name, value), more) = split_header(rest)?;
        rest = more;
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"accept") => accepts = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                length = match length {
                    None => Some(parse_length(value)?),
                    Some(_) => return Err(Malformed("more than one Content-Length")),
                };
                digits = Some(value.as_ptr().addr() - head.as_ptr().addr());
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed("Transfer-Encoding other than chunked"));
                }
                chunked = true;
            }
            _ => {}
        }
    }
    if !rest.is_empty() {
        return Err(Malformed("bytes after the end of the head"));
    }
    match (length, chunked) {
        (length, false) => Ok(Read { framing: Framing::Length(length.unwrap_or(0)), digits, accepts }),
        (Some(_), true) => Err(Malformed("Content-Length together with Transfer-Encoding")),
        (None, true) if version == Version::Http10 => Err(Malformed("Transfer-Encoding in HTTP/1.0")),
        (None, true) => Ok(Read { framing: Framing::Chunked, digits: None, accepts }),
    }
}

/// The values of the Origin lines of a head that may be faulty elsewhere: the only one, or `None`.
#[must_use]
pub fn origin(head: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    for line in head.split(|&byte| byte == b'\n') {
        let Some((name, value)) = line.split_at_checked(7) else { continue };
        if name.eq_ignore_ascii_case(b"origin:") && found.replace(value.trim_ascii()).is_some() {
            return None;
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

const BARE: Fault = Malformed("a line of the head ends in a bare line feed");
const UNENDED: Fault = Malformed("the head does not end");

/// The next line without its CRLF, and what follows it.
fn split_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let end = scan::line_feed(bytes).ok_or(UNENDED)?;
    let (line, rest) = bytes.split_at(end);
    match line.split_last() {
        Some((b'\r', line)) => Ok((line, &rest[1..])),
        _ => Err(BARE),
    }
}

fn check_request_line(line: &[u8], limits: &Limits) -> Result<Version, Fault> {
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed("the request line is not method, target and version"));
    };
    if !is_token(method) {
        return Err(Malformed("the method is not a token"));
    }
    if target.len() > limits.uri.min(usize::from(u16::MAX) - 1) {
        return Err(Fault::UriTooLong);
    }
    check_target(method, target)?;
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Malformed("the version is neither HTTP/1.1 nor HTTP/1.0")),
    }
}

fn check_target(method: &[u8], target: &[u8]) -> Result<(), Fault> {
    if method == b"CONNECT" {
        return Err(Malformed("CONNECT is not served"));
    }
    let path = match target {
        [b'/', ..] => target,
        b"*" if method == b"OPTIONS" => return Ok(()),
        b"*" => return Err(Malformed("the target * is for OPTIONS only")),
        _ => match target.split_at_checked(7) {
            // Rare, so the authority may be read a second time.
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"http://") && http::Uri::try_from(target).is_ok() => {
                rest
            }
            _ => return Err(Malformed("the target is neither a path nor an http:// address")),
        },
    };
    let mut query = false;
    for &byte in path {
        let class = CLASS[usize::from(byte)];
        if class & if query { QUERY } else { PATH } == 0 {
            return Err(Malformed("a character of the target should be percent-encoded"));
        }
        query |= byte == b'?';
    }
    Ok(())
}

/// Name and value.
type Header<'a> = (&'a [u8], &'a [u8]);

/// The header on the first line, and what follows it.
fn split_header(bytes: &[u8]) -> Result<(Header<'_>, &[u8]), Fault> {
    if matches!(bytes, [b' ' | b'\t', ..]) {
        return Err(Malformed("a header is folded over several lines"));
    }
    let colon = bytes.iter().position(|&byte| !is_token_byte(byte)).ok_or(UNENDED)?;
    if colon == 0 || bytes[colon] != b':' {
        return Err(Malformed("a header's name is not a token followed by a colon"));
    }
    let (name, rest) = (&bytes[..colon], &bytes[colon + 1..]);
    let (value, end) = rest.split_at(scan::value_end(rest).ok_or(UNENDED)?);
    match end {
        [b'\r', b'\n', rest @ ..] => Ok(((name, trim(value)), rest)),
        [b'\n', ..] => Err(BARE),
        _ => Err(Malformed("a header's value has a control character")),
    }
}

/// RFC 9110, section 5.5: spaces and tabs around a value do not belong to it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn parse_length(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Malformed("Content-Length is not a number"));
    }
    std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        // hyper keeps the greatest values for itself.
        .filter(|&length: &u64| length <= u64::MAX / 4)
        .ok_or(Malformed("Content-Length is too large"))
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASS[usize::from(byte)] & TOKEN != 0
}

pub(crate) fn is_value_byte(byte: u8) -> bool {
    CLASS[usize::from(byte)] & VALUE != 0
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const PATH: u8 = 4;
const QUERY: u8 = 8;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        let mut class = 0;
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        {
            class |= TOKEN;
        }
        if byte == b'\t' || (byte >= b' ' && byte != 0x7F) {
            class |= VALUE;
        }
        // What http::Uri takes, so that it never refuses a target that passed here; no fragment, no white space.
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>') {
            class |= QUERY;
            if !matches!(byte, b'`' | b'{' | b'}') {
                class |= PATH;
            }
        }
        table[byte as usize] = class;
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests;
