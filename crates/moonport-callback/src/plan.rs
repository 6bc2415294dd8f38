// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a declaration to what is copied: which parameters are strings, how long they are, and what is written back.

use crate::declaration::{Declaration, DeclarationError, Definition, Extent, Note, Parameter as Declared, Type};
use crate::layout::Scalar;

/// What a call of one signature moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the declaration.
    pub parameters: Vec<Parameter>,
    /// What the function returns.
    pub result: Outcome,
    /// The pointer's type in C, as LuaJIT reads it.
    pub text: String,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// How messages call it: its number, and its name if it has one.
    pub label: String,
    /// How it travels.
    pub scalar: Scalar,
    /// What the handler sees of it.
    pub kind: Kind,
}

/// What a handler sees of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The number itself.
    Number,
    /// The bytes up to the NUL that it points to; NULL is nil.
    Text,
    /// As many elements as the length says, of so many bytes each; NULL without a length of 0 refuses the call.
    Bytes {
        /// How many.
        length: Length,
        /// Their size.
        element: usize,
    },
    /// A copy of the struct of this type that it points to, and of the strings that it points to; NULL is nil.
    Struct {
        /// As it was written.
        name: String,
        /// What it looks like.
        definition: Definition,
    },
    /// The pointer itself.
    Opaque,
    /// Where a result of the handler goes.
    Out(Scalar),
    /// The number it points to, and where a result of the handler goes.
    InOut(Scalar),
    /// Where a string of the handler's goes.
    OutBuffer {
        /// The number of the parameter with its size.
        capacity: usize,
    },
}

/// Where a length comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// The declaration.
    Fixed(usize),
    /// The parameter of this number, from 0.
    Parameter(usize),
}

/// What the native caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing.
    Nothing,
    /// A number.
    Number(Scalar),
    /// A pointer: light userdata, or NULL for nil.
    Pointer,
    /// A string with a NUL behind it, whose memory belongs to whom this says.
    Text(Ownership),
}

/// Whose memory a returned string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The calling thread's, until its eighth next call.
    Ring,
    /// Nobody's: it stays for the life of the process (`@static`).
    Static,
    /// The caller's, who frees it with free(3) (`@malloc`).
    Malloc,
}

impl Plan {
    /// Can it only be made if the native caller waits for the handler?
    #[must_use]
    pub fn needs_wait(&self) -> bool {
        self.result != Outcome::Nothing || self.parameters.iter().any(|parameter| parameter.kind.is_written())
    }
}

impl Kind {
    /// Does the handler give a result for it?
    #[must_use]
    pub fn is_written(&self) -> bool {
        matches!(self, Self::Out(_) | Self::InOut(_) | Self::OutBuffer { .. })
    }
}

type Result<T> = std::result::Result<T, DeclarationError>;

/// Says what is done with each parameter.
///
/// # Errors
/// A parameter cannot cross, or a note does not fit; it names the parameter and its column.
pub fn plan(declaration: &Declaration) -> Result<Plan> {
    let parameters = (0..declaration.parameters.len()).map(|at| Planner { declaration, at }.parameter());
    let parameters = parameters.collect::<Result<Vec<_>>>()?;
    let result = outcome(declaration)?;
    let types: Vec<_> = declaration.parameters.iter().map(|parameter| parameter.kind.spelling()).collect();
    let types = if types.is_empty() { "void".to_owned() } else { types.join(", ") };
    Ok(Plan { parameters, result, text: format!("{} (*)({types})", declaration.result.spelling()) })
}

const LENGTHS: [&str; 6] = ["len", "length", "size", "n", "count", "nbytes"];
const USERS: [&str; 9] = ["user", "userdata", "user_data", "ud", "ctx", "context", "data", "opaque", "arg"];

/// Plans one parameter, with the others in sight.
struct Planner<'a> {
    declaration: &'a Declaration,
    at: usize,
}

impl<'a> Planner<'a> {
    fn parameters(&self) -> &'a [Declared] {
        &self.declaration.parameters
    }

    fn label(&self, declared: &Declared) -> String {
        let name = declared.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        format!("parameter {}{name}", self.at + 1)
    }

    fn refuse<T>(&self, declared: &Declared, message: &str) -> Result<T> {
        let message = format!("{}: {message}", self.label(declared));
        Err(DeclarationError { message, column: declared.column })
    }

    fn parameter(&self) -> Result<Parameter> {
        let Some(declared) = self.parameters().get(self.at) else {
            return Err(DeclarationError { message: "no such parameter".into(), column: 1 });
        };
        let scalar = match &declared.kind {
            Type::Scalar(scalar, _) => *scalar,
            _ => Scalar::U64,
        };
        let kind = match declared.notes.as_slice() {
            [] => self.unremarked(declared)?,
            [note] => self.remarked(declared, note)?,
            [_, second, ..] => return self.refuse(declared, &format!("@{} is one note too many", second.name)),
        };
        Ok(Parameter { label: self.label(declared), scalar, kind })
    }

    fn unremarked(&self, declared: &Declared) -> Result<Kind> {
        let (to, constant) = match &declared.kind {
            Type::Scalar(..) => return Ok(Kind::Number),
            Type::Pointer { to, constant } => (&**to, *constant),
            Type::OpaquePointer(_) => return self.refuse(declared, "what it points to is not known; write @opaque"),
            _ => return self.refuse(declared, "cannot cross"),
        };
        if constant && let Some(element) = element_of(to) {
            if let Some(length) = self.length(declared, matches!(to, Type::Void) || element == 1)? {
                return Ok(Kind::Bytes { length, element });
            }
            return match to {
                Type::Scalar(Scalar::I8 | Scalar::U8, spelling) if spelling == "char" => Ok(Kind::Text),
                Type::Void if self.is_user(declared) => Ok(Kind::Opaque),
                _ => self.refuse(declared, "how long is it? write p[n], @len(n), or @opaque"),
            };
        }
        match to {
            Type::Function => Ok(Kind::Opaque),
            Type::Void if self.is_user(declared) => Ok(Kind::Opaque),
            Type::Struct(name, Some(definition)) if constant => {
                Ok(Kind::Struct { name: name.clone(), definition: definition.clone() })
            }
            Type::Struct(name, None) if constant => {
                self.refuse(declared, &format!("the definition of {name} is not known; declare it, or write @opaque"))
            }
            Type::Scalar(..) => self.refuse(declared, "is it read or written? write const, @out, @inout or @opaque"),
            _ => self.refuse(declared, "cannot be copied; write @opaque to get the pointer itself"),
        }
    }

    fn is_user(&self, declared: &Declared) -> bool {
        let is_last = self.at + 1 == self.parameters().len();
        is_last || declared.name.as_deref().is_some_and(|name| USERS.contains(&name.to_ascii_lowercase().as_str()))
    }

    /// The length of `p[n]`, or of bytes followed by a parameter that looks like one.
    fn length(&self, declared: &Declared, is_bytes: bool) -> Result<Option<Length>> {
        match &declared.extent {
            Some(Extent::Fixed(count)) => return Ok(Some(Length::Fixed(*count))),
            Some(Extent::Named(name)) => return self.named(declared, name).map(|at| Some(Length::Parameter(at))),
            None => {}
        }
        let next = self.parameters().get(self.at + 1).filter(|next| is_bytes && is_integer(&next.kind));
        let is_length = next.is_some_and(|next| match (&next.name, &next.kind) {
            (Some(name), _) => is_length_name(name),
            (None, Type::Scalar(_, spelling)) => spelling == "size_t",
            _ => false,
        });
        Ok(is_length.then_some(Length::Parameter(self.at + 1)))
    }

    /// The number of the integer parameter with this name.
    fn named(&self, declared: &Declared, name: &str) -> Result<usize> {
        let found = self.parameters().iter().position(|other| other.name.as_deref() == Some(name));
        match found.and_then(|at| self.parameters().get(at).map(|other| (at, other))) {
            Some((at, other)) if is_integer(&other.kind) => Ok(at),
            Some(_) => self.refuse(declared, &format!("{name} is no integer")),
            None => self.refuse(declared, &format!("there is no parameter {name}")),
        }
    }

    fn remarked(&self, declared: &Declared, note: &Note) -> Result<Kind> {
        let misplaced = |what: &str| -> Result<Kind> {
            let message = format!("{}: @{} is for {what}", self.label(declared), note.name);
            Err(DeclarationError { message, column: note.column })
        };
        let target = match &declared.kind {
            Type::Pointer { to, constant } => Some((&**to, *constant)),
            _ => None,
        };
        match (note.name.as_str(), note.argument.as_deref(), target) {
            ("opaque", None, _) if target.is_some() || matches!(declared.kind, Type::OpaquePointer(_)) => {
                Ok(Kind::Opaque)
            }
            ("opaque", ..) => misplaced("pointers"),
            ("out", None, Some((Type::Scalar(scalar, _), false))) => Ok(Kind::Out(*scalar)),
            ("inout", None, Some((Type::Scalar(scalar, _), false))) => Ok(Kind::InOut(*scalar)),
            ("out" | "inout", ..) => misplaced("pointers to numbers that are not const"),
            ("outbuf", Some(name), Some((to, false))) if element_of(to) == Some(1) => {
                Ok(Kind::OutBuffer { capacity: self.named(declared, name)? })
            }
            ("outbuf", ..) => misplaced("char * and void *, with the parameter of its size: @outbuf(size)"),
            ("len", Some(length), Some((to, true))) => match element_of(to) {
                Some(element) => {
                    let fixed = length.parse().map(Length::Fixed);
                    let length = fixed.or_else(|_| self.named(declared, length).map(Length::Parameter))?;
                    Ok(Kind::Bytes { length, element })
                }
                None => misplaced("const pointers to bytes or numbers"),
            },
            ("len", ..) => misplaced("const pointers, with a number or a parameter: @len(size)"),
            ("nul", None, Some((to, true))) if element_of(to) == Some(1) => Ok(Kind::Text),
            ("nul", ..) => misplaced("const char *"),
            ("static" | "malloc", ..) => misplaced("results"),
            (name, ..) => {
                let message = format!("{}: there is no note @{name}", self.label(declared));
                Err(DeclarationError { message, column: note.column })
            }
        }
    }
}

/// The size of what a pointer to bytes or numbers points to.
fn element_of(to: &Type) -> Option<usize> {
    match to {
        Type::Void => Some(1),
        Type::Scalar(scalar, _) => Some(scalar.size()),
        _ => None,
    }
}

fn is_integer(kind: &Type) -> bool {
    matches!(kind, Type::Scalar(scalar, _) if !scalar.is_float() && *scalar != Scalar::Bool)
}

/// `size`, and also `data_size` or `dataSize`.
fn is_length_name(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or(name);
    let is_length = |word: &str| LENGTHS.contains(&word.to_ascii_lowercase().as_str());
    is_length(last)
        || ["Len", "Length", "Size", "Count"]
            .iter()
            .any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| !rest.is_empty()))
}

fn outcome(declaration: &Declaration) -> Result<Outcome> {
    let refuse = |message: String, column: usize| Err(DeclarationError { message, column });
    let ownership = match declaration.notes.as_slice() {
        [] => None,
        [note] if note.argument.is_none() && note.name == "static" => Some(Ownership::Static),
        [note] if note.argument.is_none() && note.name == "malloc" => Some(Ownership::Malloc),
        [note, ..] => return refuse(format!("@{} is no note for a result", note.name), note.column),
    };
    let is_char = |to: &Type| matches!(to, Type::Scalar(_, spelling) if spelling == "char");
    let outcome = match &declaration.result {
        Type::Pointer { to, .. } if is_char(to) => return text(declaration, ownership),
        Type::Void => Outcome::Nothing,
        Type::Scalar(scalar, _) => Outcome::Number(*scalar),
        Type::Pointer { to, .. } if **to == Type::Void => Outcome::Pointer,
        other => return refuse(format!("a result of type {} cannot cross", other.spelling()), 1),
    };
    match declaration.notes.first() {
        Some(note) => refuse(format!("@{} is for results that are strings", note.name), note.column),
        None => Ok(outcome),
    }
}

fn text(declaration: &Declaration, ownership: Option<Ownership>) -> Result<Outcome> {
    let constant = matches!(declaration.result, Type::Pointer { constant: true, .. });
    match ownership {
        Some(ownership) => Ok(Outcome::Text(ownership)),
        None if constant => Ok(Outcome::Text(Ownership::Ring)),
        None => Err(DeclarationError {
            message: "whose memory is a result of type char *? write const, @static or @malloc".into(),
            column: 1,
        }),
    }
}
