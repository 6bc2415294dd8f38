// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS 1.2 and 1.3 below HTTP/1.1: certificates from files, or one that the server signs itself, and the handshake, which
//! has the time of a head.

use std::fmt::Display;
use std::fs;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, ServerConfig};

use crate::accept::Site;
use crate::config::{SelfSigned, Tls};
use crate::connection::Link;
use crate::stream::Stream;

/// What a running server needs for handshakes.
pub(crate) type Acceptor = TlsAcceptor;

/// What is wrong, and the name of the kind.
pub(crate) type Fault = (String, &'static str);

/// Safari takes no certificate for longer than 825 days.
const VALID: Duration = Duration::from_secs(86_400 * 820);

/// A clock may be behind that of the server.
const BEFORE: Duration = Duration::from_secs(86_400);

pub(crate) fn acceptor(tls: &Tls) -> Result<Acceptor, Fault> {
    let config = match tls {
        Tls::SelfSigned(made) => self_signed(made)?,
        Tls::Files { certificate, key } => Arc::new(from_files(certificate, key)?),
    };
    Ok(config.into())
}

fn from_files(certificate: &Path, key: &Path) -> Result<ServerConfig, Fault> {
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault(certificate, malformed(&error)))?;
    if chain.is_empty() {
        return Err(fault(certificate, "no certificate is in it"));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => fault(key, "no private key that is not encrypted is in it"),
        error => fault(key, malformed(&error)),
    })?;
    config(chain, private).map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            fault(key, format!("the key does not fit the certificate {}", certificate.display()))
        }
        Error::InvalidCertificate(error) => fault(certificate, format!("the certificate is not valid: {error}")),
        error => fault(key, error),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| {
        let name = crate::config::system_name(&error);
        (fault(path, error).0, name)
    })
}

fn fault(path: &Path, what: impl Display) -> Fault {
    (format!("{}: {what}", path.display()), "invalid")
}

fn malformed(error: &pem::Error) -> String {
    format!("it is not well-formed PEM: {error}")
}

fn config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The same certificate at each start, so that a browser's user is asked once.
fn self_signed(made: &SelfSigned) -> Result<Arc<ServerConfig>, Fault> {
    if let Some(config) = made.0.get() {
        return Ok(Arc::clone(config));
    }
    let failed = |error: &dyn Display| (format!("no certificate could be made: {error}"), "unsupported");
    let (certificate, key) = sign().map_err(|error| failed(&error))?;
    let config = config(vec![certificate], key).map_err(|error| failed(&error))?;
    Ok(Arc::clone(made.0.get_or_init(|| Arc::new(config))))
}

fn sign() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = (SystemTime::now() - BEFORE).into();
    params.not_after = (SystemTime::now() + VALID).into();
    let certificate = params.self_signed(&key)?;
    Ok((certificate.into(), key.into()))
}

/// Makes a TLS stream of a connection where the server has TLS. `None`: it failed, took too long, had to give
/// way, or the server stops.
pub(crate) async fn handshake(site: &Site, stream: Stream, link: &Link, place: u64) -> Option<Stream> {
    let (stream, acceptor) = match (stream, &site.tls) {
        (Stream::Tcp(stream), Some(acceptor)) => (stream, acceptor),
        (stream, _) => return Some(stream),
    };
    let mut accepting = pin!(acceptor.accept(stream));
    let mut deadline = pin!(sleep(site.limits.head_time));
    poll_fn(|context| {
        site.seat(place, context.waker());
        if site.is_stopping() || link.gives_way() || deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        let accepted = ready!(accepting.as_mut().poll(context));
        Poll::Ready(accepted.ok().map(|stream| Stream::Tls(Box::new(stream))))
    })
    .await
}
