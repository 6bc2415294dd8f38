// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers each POST with its JSON, parsed and written again: hyper 1 on one thread, as bare as it gets.

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
    if request.method() != Method::POST {
        return Ok(refusal(StatusCode::METHOD_NOT_ALLOWED));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return Ok(refusal(StatusCode::BAD_REQUEST));
    };
    let mut response = Response::new(Full::from(serde_json::to_vec(&value)?));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
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
