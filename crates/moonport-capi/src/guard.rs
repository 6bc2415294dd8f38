// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every export passes through.

use std::panic::{AssertUnwindSafe, catch_unwind};

use moonport_core::errno;

/// Runs the body of an export. errno is preserved; a panic, which would be a bug of ours, ends here with `failed`.
pub(crate) fn guard<R>(failed: R, body: impl FnOnce() -> R) -> R {
    errno::keep(|| catch_unwind(AssertUnwindSafe(body)).unwrap_or(failed))
}
