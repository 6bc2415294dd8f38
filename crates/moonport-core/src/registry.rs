// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers and names by which any thread finds a port: a place and a generation, never a pointer, so that a stale or
//! forged number finds nothing.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::port::Sender;

#[derive(Default)]
struct Table {
    places: Vec<Place>,
    free: Vec<u32>,
    names: HashMap<String, u64>,
}

#[derive(Default)]
struct Place {
    generation: u32,
    sender: Option<Sender>,
    name: Option<String>,
}

static TABLE: RwLock<Option<Table>> = RwLock::new(None);

/// A sender to the open port with this handle.
///
/// Thread: any. Blocks: only while a port is made or closed.
#[must_use]
pub fn find(handle: u64) -> Option<Sender> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    let (index, generation) = split(handle)?;
    let place = table.as_ref()?.places.get(index as usize)?;
    if place.generation == generation { place.sender.clone() } else { None }
}

/// A sender to the open port with this name.
///
/// Thread: any. Blocks: only while a port is made or closed.
#[must_use]
pub fn find_name(name: &str) -> Option<Sender> {
    let handle = {
        let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
        *table.as_ref()?.names.get(name)?
    };
    find(handle)
}

/// A new handle, or `None` if the name is taken. Handles are never zero.
pub(crate) fn insert(sender: Sender, name: Option<&str>) -> Option<u64> {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let table = table.get_or_insert_default();
    if name.is_some_and(|name| table.names.contains_key(name)) {
        return None;
    }
    let index = match table.free.pop() {
        Some(index) => index,
        None => {
            let index = u32::try_from(table.places.len()).ok()?;
            table.places.push(Place { generation: 1, ..Place::default() });
            index
        }
    };
    let place = &mut table.places[index as usize];
    place.sender = Some(sender);
    let handle = u64::from(place.generation) << 32 | u64::from(index);
    if let Some(name) = name {
        place.name = Some(name.to_owned());
        table.names.insert(name.to_owned(), handle);
    }
    Some(handle)
}

/// Forgets a handle; a second time does nothing.
pub(crate) fn remove(handle: u64) {
    let forgotten = {
        let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
        let Some(table) = table.as_mut() else { return };
        let Some((index, generation)) = split(handle) else { return };
        let Some(place) = table.places.get_mut(index as usize) else { return };
        if place.generation != generation {
            return;
        }
        // A place whose generations are used up is never given out again.
        place.generation = place.generation.wrapping_add(1);
        if place.generation != 0 {
            table.free.push(index);
        }
        if let Some(name) = place.name.take() {
            table.names.remove(&name);
        }
        place.sender.take()
    };
    drop(forgotten);
}

fn split(handle: u64) -> Option<(u32, u32)> {
    let index = u32::try_from(handle & u64::from(u32::MAX)).ok()?;
    let generation = u32::try_from(handle >> 32).ok()?;
    (generation != 0).then_some((index, generation))
}
