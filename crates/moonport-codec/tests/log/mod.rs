// SPDX-License-Identifier: MIT OR Apache-2.0
//! A visitor that writes each call down in a short form.

use moonport_codec::Visitor;

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) text: String,
    /// Leaves by a panic when this string comes.
    pub(crate) panic_at: Option<&'static str>,
}

impl Log {
    fn add(&mut self, call: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(call);
    }

    fn begin(&mut self, bracket: char, hint: usize) {
        match hint {
            0 => self.add(&bracket.to_string()),
            _ => self.add(&format!("{bracket}{hint}")),
        }
    }
}

impl Visitor for Log {
    fn null(&mut self) {
        self.add("null");
    }
    fn boolean(&mut self, value: bool) {
        self.add(&format!("{value}"));
    }
    fn integer(&mut self, value: i64) {
        self.add(&format!("i{value}"));
    }
    fn unsigned(&mut self, value: u64) {
        self.add(&format!("u{value}"));
    }
    fn number(&mut self, value: f64) {
        self.add(&format!("f{value:?}"));
    }
    fn string(&mut self, value: &[u8]) {
        let value = str::from_utf8(value).unwrap_or_else(|error| unreachable!("no text: {error}"));
        assert!(self.panic_at != Some(value), "left");
        self.add(&format!("{value:?}"));
    }
    fn bytes(&mut self, value: &[u8]) {
        self.add(&format!("b\"{}\"", value.escape_ascii()));
    }
    fn array_begin(&mut self, hint: usize) {
        self.begin('[', hint);
    }
    fn array_item(&mut self, index: usize) {
        self.add(&format!("#{index}"));
    }
    fn array_end(&mut self, length: usize) {
        self.add(&format!("]{length}"));
    }
    fn object_begin(&mut self, hint: usize) {
        self.begin('{', hint);
    }
    fn object_key(&mut self) {
        self.text.push(':');
    }
    fn object_entry(&mut self) {
        self.add(";");
    }
    fn object_end(&mut self, length: usize) {
        self.add(&format!("}}{length}"));
    }
}
