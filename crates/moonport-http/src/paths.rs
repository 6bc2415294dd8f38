// SPDX-License-Identifier: MIT OR Apache-2.0
//! Percent-encoding of paths and queries, undone once and in one place.

use std::borrow::Cow;

/// A literal path in the form of [`normalize`], where `%` is always an escape.
pub(crate) fn escape(path: &str) -> String {
    path.replace('%', "%25")
}

/// The path that routes are looked up by: decoded, but for `%2F` and `%25`, so that an encoded slash stays inside its
/// segment. `None`: bad escapes, or not UTF-8.
pub(crate) fn normalize(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(path.into());
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (byte, after) = decode_pair(rest)?;
        rest = after;
        match byte {
            b'/' => decoded.extend_from_slice(b"%2F"),
            b'%' => decoded.extend_from_slice(b"%25"),
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok().map(Into::into)
}

/// The rest of the decoding after [`normalize`].
pub(crate) fn unescape(path: &str) -> String {
    if path.contains('%') { path.replace("%2F", "/").replace("%25", "%") } else { path.to_owned() }
}

fn decode_pair(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(*high)? << 4 | digit(*low)?, rest))
}

/// A query's names and values as forms write them (`+` is a space, a bad escape stays). `None`: not UTF-8.
pub(crate) fn parse_query(query: &str) -> Option<Vec<(String, String)>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode_form(name)?, decode_form(value)?))
        })
        .collect()
}

fn decode_form(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, decode_pair(rest)) {
            (b'+', _) => decoded.push(b' '),
            (b'%', Some((byte, after))) => {
                decoded.push(byte);
                rest = after;
            }
            _ => decoded.push(*byte),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn text_is_decoded() {
        assert_eq!(normalize("/a%20b%2f%25").unwrap(), "/a b%2F%25");
        assert_eq!(unescape("/a b%2F%252F"), "/a b/%2F");
        for bad in ["/%", "/%2", "/%zz", "/%ff", "/%+1"] {
            assert_eq!(normalize(bad), None, "{bad}");
        }
        let query = parse_query("a=1&a=+2%26&b&=c&&d=%zz=").unwrap();
        assert_eq!(query, [pair("a", "1"), pair("a", " 2&"), pair("b", ""), pair("", "c"), pair("d", "%zz=")]);
        assert_eq!(parse_query("a=%ff"), None);
    }
}
