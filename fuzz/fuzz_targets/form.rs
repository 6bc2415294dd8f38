// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as a form and as its Content-Type. A form that is taken can be written anew and read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use moonport_http::Bytes;
use moonport_http::form::{self, Part};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(boundary) = form::boundary(bytes) {
        assert!(!boundary.is_empty() && boundary.len() <= 70);
    }
    read(bytes);
    // Most bytes fail before the first part: look behind it too.
    read(&[b"--b\r\nContent-Disposition: form-data; ", bytes, b"\r\n--b--"].concat());
});

fn read(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    let parts = match form::parse(&body, b"b") {
        Ok(parts) => parts,
        Err(fault) => return assert!(fault.offset <= bytes.len()),
    };
    for part in &parts {
        assert!(!part.body.windows(5).any(|window| window == b"\r\n--b"), "a boundary inside a part");
    }
    // Written anew, headers may become a little longer.
    if bytes.len() > form::MOST_HEAD / 2 {
        return;
    }
    if let Some(written) = write(&parts) {
        assert_eq!(form::parse(&written, b"b").as_ref(), Ok(&parts));
    }
}

/// `None`: a backslash at the end of a name cannot be written.
fn write(parts: &[Part]) -> Option<Bytes> {
    let quote = |text: &str| (!text.ends_with('\\')).then(|| format!("\"{}\"", text.replace('"', "\\\"")));
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(
            format!("--b\r\nContent-Disposition: form-data; name={}", quote(&part.name)?).as_bytes(),
        );
        if let Some(filename) = &part.filename {
            body.extend_from_slice(format!("; filename={}", quote(filename)?).as_bytes());
        }
        if let Some(content_type) = &part.content_type {
            body.extend_from_slice(format!("\r\nContent-Type: {content_type}").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.body);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--");
    Some(body.into())
}
