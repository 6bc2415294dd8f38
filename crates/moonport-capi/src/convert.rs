// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between the numbers of C and the types of the engine.

use std::ffi::c_int;
use std::time::Duration;

use ::moonport_codec::{json, msgpack};
use moonport_core::reply::CallError;
use moonport_core::{Encoding, PortKey, SendError, Sender, Sent, registry};

use crate::types::{moonport_codec, moonport_port, moonport_status};

pub(crate) use moonport_status::*;

/// The sending end behind a handle.
///
/// # Errors
/// MOONPORT_CLOSED for a number that is no open or closed port.
pub(crate) fn sender(port: moonport_port) -> Result<Sender, moonport_status> {
    registry::find(port.id).ok_or(MOONPORT_CLOSED)
}

/// The encoding that a codec's number means for this port.
pub(crate) fn encoding(codec: u32, port: PortKey) -> Result<Encoding, moonport_status> {
    const PORT: u32 = moonport_codec::MOONPORT_CODEC_PORT as u32;
    const RAW: u32 = moonport_codec::MOONPORT_RAW as u32;
    const JSON: u32 = moonport_codec::MOONPORT_JSON as u32;
    const MSGPACK: u32 = moonport_codec::MOONPORT_MSGPACK as u32;
    match codec {
        PORT => Ok(port.encoding()),
        RAW => Ok(Encoding::Raw),
        JSON => Ok(Encoding::Json),
        MSGPACK => Ok(Encoding::MessagePack),
        _ => Err(MOONPORT_INVALID),
    }
}

/// The number of an encoding.
pub(crate) fn codec(encoding: Encoding) -> u32 {
    (match encoding {
        Encoding::Json => moonport_codec::MOONPORT_JSON,
        Encoding::MessagePack => moonport_codec::MOONPORT_MSGPACK,
        _ => moonport_codec::MOONPORT_RAW,
    }) as u32
}

/// Are these bytes what their encoding says?
///
/// # Errors
/// What is wrong with them, and where.
pub fn check(encoding: Encoding, bytes: &[u8]) -> Result<(), String> {
    match encoding {
        Encoding::Json => json::check(bytes, json::DEFAULT_DEPTH).map_err(|error| format!("malformed JSON: {error}")),
        Encoding::MessagePack => {
            msgpack::check(bytes, msgpack::DEFAULT_DEPTH).map_err(|error| format!("malformed MessagePack: {error}"))
        }
        _ => Ok(()),
    }
}

/// A C function's result.
pub(crate) fn number(result: Result<moonport_status, moonport_status>) -> c_int {
    result.unwrap_or_else(|status| status) as c_int
}

pub(crate) fn sent(result: Result<Sent, SendError>) -> Result<moonport_status, moonport_status> {
    match result {
        Ok(Sent::Taken) => Ok(MOONPORT_OK),
        Ok(_) => Ok(MOONPORT_DROPPED),
        Err(error) => Err(status_of(error)),
    }
}

/// The status that tells this error.
#[must_use]
pub fn status_of(error: SendError) -> moonport_status {
    match error {
        SendError::Full => MOONPORT_FULL,
        SendError::Timeout => MOONPORT_TIMEOUT,
        SendError::WouldDeadlock => MOONPORT_WOULD_DEADLOCK,
        SendError::NoMemory => MOONPORT_NO_MEMORY,
        SendError::TooBig => MOONPORT_TOO_BIG,
        SendError::Forked => MOONPORT_FORKED,
        _ => MOONPORT_CLOSED,
    }
}

pub(crate) fn status_of_call(error: &CallError) -> moonport_status {
    match error {
        CallError::Send(error) => status_of(*error),
        CallError::Timeout => MOONPORT_TIMEOUT,
        _ => MOONPORT_HANDLER,
    }
}

/// Seconds as a duration; `None` for what is no time.
pub(crate) fn seconds(seconds: f64) -> Result<Duration, moonport_status> {
    if seconds.is_nan() {
        return Err(MOONPORT_INVALID);
    }
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}
