// SPDX-License-Identifier: MIT OR Apache-2.0
//! The grammar: specifiers and declarators, inside out as C has them (C11 6.7.6).

use super::specifiers::Specifiers;
use super::token::{Placed, Token, tokens};
use super::types::{Declaration, Extent, Note, Parameter, Resolver, Type};
use super::{DeclarationError, Result};

const DEEPEST: usize = 16;
const QUALIFIERS: [&str; 11] = [
    "volatile",
    "restrict",
    "__restrict",
    "__restrict__",
    "register",
    "extern",
    "static",
    "inline",
    "typedef",
    "__const",
    "_Noreturn",
];
const CONVENTIONS: [&str; 9] =
    ["__stdcall", "__cdecl", "__fastcall", "__vectorcall", "WINAPI", "CALLBACK", "APIENTRY", "_stdcall", "_cdecl"];

/// Reads the declaration of a function pointer, or of a function. `resolver` says what names stand for.
///
/// # Errors
/// [`DeclarationError`] says what is wrong at which column.
pub fn parse(text: &str, resolver: &mut dyn Resolver) -> Result<Declaration> {
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens: tokens(text)?, at: 0, end, depth: 0, resolver };
    let whole = parser.parameter()?;
    parser.eat(';');
    if let Some(column) = parser.has_more() {
        return Err(DeclarationError::new(column, "expected the declaration to end here"));
    }
    let Declared { name, kind, notes, column, .. } = whole;
    let (result, parameters) = match kind {
        Shape::Function { result, parameters } => (*result, parameters),
        Shape::Pointer { to, .. } => match *to {
            Shape::Function { result, parameters } => (*result, parameters),
            _ => return Err(DeclarationError::new(column, "expected a pointer to a function, such as void (*)(int)")),
        },
        _ => return Err(DeclarationError::new(column, "expected a pointer to a function, such as void (*)(int)")),
    };
    let result = match result {
        Shape::Array { .. } | Shape::Function { .. } => {
            return Err(DeclarationError::new(column, "a function can return neither arrays nor functions"));
        }
        shape => shape.into_type(),
    };
    Ok(Declaration { name, result, parameters, notes })
}

/// A type while it is read.
#[derive(Clone, Debug)]
enum Shape {
    Base(Type),
    Pointer { to: Box<Self>, constant: bool },
    Array { of: Box<Self>, constant: bool, extent: Option<Extent> },
    Function { result: Box<Self>, parameters: Vec<Parameter> },
}

impl Shape {
    fn into_type(self) -> Type {
        match self {
            Self::Base(kind) => kind,
            Self::Pointer { to, constant } | Self::Array { of: to, constant, .. } => {
                Type::Pointer { to: Box::new(to.into_type()), constant }
            }
            Self::Function { .. } => Type::Function,
        }
    }
}

/// What stands around a name, from the name outwards.
enum Derived {
    Pointer { constant: bool },
    Array(Option<Extent>),
    Function(Vec<Parameter>),
}

struct Declared {
    name: Option<String>,
    kind: Shape,
    notes: Vec<Note>,
    column: usize,
}

struct Parser<'a> {
    tokens: Vec<Placed>,
    at: usize,
    end: usize,
    depth: usize,
    resolver: &'a mut dyn Resolver,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|placed| &placed.1)
    }

    fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn column(&self) -> usize {
        self.has_more().unwrap_or(self.end)
    }

    fn has_more(&self) -> Option<usize> {
        self.tokens.get(self.at).map(|placed| placed.0)
    }

    fn is_symbol(&self, ahead: usize, symbol: char) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|placed| placed.1 == Token::Symbol(symbol))
    }

    fn eat(&mut self, symbol: char) -> bool {
        let found = self.is_symbol(0, symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.eat(symbol) { Ok(()) } else { Err(self.error(format!("expected {symbol:?}"))) }
    }

    fn error(&self, message: impl Into<String>) -> DeclarationError {
        DeclarationError::new(self.column(), message)
    }

    /// One declaration: specifiers, a declarator that may have no name, and notes anywhere between.
    fn parameter(&mut self) -> Result<Declared> {
        let column = self.column();
        let mut notes = self.notes();
        let (base, mut constant) = self.specifiers(&mut notes)?;
        let (mut derived, mut name) = (Vec::new(), None);
        self.declarator(&mut derived, &mut name, &mut notes)?;
        notes.extend(self.notes());
        let mut kind = Shape::Base(base);
        for step in derived.into_iter().rev() {
            kind = match step {
                Derived::Pointer { constant: itself } => {
                    Shape::Pointer { to: Box::new(kind), constant: std::mem::replace(&mut constant, itself) }
                }
                Derived::Array(extent) => Shape::Array { of: Box::new(kind), constant, extent },
                Derived::Function(parameters) => Shape::Function { result: Box::new(kind), parameters },
            };
        }
        Ok(Declared { name, kind, notes, column })
    }

    fn notes(&mut self) -> Vec<Note> {
        let mut notes = Vec::new();
        while let Some(Token::Note(note)) = self.peek() {
            notes.push(note.clone());
            self.at += 1;
        }
        notes
    }

    /// The type's own words, in any order, and whether `const` is among them.
    fn specifiers(&mut self, notes: &mut Vec<Note>) -> Result<(Type, bool)> {
        let column = self.column();
        let mut constant = false;
        let mut words = Specifiers::default();
        loop {
            notes.extend(self.notes());
            let Some(word) = self.peek_word().map(str::to_owned) else { break };
            if word == "const" {
                constant = true;
            } else if matches!(word.as_str(), "struct" | "union" | "enum") && words.is_empty() {
                self.at += 1;
                let tag = self.peek_word().map(str::to_owned).ok_or_else(|| self.error(format!("{word} what?")))?;
                words.set_tagged(&word, &tag);
            } else if self.convention()? {
                continue;
            } else if !QUALIFIERS.contains(&word.as_str()) && !words.accept(&word) {
                break;
            }
            self.at += 1;
        }
        Ok((words.into_type(column, self.resolver)?, constant))
    }

    /// Skips a calling convention. On every machine with stubs there is only one for such functions.
    fn convention(&mut self) -> Result<bool> {
        match self.peek_word() {
            Some(word) if CONVENTIONS.contains(&word) => self.at += 1,
            Some("__attribute__") => {
                self.at += 1;
                let mut depth = 0_usize;
                loop {
                    match self.peek() {
                        Some(Token::Symbol('(')) => depth += 1,
                        Some(Token::Symbol(')')) => depth = depth.saturating_sub(1),
                        None => return Err(self.error("__attribute__ does not end")),
                        _ if depth == 0 => return Err(self.error("expected '('")),
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn declarator(
        &mut self,
        derived: &mut Vec<Derived>,
        name: &mut Option<String>,
        notes: &mut Vec<Note>,
    ) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("nested too deep"));
        }
        let mut pointers = self.pointers()?;
        if self.is_nested() {
            self.at += 1;
            self.declarator(derived, name, notes)?;
            self.expect(')')?;
        } else if let Some(word) = self.peek_word() {
            *name = Some(word.to_owned());
            self.at += 1;
        }
        self.suffixes(derived, notes)?;
        pointers.reverse();
        derived.extend(pointers);
        self.depth -= 1;
        Ok(())
    }

    fn pointers(&mut self) -> Result<Vec<Derived>> {
        let mut pointers = Vec::new();
        loop {
            if self.convention()? {
                continue;
            }
            if !self.eat('*') {
                return Ok(pointers);
            }
            let mut constant = false;
            while let Some(word) = self.peek_word() {
                if !matches!(word, "const" | "__const") && !QUALIFIERS.contains(&word) {
                    break;
                }
                constant |= word.ends_with("const");
                self.at += 1;
            }
            pointers.push(Derived::Pointer { constant });
        }
    }

    /// Does a declarator in parentheses begin here, and not a list of parameters?
    fn is_nested(&self) -> bool {
        if !self.is_symbol(0, '(') {
            return false;
        }
        match self.tokens.get(self.at + 1).map(|placed| &placed.1) {
            Some(Token::Symbol('*' | '(')) => true,
            Some(Token::Word(word)) if CONVENTIONS.contains(&word.as_str()) || word == "__attribute__" => true,
            Some(Token::Word(word)) => self.is_symbol(2, ')') && self.is_symbol(3, '(') && !Specifiers::knows(word),
            _ => false,
        }
    }

    fn suffixes(&mut self, derived: &mut Vec<Derived>, notes: &mut Vec<Note>) -> Result<()> {
        loop {
            if self.eat('(') {
                let parameters = self.parameters()?;
                derived.push(Derived::Function(parameters));
            } else if self.eat('[') {
                while self.peek_word().is_some_and(|word| word == "const" || QUALIFIERS.contains(&word)) {
                    self.at += 1;
                }
                let extent = match self.peek() {
                    Some(Token::Number(count)) => Some(Extent::Fixed(*count)),
                    Some(Token::Word(name)) => Some(Extent::Named(name.clone())),
                    _ => None,
                };
                self.at += usize::from(extent.is_some());
                self.expect(']')?;
                derived.push(Derived::Array(extent));
            } else {
                notes.extend(self.notes());
                return Ok(());
            }
        }
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>> {
        let mut parameters: Vec<Parameter> = Vec::new();
        if self.eat(')') {
            return Ok(parameters);
        }
        loop {
            if self.peek() == Some(&Token::Dots) {
                return Err(self.error("a callback cannot have '...': its arguments cannot be known"));
            }
            let number = parameters.len() + 1;
            let declared = self.parameter()?;
            let is_void = matches!(declared.kind, Shape::Base(Type::Void));
            if is_void && declared.name.is_none() && parameters.is_empty() && self.eat(')') {
                return Ok(parameters);
            }
            let parameter = adjust(declared);
            check(&parameter, number, is_void)?;
            if let Some(name) = parameter.name.as_deref()
                && parameters.iter().any(|other| other.name.as_deref() == Some(name))
            {
                return Err(DeclarationError::new(parameter.column, format!("a second parameter is named {name}")));
            }
            parameters.push(parameter);
            if self.eat(')') {
                return Ok(parameters);
            }
            if !self.eat(',') {
                return Err(self.error("expected ',' or ')'"));
            }
        }
    }
}

/// Arrays and functions are passed as pointers (C11 6.7.6.3).
fn adjust(declared: Declared) -> Parameter {
    let extent = match &declared.kind {
        Shape::Array { extent, .. } => extent.clone(),
        _ => None,
    };
    let kind = match declared.kind.into_type() {
        Type::Function => Type::Pointer { to: Box::new(Type::Function), constant: false },
        other => other,
    };
    Parameter { name: declared.name, kind, extent, notes: declared.notes, column: declared.column }
}

fn check(parameter: &Parameter, number: usize, is_void: bool) -> Result<()> {
    let refuse = |message: &str| {
        let name = parameter.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        Err(DeclarationError::new(parameter.column, format!("parameter {number}{name}: {message}")))
    };
    match &parameter.kind {
        Type::Void if is_void => refuse("void is no type for a parameter"),
        Type::Struct(spelling, _) => refuse(&format!("{spelling} by value cannot cross; pass a const pointer to it")),
        _ => Ok(()),
    }
}
