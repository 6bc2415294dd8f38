// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers and names by which any thread finds a port: a place and a generation, never a pointer, so that a stale or
//! forged number finds nothing.

#[cfg(not(loom))]
pub use real::{find, find_name, name_of};
pub(crate) use real::{forget, insert};

#[cfg(not(loom))]
mod real {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use crate::fork::{self, PerProcess};
    use crate::pool;
    use crate::port::Sender;
    use crate::slot::PortKey;
    use crate::sync::lock;

    static NAMES: PerProcess<Mutex<BTreeMap<String, PortKey>>> =
        PerProcess::new([const { Mutex::new(BTreeMap::new()) }; fork::NESTED]);

    /// A sender to the port with this handle. It may be closed: then the sender says so.
    ///
    /// Thread: any. Blocks: never; async-signal-safe.
    #[must_use]
    pub fn find(handle: u64) -> Option<Sender> {
        let index = u32::try_from(handle & u64::from(u32::MAX)).ok()?;
        let generation = u32::try_from(handle >> 32).ok()?;
        let key = PortKey { slot: pool::slot_at(index)?, generation };
        (key.is_in_use() && key.is_current()).then_some(Sender::new(key))
    }

    /// A sender to the open port with this name.
    ///
    /// Thread: any. Blocks: only while a named port is made or closed.
    #[must_use]
    pub fn find_name(name: &str) -> Option<Sender> {
        lock(NAMES.get()).get(name).copied().map(Sender::new)
    }

    /// The name of the open port with this handle, if it has one.
    ///
    /// Thread: any. Blocks: only while a named port is made or closed.
    #[must_use]
    pub fn name_of(handle: u64) -> Option<String> {
        let names = lock(NAMES.get());
        names.iter().find(|(_, key)| key.handle() == handle).map(|(name, _)| name.clone())
    }

    /// `false` if the name is taken.
    pub(crate) fn insert(name: &str, key: PortKey) -> bool {
        let mut names = lock(NAMES.get());
        if names.contains_key(name) {
            return false;
        }
        names.insert(name.to_owned(), key);
        true
    }

    /// Frees the name of a closed port.
    pub(crate) fn forget(name: &str, key: PortKey) {
        let mut names = lock(NAMES.get());
        if names.get(name) == Some(&key) {
            names.remove(name);
        }
    }
}

#[cfg(loom)]
mod real {
    use crate::slot::PortKey;

    /// Models have no names.
    pub(crate) fn insert(_: &str, _: PortKey) -> bool {
        true
    }

    pub(crate) fn forget(_: &str, _: PortKey) {}
}
