// SPDX-License-Identifier: MIT OR Apache-2.0
//! Forms (RFC 7578): the parts of a body of type `multipart/form-data`, each with its piece of the body, uncopied. What
//! two readers could take differently is refused: text around the boundaries, doubled headers and parameters, folded
//! lines.

use bytes::Bytes;

/// Parts of one form.
pub const MOST_PARTS: usize = 1024;

/// Bytes of the headers of one part.
pub const MOST_HEAD: usize = 4096;

/// Parameters of one header: each is compared with all before it.
const MOST_PARAMETERS: usize = 16;

/// RFC 2046, section 5.1.1.
const MOST_BOUNDARY: usize = 70;

/// One field or file of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// As sent: browsers write `%22` for a quote, and nothing else for a per cent sign.
    pub name: String,
    /// Files have one, which may be empty. It is the client's choice, and no path to write to.
    pub filename: Option<String>,
    /// As sent.
    pub content_type: Option<String>,
    /// All that the part holds.
    pub body: Bytes,
}

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}")]
pub struct Fault {
    /// Where in the body.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// The boundary that a Content-Type names.
///
/// # Errors
/// What is wrong with it.
pub fn boundary(content_type: &[u8]) -> Result<Vec<u8>, &'static str> {
    let start = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    let boundary = parameters(&content_type[start..])?.into_iter().find(|(name, _)| name == "boundary");
    let (_, boundary) = boundary.ok_or("the form has no boundary")?;
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    if boundary.is_empty() || boundary.len() > MOST_BOUNDARY || boundary.ends_with(b" ") {
        return Err("the boundary of the form has a bad length");
    }
    if boundary.iter().all(is_allowed) { Ok(boundary) } else { Err("the boundary of the form has a bad character") }
}

/// The parts of a form in their order.
///
/// # Errors
/// [`Fault`]: where it is malformed, or has too many parts.
pub fn parse(body: &Bytes, boundary: &[u8]) -> Result<Vec<Part>, Fault> {
    let fault = |offset, what| Err(Fault { offset, what });
    let delimiter = [b"\r\n--", boundary].concat();
    // The first one stands at the start of the body; some clients put an empty line before it.
    let mut at = match [&delimiter[2..], &delimiter].into_iter().find(|first| body.starts_with(first)) {
        Some(first) => first.len(),
        None => return fault(0, "expected the boundary"),
    };
    let mut parts = Vec::new();
    loop {
        if body[at..].starts_with(b"--") {
            let end = skip_padding(body, at + 2);
            return match &body[end..] {
                b"" | b"\r\n" => Ok(parts),
                _ => fault(end, "something follows the last boundary"),
            };
        }
        at = skip_padding(body, at);
        if !body[at..].starts_with(b"\r\n") {
            return fault(at, "expected the end of the line of a boundary");
        }
        if parts.len() == MOST_PARTS {
            return fault(at, "too many parts");
        }
        let start = at + 2;
        let head = &body[start..body.len().min(start + MOST_HEAD)];
        let Some(length) = find(head, b"\r\n\r\n") else {
            return fault(start, "the headers of a part have no end, or are too long");
        };
        let part = read_head(&head[..length]).map_err(|what| Fault { offset: start, what })?;
        let content = start + length + 4;
        if body[content..].starts_with(&delimiter[2..]) {
            return fault(content, "expected the content of a part");
        }
        let Some(length) = find(&body[content..], &delimiter) else {
            return fault(body.len(), "the last boundary is missing");
        };
        parts.push(Part { body: body.slice(content..content + length), ..part });
        at = content + length + delimiter.len();
    }
}

fn skip_padding(body: &[u8], from: usize) -> usize {
    from + body[from..].iter().take_while(|&byte| matches!(byte, b' ' | b'\t')).count()
}

/// Where `what` is, which begins with CR. A boundary holds none, so that no byte is compared more than twice.
fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|&byte| byte == b'\r')?;
        if bytes[at..].starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// A part as its headers describe it, without its content.
fn read_head(head: &[u8]) -> Result<Part, &'static str> {
    let (mut disposition, mut content_type) = (None, None);
    let mut rest = Some(head);
    while let Some(lines) = rest {
        let line;
        (line, rest) = match find(lines, b"\r\n") {
            Some(end) => (&lines[..end], Some(&lines[end + 2..])),
            None => (lines, None),
        };
        let (name, value) = header(line)?;
        let former = if name.eq_ignore_ascii_case(b"content-disposition") {
            disposition.replace(value)
        } else if name.eq_ignore_ascii_case(b"content-type") {
            content_type.replace(value)
        } else {
            // RFC 7578, section 4.7: deprecated, and no browser encodes.
            let plain = [&b"binary"[..], b"8bit", b"7bit"].iter().any(|coding| value.eq_ignore_ascii_case(coding));
            if name.eq_ignore_ascii_case(b"content-transfer-encoding") && !plain {
                return Err("a part has a Content-Transfer-Encoding");
            }
            None
        };
        if former.is_some() {
            return Err("a part has a header twice");
        }
    }
    let (name, filename) = describe(disposition.ok_or("a part has no Content-Disposition")?)?;
    let content_type = content_type.map(|value| text(value.to_vec())).transpose()?;
    Ok(Part { name, filename, content_type, body: Bytes::new() })
}

fn header(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let colon = line.iter().position(|&byte| byte == b':').ok_or("a header of a part has no colon")?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        return Err("a header of a part has a bad name");
    }
    if value.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control()) {
        return Err("a header of a part has a control character");
    }
    Ok((name, value))
}

/// The name and the file name of a Content-Disposition.
fn describe(disposition: &[u8]) -> Result<(String, Option<String>), &'static str> {
    let start = disposition.iter().position(|&byte| byte == b';').unwrap_or(disposition.len());
    if !disposition[..start].trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return Err("a part is not form-data");
    }
    let (mut name, mut filename) = (None, None);
    for (parameter, value) in parameters(&disposition[start..])? {
        match &*parameter {
            "name" => name = Some(text(value)?),
            "filename" => filename = Some(text(value)?),
            // RFC 7578, section 4.2: it must not be used; a reader that knows it not would take a file for a field.
            "filename*" => return Err("a part has filename* instead of filename"),
            _ => {}
        }
    }
    Ok((name.ok_or("a part has no name")?, filename))
}

fn text(bytes: Vec<u8>) -> Result<String, &'static str> {
    String::from_utf8(bytes).map_err(|_| "a header of a part is not UTF-8")
}

/// `;name=value;name="value"`, names in lower case.
fn parameters(mut rest: &[u8]) -> Result<Vec<(String, Vec<u8>)>, &'static str> {
    const BAD: &str = "a header has a malformed parameter";
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(all);
        }
        rest = rest.strip_prefix(b";").ok_or(BAD)?.trim_ascii_start();
        if rest.is_empty() {
            return Ok(all);
        }
        let end = rest.iter().take_while(|&&byte| is_token(byte)).count();
        let name = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
        let behind = rest[end..].strip_prefix(b"=").filter(|_| end > 0).ok_or(BAD)?;
        let value;
        (value, rest) = match behind.strip_prefix(b"\"") {
            Some(quoted) => unquote(quoted).ok_or(BAD)?,
            None => {
                let is_plain = |&&byte: &&u8| byte.is_ascii_graphic() && !matches!(byte, b';' | b'"');
                let end = behind.iter().take_while(is_plain).count();
                (behind[..end].to_vec(), &behind[end..])
            }
        };
        if all.iter().any(|(known, _)| *known == name) {
            return Err("a header has a parameter twice");
        }
        if all.len() == MOST_PARAMETERS {
            return Err("a header has too many parameters");
        }
        all.push((name, value));
    }
}

/// A quoted value up to its closing quote, and what is behind that. Only `\"` is an escape: browsers send other
/// backslashes as they are.
fn unquote(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    loop {
        match rest {
            [b'\\', b'"', behind @ ..] => {
                value.push(b'"');
                rest = behind;
            }
            [b'"', behind @ ..] => return Some((value, behind)),
            [byte, behind @ ..] => {
                value.push(*byte);
                rest = behind;
            }
            [] => return None,
        }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
