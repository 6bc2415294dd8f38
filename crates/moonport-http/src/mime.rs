// SPDX-License-Identifier: MIT OR Apache-2.0
//! The content type of a file by its extension.

use std::path::Path;

use http::HeaderValue;

/// What pages are made of. A crate with all types there are takes a tenth of the module.
const TYPES: &[(&str, &str)] = &[
    ("html htm", "text/html; charset=utf-8"),
    ("js mjs cjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json map", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("txt log lua ini toml", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("xml xsl", "text/xml; charset=utf-8"),
    ("xhtml", "application/xhtml+xml"),
    ("yaml yml", "application/yaml"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("apng", "image/apng"),
    ("jpg jpeg jfif", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("ico", "image/x-icon"),
    ("tif tiff", "image/tiff"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("oga ogg opus", "audio/ogg"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("aac", "audio/aac"),
    ("mid midi", "audio/midi"),
    ("mp4 m4v", "video/mp4"),
    ("webm", "video/webm"),
    ("ogv", "video/ogg"),
    ("mov", "video/quicktime"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("gz tgz", "application/gzip"),
    ("msgpack", "application/msgpack"),
];

pub(crate) fn of(path: &Path) -> HeaderValue {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("").to_ascii_lowercase();
    let known = TYPES.iter().find(|(extensions, _)| extensions.split(' ').any(|known| known == extension));
    HeaderValue::from_static(known.map_or("application/octet-stream", |(_, kind)| kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let of = |name: &str| of(Path::new(name));
        assert_eq!(of("a.html"), "text/html; charset=utf-8");
        assert_eq!(of("a.js"), "text/javascript; charset=utf-8");
        assert_eq!(of("a.png"), "image/png");
        assert_eq!(of("a.b.WOFF2"), "font/woff2");
        assert_eq!(of("a.wasm"), "application/wasm");
        assert_eq!(of("a"), "application/octet-stream");
    }
}
