// SPDX-License-Identifier: MIT OR Apache-2.0
//! From characters to tokens, each with its column.

use super::types::Note;
use super::{DeclarationError, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Number(usize),
    Symbol(char),
    Dots,
    Note(Note),
}

/// A token and where it begins.
pub(super) type Placed = (usize, Token);

const LONGEST: usize = 4096;

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// Column of `text[0]`.
    first: usize,
    tokens: Vec<Placed>,
}

/// All tokens of a declaration.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>> {
    if text.len() > LONGEST {
        return Err(DeclarationError::new(LONGEST + 1, format!("longer than {LONGEST} bytes")));
    }
    if let Some(at) = text.chars().position(|c| !c.is_ascii() || c == '\0') {
        return Err(DeclarationError::new(at + 1, "a character that C declarations do not have"));
    }
    lex(text.as_bytes(), 1)
}

fn lex(text: &[u8], first: usize) -> Result<Vec<Placed>> {
    let mut lexer = Lexer { text, at: 0, first, tokens: Vec::new() };
    while let Some(c) = lexer.peek(0) {
        lexer.token(c)?;
    }
    Ok(lexer.tokens)
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn column(&self) -> usize {
        self.first + self.at
    }

    fn token(&mut self, c: u8) -> Result<()> {
        let column = self.column();
        match (c, self.peek(1)) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => self.at += 1,
            (b'/', Some(b'*')) => self.comment()?,
            (b'/', Some(b'/')) => {
                self.while_true(|c| c != b'\n');
            }
            (b'@', _) => self.note()?,
            (b'.', Some(b'.')) if self.peek(2) == Some(b'.') => {
                self.at += 3;
                self.tokens.push((column, Token::Dots));
            }
            (b'0'..=b'9', _) => {
                let number = self.number()?;
                self.tokens.push((column, Token::Number(number)));
            }
            (b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => {
                let word = self.while_true(is_word);
                self.tokens.push((column, Token::Word(word)));
            }
            (b'*' | b'(' | b')' | b'[' | b']' | b',' | b';', _) => {
                self.at += 1;
                self.tokens.push((column, Token::Symbol(c.into())));
            }
            _ => return Err(DeclarationError::new(column, format!("unexpected {:?}", char::from(c)))),
        }
        Ok(())
    }

    fn while_true(&mut self, holds: impl Fn(u8) -> bool) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| holds(*c)) {
            word.push(c.into());
            self.at += 1;
        }
        word
    }

    fn number(&mut self) -> Result<usize> {
        let column = self.column();
        let text = self.while_true(is_word);
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => usize::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map_err(|_| DeclarationError::new(column, format!("expected a number, got {text:?}")))
    }

    /// A comment that begins with a note holds notes only; others are skipped.
    fn comment(&mut self) -> Result<()> {
        let column = self.column();
        self.at += 2;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(length) = rest.windows(2).position(|pair| pair == b"*/") else {
            return Err(DeclarationError::new(column, "a comment that does not end"));
        };
        let inside = rest.get(..length).unwrap_or_default();
        if inside.trim_ascii_start().starts_with(b"@") {
            let notes = lex(inside, column + 2)?;
            if let Some((column, _)) = notes.iter().find(|(_, token)| !matches!(token, Token::Note(_))) {
                return Err(DeclarationError::new(*column, "expected a note such as @out"));
            }
            self.tokens.extend(notes);
        }
        self.at += length + 2;
        Ok(())
    }

    fn note(&mut self) -> Result<()> {
        let column = self.column();
        self.at += 1;
        let name = self.while_true(is_word);
        let mut argument = None;
        if self.peek(0) == Some(b'(') {
            self.at += 1;
            argument = Some(self.while_true(|c| is_word(c) || c == b' ').trim().to_owned());
            if self.peek(0) != Some(b')') {
                return Err(DeclarationError::new(self.column(), format!("expected ')' after @{name}(")));
            }
            self.at += 1;
        }
        self.tokens.push((column, Token::Note(Note { name, argument, column })));
        Ok(())
    }
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}
