// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which extension calls, by the arguments that its browser gave: the origin by which the program's server judges it.

use hyper::header::HeaderValue;

/// The origin for the header of each request; `None` if nobody is named, as in a terminal.
///
/// Chrome gives `chrome-extension://ID/`. Firefox gives the path of the manifest and the id, and has no lasting origin:
/// it is `moz-extension://ID`, with `%40` for `@`, which no origin has.
///
/// # Errors
/// Somebody is named in another way: a caller that is not understood must not pass as none.
pub(super) fn origin(arguments: &[String]) -> Result<Option<HeaderValue>, String> {
    let mut named = arguments.iter().filter(|argument| !argument.starts_with("--")); // --parent-window, on Windows
    let origin = match (named.next(), named.next(), named.next()) {
        (None, ..) => return Ok(None),
        (Some(origin), None, _) if origin.contains("://") => origin.strip_suffix('/').unwrap_or(origin).to_owned(),
        (Some(manifest), Some(id), None) if manifest.ends_with(".json") => {
            format!("moz-extension://{}", id.replace('@', "%40"))
        }
        _ => return Err(format!("expected \"chrome-extension://ID/\", or a manifest and an id, got {arguments:?}")),
    };
    let refused = || format!("expected the origin of an extension, got {origin:?}");
    let (scheme, id) = origin.split_once("://").ok_or_else(refused)?;
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if !is_word(scheme) || !is_word(id) {
        return Err(refused());
    }
    HeaderValue::from_str(&origin).map(Some).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Option<HeaderValue>, String> {
        origin(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn browsers_name_the_extension() {
        let id = "abcdefghijklmnopabcdefghijklmnop";
        let chrome = format!("chrome-extension://{id}");
        assert_eq!(of(&[&format!("{chrome}/")]).unwrap().unwrap(), chrome);
        assert_eq!(of(&[&format!("{chrome}/"), "--parent-window=0"]).unwrap().unwrap(), chrome);
        let firefox = of(&["/home/me/com.example.json", "notes@example.org"]).unwrap().unwrap();
        assert_eq!(firefox, "moz-extension://notes%40example.org");
        assert_eq!(of(&[]).unwrap(), None);
    }

    #[test]
    fn a_caller_that_is_not_understood_is_not_nobody() {
        for bad in [
            &["abc"][..],
            &[""],
            &["://"],
            &["chrome-extension:///"],
            &["chrome-extension://a//"],
            &["chrome-extension://a/b"],
            &["chrome-extension://a b/"],
            &["chrome-extension://a/\r\nX: y"],
            &["/a.json"],
            &["/a.json", ""],
            &["/a.json", "a", "b"],
            &["chrome-extension://a/", "b"],
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
