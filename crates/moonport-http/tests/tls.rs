// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS, seen by a client that verifies: certificates, versions, files, and what is no handshake.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::{Client, Folder, LIMIT, Owner, header, route, status, text, wait_for};
use moonport_http::{Config, EventsOptions, Limits, Routes, SelfSigned, Server, Tls};
use rcgen::{CertifiedKey, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
    SupportedProtocolVersion, version,
};

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Takes any certificate: for the first look at one.
#[derive(Debug)]
struct Anyone(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A client that trusts this certificate alone.
fn trusting(certificate: &CertificateDer<'static>, version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn connect(server: &Server, config: ClientConfig, name: &'static str) -> io::Result<Client<Secure>> {
    let stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(LIMIT))?;
    let connection = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Client(stream))
}

/// What the server shows to somebody who looks at nothing.
fn shown(server: &Server) -> CertificateDer<'static> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    let CertifiedKey { cert, .. } = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    roots.add(cert.into()).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build().unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(verifier)))
        .with_no_client_auth();
    let client = connect(server, config, "localhost").unwrap();
    client.0.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn config() -> Config {
    Config { tls: Some(Tls::SelfSigned(SelfSigned::default())), ..Config::default() }
}

#[test]
fn a_certificate_of_its_own_is_good_for_this_machine() {
    let mut owner = Owner::new();
    let config = config();
    let server = owner.start(config.clone(), route("/"));
    assert_eq!(server.url(), format!("https://{}", server.address()));
    let certificate = shown(&server);
    for version in [&version::TLS12, &version::TLS13] {
        for name in ["localhost", "127.0.0.1", "::1"] {
            let mut client = connect(&server, trusting(&certificate, version), name).unwrap();
            assert_eq!(client.0.conn.protocol_version(), Some(version.version));
            assert_eq!(client.0.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
            client.get("/", "");
            owner.take().reply.send(text("secret")).unwrap();
            assert_eq!(client.answer().1, b"secret");
        }
        assert!(connect(&server, trusting(&certificate, version), "example.org").is_err());
    }
    let mut only = trusting(&certificate, &version::TLS13);
    only.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(&server, only, "localhost").is_err());

    // Stopped and started again it is the same; another server has another one.
    drop(server);
    assert_eq!(shown(&owner.start(config, Routes::default())), certificate);
    assert_ne!(shown(&owner.start(self::config(), Routes::default())), certificate);
}

#[test]
fn pages_are_those_of_https() {
    let mut owner = Owner::new();
    let server = owner.start(Config { token: Some("t".repeat(32)), ..config() }, route("/"));
    let link = server.link("/").unwrap();
    assert!(link.starts_with(&format!("https://{}/?token=", server.address())), "{link}");
    let certificate = shown(&server);
    let mut client = connect(&server, trusting(&certificate, &version::TLS13), "localhost").unwrap();
    client.get(link.strip_prefix(server.url()).unwrap(), "");
    let (head, _) = client.answer();
    assert_eq!(status(&head), 303);
    let cookie = header(&head, "set-cookie").unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    client.get("/", &format!("Origin: https://localhost\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\n"));
    owner.take().reply.send(text("own")).unwrap();
    assert_eq!(client.status(), 200);
    client.get("/", &format!("Origin: http://localhost\r\nCookie: {cookie}\r\n"));
    assert_eq!(client.status(), 403);
}

#[test]
fn what_is_no_handshake_ends_and_the_server_lives() {
    let limits = Limits { head_time: Duration::from_millis(100), ..Limits::default() };
    let mut owner = Owner::new();
    let server = owner.start(Config { limits, max_connections: 2, ..config() }, route("/"));
    let plain = || {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Client(stream)
    };
    let mut http = plain();
    http.get("/", "");
    let mut answer = Vec::new();
    drop(http.0.read_to_end(&mut answer));
    assert!(!answer.starts_with(b"HTTP"), "an alert at most: {answer:?}");

    // They count as connections, and have the time of a head.
    wait_for("the end of it", || server.stats().connections == 0);
    let mut silent = [plain(), plain()];
    wait_for("both", || server.stats().connections == 2);
    assert!(plain().is_closed());
    assert!(silent.iter_mut().all(Client::is_closed));
    wait_for("the end of both", || server.stats().connections == 0);
    assert_eq!(server.stats().requests, 0);

    let certificate = shown(&server);
    let mut client = connect(&server, trusting(&certificate, &version::TLS13), "localhost").unwrap();
    client.get("/", "");
    owner.take().reply.send(text("alive")).unwrap();
    assert_eq!(client.answer().1, b"alive");
}

#[test]
fn stopping_does_not_wait_for_handshakes() {
    let owner = Owner::new();
    let server = owner.start(config(), route("/"));
    let _silent = TcpStream::connect(server.address()).unwrap();
    wait_for("the connection", || server.stats().connections == 1);
    let (give, take) = mpsc::channel();
    server.begin_stop(Box::new(move || give.send(()).unwrap()));
    take.recv_timeout(LIMIT / 2).unwrap();
}

#[test]
fn large_answers_and_events_pass() {
    let folder = Folder::new("tls-large");
    let large: Vec<u8> = (0..8_000_000_u32).map(|index| (index % 251) as u8).collect();
    fs::write(folder.0.join("large"), &large).unwrap();
    let mut routes = Routes::default();
    routes.add_static("/files", &folder.0).unwrap();
    let events = routes.add_events("/events", EventsOptions::default()).unwrap();
    let owner = Owner::new();
    let server = owner.start(config(), routes);
    let certificate = shown(&server);
    let client = || connect(&server, trusting(&certificate, &version::TLS13), "localhost").unwrap();
    let mut reader = client();
    reader.get("/files/large", "");
    assert!(reader.answer().1 == large);

    let mut page = client();
    page.get("/events", "");
    page.head();
    assert_eq!(events.send("over TLS", None), Ok(1));
    let mut text = String::new();
    while !text.contains("data: over TLS\n\n") {
        let mut piece = [0; 64];
        let count = page.0.read(&mut piece).unwrap();
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    drop(page);
    wait_for("the page has gone", || events.count() == Ok(0));
    // Another one says goodbye first.
    let mut page = client();
    page.get("/events", "");
    page.head();
    page.0.conn.send_close_notify();
    page.0.flush().unwrap();
    wait_for("the page has gone", || events.count() == Ok(0));
}

#[test]
fn certificates_come_from_files() {
    let folder = Folder::new("tls-files");
    let file = |name: &str, text: &str| {
        let path = folder.0.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = file("certificate.pem", &pem("CERTIFICATE", cert.der()));
    let key = file("key.pem", &pem("PRIVATE KEY", &signing_key.serialize_der()));
    let other = file("other.pem", &pem("PRIVATE KEY", &KeyPair::generate().unwrap().serialize_der()));
    let empty = file("empty.pem", "nothing of the kind\n");
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let nonsense = file("nonsense.pem", &pem("CERTIFICATE", b"no DER"));
    let missing = folder.0.join("missing.pem");

    let mut owner = Owner::new();
    let with = |certificate: &Path, key: &Path| Config {
        tls: Some(Tls::Files { certificate: certificate.to_owned(), key: key.to_owned() }),
        ..Config::default()
    };
    let server = owner.start(with(&certificate, &key), route("/"));
    let mut client = connect(&server, trusting(cert.der(), &version::TLS13), "localhost").unwrap();
    client.get("/", "");
    owner.take().reply.send(text("from files")).unwrap();
    assert_eq!(client.answer().1, b"from files");

    for (certificate, key, name, words) in [
        (&missing, &key, "ENOENT", vec!["missing.pem: ", "No such file"]),
        (&folder.0, &key, "EISDIR", vec!["directory"]),
        (&certificate, &missing, "ENOENT", vec!["missing.pem: ", "No such file"]),
        (&empty, &key, "invalid", vec!["empty.pem: ", "no certificate"]),
        (&key, &key, "invalid", vec!["key.pem: ", "no certificate"]),
        (&broken, &key, "invalid", vec!["broken.pem: ", "PEM"]),
        (&nonsense, &key, "invalid", vec!["nonsense.pem: ", "not valid"]),
        (&certificate, &empty, "invalid", vec!["empty.pem: ", "no private key"]),
        (&certificate, &other, "invalid", vec!["other.pem: ", "does not fit", "certificate.pem"]),
    ] {
        let error = owner.try_start(with(certificate, key), Routes::default()).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.name(), name, "{message}");
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
    let unix = Config { address: format!("unix:{}", folder.0.join("socket").display()), ..config() };
    let error = owner.try_start(unix, Routes::default()).unwrap_err();
    assert_eq!(error.name(), "unsupported");
    assert!(error.to_string().contains("Unix socket") && !folder.0.join("socket").exists(), "{error}");
}

fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----");
    for (at, group) in der.chunks(3).enumerate() {
        if at % 16 == 0 {
            text.push('\n');
        }
        let bits = group.iter().chain(&[0, 0]).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = char::from(ALPHABET[bits >> (18 - 6 * place) & 63]);
            text.push(if place > group.len() { '=' } else { digit });
        }
    }
    format!("{text}\n-----END {label}-----\n")
}
