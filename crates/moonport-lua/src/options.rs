// SPDX-License-Identifier: MIT OR Apache-2.0
//! Option tables: every key is known or refused by name, every value is checked and named in the error.

use std::path::PathBuf;
use std::time::Duration;

use mlua_sys as lua;

use crate::function::{Failure, Result};
use crate::stack::Stack;
use crate::timer;
use crate::value;

/// One option: its value is on top of the stack.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) stack: Stack,
    pub(crate) function: &'a str,
    pub(crate) key: &'a str,
}

/// Calls `take` for each option of the table at `index` (nil: none); `false` from it means that the key is unknown.
pub(crate) fn read(
    stack: Stack,
    index: i32,
    function: &str,
    mut take: impl FnMut(&str, Value<'_>) -> Result<bool>,
) -> Result<()> {
    if stack.kind(index) <= lua::LUA_TNIL {
        return Ok(());
    }
    if stack.kind(index) != lua::LUA_TTABLE {
        return Err(format!("{function}: expected a table of options, got {}", stack.type_name(index)).into());
    }
    let index = stack.absolute(index);
    stack.push_nil();
    while stack.next(index) {
        let Some(key) = stack.text(-2) else {
            return Err(format!("{function}: an option's name must be a string, got a {}", stack.type_name(-2)).into());
        };
        if !take(key, Value { stack, function, key })? {
            return Err(format!("{function}: unknown option {key:?}").into());
        }
        stack.pop(1);
    }
    Ok(())
}

impl<'a> Value<'a> {
    pub(crate) fn wrong(self, wanted: &str) -> Failure {
        let got = match self.stack.kind(-1) {
            lua::LUA_TSTRING => format!("{:?}", self.stack.text(-1).unwrap_or("a string that is not UTF-8")),
            lua::LUA_TNUMBER => value::number_text(self.stack.number(-1).unwrap_or_default()),
            lua::LUA_TBOOLEAN => self.stack.truth(-1).to_string(),
            _ => self.stack.type_name(-1).to_owned(),
        };
        Failure(format!("{}: {}: expected {wanted}, got {got}", self.function, self.key))
    }

    pub(crate) fn boolean(self) -> Result<bool> {
        if self.stack.kind(-1) == lua::LUA_TBOOLEAN { Ok(self.stack.truth(-1)) } else { Err(self.wrong("a boolean")) }
    }

    pub(crate) fn text(self) -> Result<&'a str> {
        self.stack.text(-1).ok_or_else(|| self.wrong("a string"))
    }

    /// A positive whole number.
    pub(crate) fn count(self) -> Result<usize> {
        let count = self.stack.integer(-1).and_then(|count| usize::try_from(count).ok());
        count.filter(|count| *count > 0).ok_or_else(|| self.wrong("a positive integer"))
    }

    pub(crate) fn seconds(self) -> Result<Duration> {
        match self.stack.number(-1) {
            Some(seconds) if seconds > 0.0 => timer::seconds(self.stack, -1, self.function),
            _ => Err(self.wrong("a positive number of seconds")),
        }
    }

    pub(crate) fn texts(self) -> Result<Vec<String>> {
        if self.stack.kind(-1) != lua::LUA_TTABLE {
            return Err(self.wrong("a table of strings"));
        }
        let length = self.stack.raw_length(-1);
        let mut texts = Vec::with_capacity(length.min(1024));
        for at in 1..=length {
            self.stack.raw_get_at(-1, lua::lua_Integer::try_from(at).unwrap_or(0));
            let text = self.stack.text(-1).map(str::to_owned);
            let text = text.ok_or_else(|| self.wrong(&format!("a string at [{at}]")));
            self.stack.pop(1);
            texts.push(text?);
        }
        Ok(texts)
    }

    pub(crate) fn path(self) -> Result<PathBuf> {
        self.text().map(PathBuf::from)
    }
}
