// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of native messaging hosts, and ids of extensions: what browsers take.

use super::install::Browser;

/// File names end at 255 bytes, and `.json` or `.sh` follows.
const LONGEST: usize = 200;

/// Is this a name that every browser takes, and so one of a file in its directory and of no other?
///
/// # Errors
/// Says what was expected.
pub(super) fn check(name: &str) -> Result<(), String> {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if name.len() <= LONGEST && name.split('.').all(is_part) {
        return Ok(());
    }
    Err(format!("--name: expected at most {LONGEST} of a-z, 0-9 and _, parted by dots, got {name:?}"))
}

/// What a manifest has for an extension that may call: Chrome's origins, Firefox's ids.
///
/// # Errors
/// It is not an id of that browser's.
pub(super) fn allowed(browser: Browser, id: &str) -> Result<String, String> {
    let fits = if browser == Browser::Firefox { is_firefox_id(id) } else { is_chrome_id(id) };
    match browser {
        Browser::Firefox if fits => Ok(id.to_owned()),
        Browser::Firefox => Err(format!("--extension: expected an id like notes@example.org, got {id:?}")),
        _ if fits => Ok(format!("chrome-extension://{id}/")),
        _ => Err(format!("--extension: expected an id of 32 letters a-p, got {id:?}")),
    }
}

fn is_chrome_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'a'..=b'p'))
}

/// A UUID in braces, or something like a mail address.
fn is_firefox_id(id: &str) -> bool {
    if let Some(uuid) = id.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return uuid.len() == 36 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    }
    let is_part = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    id.len() <= 80 && id.split_once('@').is_some_and(|(name, at)| is_part(name) && is_part(at) && !at.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["com.example.program", "a", "a_1.b", &"a".repeat(LONGEST)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "A", "a-b", "a/b", "../a", "a b", "a\n", "é", &"a".repeat(LONGEST + 1)]
        {
            assert!(check(bad).is_err_and(|text| text.ends_with(&format!("{bad:?}"))), "{bad}");
        }
    }

    #[test]
    fn ids() {
        let id = "abcdefghijklmnopabcdefghijklmnop";
        assert_eq!(allowed(Browser::Chromium, id).unwrap(), format!("chrome-extension://{id}/"));
        for bad in ["", "*", &id[1..], &id.to_uppercase(), &id.replace('a', "q"), "notes@example.org"] {
            assert!(allowed(Browser::Chrome, bad).is_err(), "{bad}");
        }
        for good in ["notes@example.org", "@notes", "{01234567-89ab-cdef-0123-456789abcdef}"] {
            assert_eq!(allowed(Browser::Firefox, good).unwrap(), good);
        }
        for bad in ["", "notes", "notes@", "a@b@c", "a/b@c", "{0}", id] {
            assert!(allowed(Browser::Firefox, bad).is_err(), "{bad}");
        }
    }
}
