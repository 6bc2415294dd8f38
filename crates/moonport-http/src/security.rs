// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which requests of a browser may pass: Host against DNS rebinding, Origin and Sec-Fetch-Site against foreign pages,
//! and the headers of CORS for pages that are listed.

use std::cell::RefCell;

use http::Uri;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};

use crate::head::is_token;
use crate::headers::Values;
use crate::refusal::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Host and Origin values that pass.
#[derive(Debug)]
pub(crate) struct Guard {
    hosts: Vec<(String, Option<u16>)>,
    origins: Vec<HeaderValue>,
    /// A Host that has passed: most requests have the same.
    passed: RefCell<Option<Vec<u8>>>,
    /// The server's own origin is https.
    tls: bool,
}

/// An entry of the configuration that can never match.
#[derive(Debug)]
pub(crate) enum BadEntry {
    Host(String),
    Origin(String),
}

/// What a request that passed may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// It may come from the server's own page or from no page at all, so its cookie counts.
    pub(crate) own: bool,
}

impl Guard {
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> Result<Self, BadEntry> {
        let host = |text: &String| {
            let (name, port) = split_host(text).ok_or_else(|| BadEntry::Host(text.clone()))?;
            Ok((name.to_owned(), port))
        };
        let origin = |text: &String| {
            let value = HeaderValue::from_str(text).ok().filter(|_| is_origin(text));
            value.ok_or_else(|| BadEntry::Origin(text.clone()))
        };
        Ok(Self {
            hosts: hosts.iter().map(host).collect::<Result<_, _>>()?,
            origins: origins.iter().map(origin).collect::<Result<_, _>>()?,
            passed: RefCell::default(),
            tls: false,
        })
    }

    pub(crate) fn with_tls(self, tls: bool) -> Self {
        Self { tls, ..self }
    }

    /// The request's only Origin, if it is listed.
    pub(crate) fn listed(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        if self.origins.is_empty() {
            return None;
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next()?;
        if origins.next().is_some() { None } else { self.listed_bytes(origin.as_bytes()) }
    }

    pub(crate) fn listed_bytes(&self, origin: &[u8]) -> Option<&HeaderValue> {
        self.origins.iter().find(|listed| listed.as_bytes() == origin)
    }

    /// Checks Host, the authority of an absolute target, Origin and Sec-Fetch-Site, in this order.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap, listed: bool) -> Result<Standing, Refusal> {
        let (mut hosts, mut origins) = (Values::None, Values::None);
        let (mut own_site, mut cross_site) = (true, false);
        for (name, value) in headers {
            if *name == HOST {
                hosts.add(value);
            } else if *name == ORIGIN {
                origins.add(value);
            } else if *name == SEC_FETCH_SITE {
                own_site &= value == "same-origin" || value == "none";
                cross_site |= value == "cross-site";
            }
        }

        let Values::One(host) = hosts else {
            return Err(Refusal::bad_request("exactly one Host header is needed"));
        };
        let host = host.as_bytes();
        if uri.authority().is_some() || self.passed.borrow().as_deref() != Some(host) {
            self.check_host(uri, host)?;
        }
        let own_origin = match origins {
            Values::None => true,
            Values::One(origin) => {
                let own = self.is_own(origin.as_bytes(), host);
                if !own && !listed {
                    return Err(Refusal::forbidden("pages of this Origin may not call"));
                }
                own
            }
            Values::More => return Err(Refusal::forbidden("more than one Origin header")),
        };
        if cross_site && !listed {
            return Err(Refusal::forbidden("pages of other sites may not call"));
        }
        Ok(Standing { own: own_origin && own_site })
    }

    fn check_host(&self, uri: &Uri, host: &[u8]) -> Result<(), Refusal> {
        let Some((name, port)) = std::str::from_utf8(host).ok().and_then(split_host) else {
            return Err(Refusal::bad_request("the Host header is not a host name with or without a port"));
        };
        let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
        if authority.is_some_and(|authority| !is_same_authority(authority, host, self.default_port())) {
            return Err(Refusal::bad_request("the target of the request is another host"));
        }
        if !self.accepts(name, port) {
            return Err(Refusal::forbidden("this server does not answer to this Host"));
        }
        self.passed.replace(Some(host.to_owned()));
        Ok(())
    }

    /// Is this the origin of this server as the client names it?
    fn is_own(&self, origin: &[u8], host: &[u8]) -> bool {
        let scheme: &[u8] = if self.tls { b"https://" } else { b"http://" };
        origin.strip_prefix(scheme).is_some_and(|authority| is_same_authority(authority, host, self.default_port()))
    }

    /// What an authority without a port means.
    fn default_port(&self) -> &'static [u8] {
        if self.tls { b":443" } else { b":80" }
    }

    fn accepts(&self, name: &str, port: Option<u16>) -> bool {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|known| known.eq_ignore_ascii_case(name))
            || self.hosts.iter().any(|(known, known_port)| {
                known.eq_ignore_ascii_case(name) && known_port.is_none_or(|known| Some(known) == port)
            })
    }
}

/// A host name or address, and its port. `None`: not well formed (RFC 9110, section 7.2).
fn split_host(host: &str) -> Option<(&str, Option<u16>)> {
    let end = if host.starts_with('[') { host.find(']')? + 1 } else { host.find(':').unwrap_or(host.len()) };
    let (name, rest) = host.split_at(end);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    let well_formed = match name.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')),
    };
    (well_formed && !name.is_empty()).then_some((name, port))
}

fn is_same_authority(left: &[u8], right: &[u8], default: &[u8]) -> bool {
    let without_default = |authority: &[u8]| authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase();
    left.eq_ignore_ascii_case(right) || without_default(left) == without_default(right)
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    is_token(scheme.as_bytes())
        && !rest.is_empty()
        && rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'@' | b'*'))
}

/// Sets what a page of a listed origin needs to read an answer.
pub(crate) fn set_cors(headers: &mut HeaderMap, listed: Option<&HeaderValue>) {
    if let Some(origin) = listed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// The answer's headers to a preflight, but for those of [`set_cors`].
pub(crate) fn set_preflight(headers: &mut HeaderMap, request: &HeaderMap, methods: HeaderValue) {
    let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|list| is_name_list(list.as_bytes()));
    let allowed = asked.cloned().unwrap_or(HeaderValue::from_static("Authorization, Content-Type"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if request.get(REQUEST_PRIVATE_NETWORK).is_some_and(|value| value == "true") {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
}

fn is_name_list(list: &[u8]) -> bool {
    list.len() <= 1024
        && list.split(|&byte| byte == b',').all(|name| {
            let name = name.trim_ascii();
            is_token(name) && name != b"*"
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)]) -> Result<Standing, u16> {
        let guard = Guard::new(
            &["Example.org".into(), "other:81".into()],
            &["chrome-extension://abc".into(), "http://localhost:3000".into()],
        );
        let guard = guard.unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let listed = guard.listed(&map).is_some();
        guard.check(&Uri::from_static("/"), &map, listed).map_err(|refusal| refusal.status().as_u16())
    }

    fn host(host: &str) -> Option<u16> {
        check(&[("host", host)]).err()
    }

    #[test]
    fn hosts() {
        let good = [
            "127.0.0.1",
            "127.0.0.1:1",
            "LOCALHOST:65535",
            "[::1]",
            "[::1]:8",
            "example.ORG",
            "example.org:7",
            "other:81",
        ];
        for good in good {
            assert_eq!(host(good), None, "{good}");
        }
        for foreign in
            ["evil.org", "127.0.0.2", "other", "other:82", "localhost.", "localhost.evil.org", "[::2]", "a_b"]
        {
            assert_eq!(host(foreign), Some(403), "{foreign}");
        }
        for bad in [
            "",
            ":80",
            "localhost:",
            "localhost:x",
            "localhost:+1",
            "localhost:65536",
            "a b",
            "a/b",
            "u@localhost",
            "[::1",
            "[]",
            "[x]",
            "::1",
            "localhost,localhost",
            "[::1]8",
        ] {
            assert_eq!(host(bad), Some(400), "{bad}");
        }
        assert_eq!(check(&[]), Err(400));
        assert_eq!(check(&[("host", "localhost"), ("host", "localhost")]), Err(400));
    }

    fn from(origin: &str, site: Option<&str>) -> Result<bool, u16> {
        let mut headers = vec![("host", "localhost:8787"), ("origin", origin)];
        headers.extend(site.map(|site| ("sec-fetch-site", site)));
        check(&headers).map(|standing| standing.own)
    }

    #[test]
    fn origins() {
        assert_eq!(from("http://localhost:8787", None), Ok(true));
        assert_eq!(from("http://localhost:8787", Some("same-origin")), Ok(true));
        assert_eq!(from("http://localhost:8787", Some("same-site")), Ok(false));
        assert_eq!(from("http://localhost:3000", Some("same-site")), Ok(false));
        assert_eq!(from("chrome-extension://abc", Some("cross-site")), Ok(false));
        assert_eq!(from("http://localhost:8787", Some("cross-site")), Err(403));
        for foreign in [
            "null",
            "",
            "http://localhost",
            "https://localhost:8787",
            "http://localhost:3001",
            "http://127.0.0.1:8787",
            "chrome-extension://ABC",
            "http://localhost:3000/",
            "*",
        ] {
            assert_eq!(from(foreign, None), Err(403), "{foreign}");
        }
        let host = ("host", "localhost");
        assert_eq!(check(&[host, ("origin", "http://localhost:80")]), Ok(Standing { own: true }));
        assert_eq!(check(&[host, ("origin", "http://localhost"), ("origin", "http://localhost")]), Err(403));
        assert_eq!(check(&[host, ("sec-fetch-site", "cross-site")]), Err(403));
        assert_eq!(check(&[host, ("sec-fetch-site", "same-site")]), Ok(Standing { own: false }));
        assert_eq!(check(&[host, ("sec-fetch-site", "none")]), Ok(Standing { own: true }));
    }

    #[test]
    fn the_own_origin_has_the_scheme_of_the_server() {
        let guard = Guard::new(&[], &[]).unwrap().with_tls(true);
        for (origin, host, own) in [
            ("https://localhost:8787", "localhost:8787", true),
            ("https://localhost", "localhost:443", true),
            ("https://localhost:443", "localhost", true),
            ("http://localhost:8787", "localhost:8787", false),
            ("https://localhost:80", "localhost", false),
        ] {
            assert_eq!(guard.is_own(origin.as_bytes(), host.as_bytes()), own, "{origin} {host}");
        }
    }

    #[test]
    fn absolute_targets_name_the_host() {
        let guard = Guard::new(&[], &[]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost:8787"));
        let check = |uri: &'static str| guard.check(&Uri::from_static(uri), &headers, false).is_ok();
        assert!(check("http://LOCALHOST:8787/x"));
        assert!(!check("http://localhost/x"));
        assert!(!check("http://evil.org/x"));
        assert!(!check("http://user@localhost:8787/x"));
    }

    #[test]
    fn a_host_that_has_passed_speaks_for_itself_alone() {
        let guard = Guard::new(&[], &[]).unwrap();
        let check = |uri: &'static str, host: &'static str| {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            guard.check(&Uri::from_static(uri), &headers, false).map_err(|refusal| refusal.status().as_u16())
        };
        for _ in 0..2 {
            assert!(check("/", "localhost:8787").is_ok());
            assert_eq!(check("/", ""), Err(400));
            assert_eq!(check("/", "localhost:x"), Err(400));
            assert_eq!(check("/", "localhost:8787.evil.org"), Err(400));
            assert_eq!(check("/", "evil.org"), Err(403));
            assert_eq!(check("http://evil.org/", "localhost:8787"), Err(400));
        }
    }

    #[test]
    fn entries_that_never_match_are_refused() {
        for origin in ["null", "*", "http://localhost:3000/", "localhost", "http://", "http://*", "http://a b"] {
            assert!(matches!(Guard::new(&[], &[origin.into()]), Err(BadEntry::Origin(_))), "{origin}");
        }
        for host in ["", "http://x", "x/", "*"] {
            assert!(matches!(Guard::new(&[host.into()], &[]), Err(BadEntry::Host(_))), "{host}");
        }
    }

    #[test]
    fn requested_headers_are_repeated_only_if_sane() {
        assert!(is_name_list(b"authorization,content-type, x-a"));
        assert!(!is_name_list(b"*"));
        assert!(!is_name_list(b"a b"));
        assert!(!is_name_list(b""));
        assert!(!is_name_list(&[b'a'; 2000]));
    }
}
