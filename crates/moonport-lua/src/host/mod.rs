// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other loops than ours need: a descriptor to watch.

pub(crate) mod descriptor;
