// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an owner is doing, for those who wait for it and would like to know.

/// The owner's present business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Code that the mailbox knows nothing of.
    Elsewhere,
    /// It sleeps until something comes.
    Asleep,
    /// It handles a message of the port with this handle.
    Handling(u64),
    /// It runs something else that it was asked to run, such as a timer's function.
    Task,
    /// Another thread holds its lock, and runs Lua.
    Locked,
}

impl Doing {
    pub(crate) fn word(self) -> u64 {
        match self {
            Self::Elsewhere => 0,
            Self::Asleep => 1,
            Self::Task => 2,
            Self::Locked => 3,
            // Handles have a generation in their upper half, and are greater.
            Self::Handling(handle) => handle,
        }
    }

    pub(crate) fn from_word(word: u64) -> Self {
        match word {
            0 => Self::Elsewhere,
            1 => Self::Asleep,
            2 => Self::Task,
            3 => Self::Locked,
            handle => Self::Handling(handle),
        }
    }
}
