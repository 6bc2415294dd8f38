// SPDX-License-Identifier: MIT OR Apache-2.0
//! C declarations of function pointers: what is written, with every name resolved, and where a mistake is.

mod parse;
mod specifiers;
mod token;
mod types;

pub use parse::parse;
pub use types::{Declaration, Definition, Extent, Named, NoNames, Note, Parameter, Resolver, Type};

/// What is wrong with a declaration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
#[non_exhaustive]
pub struct DeclarationError {
    /// What was wanted and what is there.
    pub message: String,
    /// Where, in characters from 1; one more than the declaration is long if something is missing at its end.
    pub column: usize,
}

impl DeclarationError {
    pub(crate) fn new(column: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), column }
    }
}

pub(crate) type Result<T> = std::result::Result<T, DeclarationError>;
