// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers each POST with its JSON, parsed and written again, and each GET with a text: hyper 1 on one thread, as bare as it
//! gets.

use std::io::Write;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

type Error = Box<dyn std::error::Error + Send + Sync>;

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
    if request.method() == Method::GET {
        return Ok(answer("text/plain; charset=utf-8", Bytes::from_static(b"Hello, world")));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(&body) else {
        let mut refusal = Response::new(Full::default());
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refusal);
    };
    Ok(answer("application/json", serde_json::to_vec(&value)?.into()))
}

fn answer(kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn serve(address: String) -> Result<(), Error> {
    let listener = TcpListener::bind(address).await?;
    let mut out = std::io::stdout();
    writeln!(out, "http://{}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn_local(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            // A client that goes away is no concern of this server.
            drop(connection.serve_connection(TokioIo::new(stream), service_fn(echo)).await);
        });
    }
}

fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(address))
}
