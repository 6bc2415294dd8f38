// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a declaration says.

use crate::layout::Scalar;

/// A C type, as far as callbacks care.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// `void`.
    Void,
    /// A number, and how it was written.
    Scalar(Scalar, String),
    /// A pointer.
    Pointer {
        /// To what.
        to: Box<Self>,
        /// Is that `const`?
        constant: bool,
    },
    /// A function, behind a pointer.
    Function,
    /// A struct or union, as it was written, and its definition, if that is known.
    Struct(String, Option<Definition>),
    /// The name of a pointer type of which nothing else is known.
    OpaquePointer(String),
}

impl Type {
    /// How messages call it.
    #[must_use]
    pub fn spelling(&self) -> String {
        match self {
            Self::Void => "void".into(),
            Self::Scalar(_, spelling) | Self::Struct(spelling, _) | Self::OpaquePointer(spelling) => spelling.clone(),
            // Whatever a pointer to a function points to, it travels like this one.
            Self::Pointer { to, .. } if **to == Self::Function => "void *".into(),
            Self::Pointer { to, constant } => {
                let target = to.spelling();
                match (constant, target.ends_with('*')) {
                    (false, false) => format!("{target} *"),
                    (false, true) => format!("{target}*"),
                    (true, false) => format!("const {target} *"),
                    (true, true) => format!("{target}const *"),
                }
            }
            Self::Function => "void (void)".into(),
        }
    }
}

/// A remark for Moonport, such as `@out` or `@len(size)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Without the `@`.
    pub name: String,
    /// What stands in parentheses behind it.
    pub argument: Option<String>,
    /// Where it stands.
    pub column: usize,
}

/// How many elements a parameter `p[n]` points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many.
    Fixed(usize),
    /// As many as the parameter of this name says.
    Named(String),
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its type; arrays and functions are pointers here, as in C.
    pub kind: Type,
    /// Written as `p[n]`.
    pub extent: Option<Extent>,
    /// Its notes.
    pub notes: Vec<Note>,
    /// Where it begins.
    pub column: usize,
}

/// A whole declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The name that was declared, if one was.
    pub name: Option<String>,
    /// What the function returns.
    pub result: Type,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Notes on the result.
    pub notes: Vec<Note>,
}

/// What is known of a struct or union.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// In bytes.
    pub size: usize,
    /// Offsets of its members of type `const char *`.
    pub strings: Vec<usize>,
}

/// What a name stands for that C itself does not define.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Named {
    /// A number or an enumeration.
    Scalar(Scalar),
    /// A struct or union.
    Struct(Definition),
    /// A struct or union whose definition is not known.
    Incomplete,
    /// A pointer to something.
    Pointer,
}

/// Knows the types that a program has defined.
pub trait Resolver {
    /// What `name` (a typedef's name, `struct x`, `union x` or `enum x`) stands for; `None`: nothing is known.
    fn resolve(&mut self, name: &str) -> Option<Named>;
}

/// Knows no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Resolver for NoNames {
    fn resolve(&mut self, _: &str) -> Option<Named> {
        None
    }
}
