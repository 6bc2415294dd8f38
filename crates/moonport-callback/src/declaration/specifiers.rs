// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words of a type, in any order: `long unsigned int`, `size_t`, `struct point`.

use super::types::{Named, Resolver, Type};
use super::{DeclarationError, Result};
use crate::layout::Scalar;

/// Names that C's own headers define. LuaJIT knows those of the first group by themselves.
const KNOWN: [(&str, Scalar); 13] = [
    ("int8_t", Scalar::I8),
    ("uint8_t", Scalar::U8),
    ("int16_t", Scalar::I16),
    ("uint16_t", Scalar::U16),
    ("int32_t", Scalar::I32),
    ("uint32_t", Scalar::U32),
    ("int64_t", Scalar::I64),
    ("uint64_t", Scalar::U64),
    ("size_t", WORD),
    ("ssize_t", SIGNED_WORD),
    ("ptrdiff_t", SIGNED_WORD),
    ("intptr_t", SIGNED_WORD),
    ("uintptr_t", WORD),
];
const OTHERS: [(&str, Scalar); 17] = [
    ("int_least8_t", Scalar::I8),
    ("uint_least8_t", Scalar::U8),
    ("int_least16_t", Scalar::I16),
    ("uint_least16_t", Scalar::U16),
    ("int_least32_t", Scalar::I32),
    ("uint_least32_t", Scalar::U32),
    ("int_least64_t", Scalar::I64),
    ("uint_least64_t", Scalar::U64),
    ("int_fast8_t", Scalar::I8),
    ("uint_fast8_t", Scalar::U8),
    ("intmax_t", Scalar::I64),
    ("uintmax_t", Scalar::U64),
    ("char16_t", Scalar::U16),
    ("char32_t", Scalar::U32),
    ("off_t", LONG),
    ("time_t", SIGNED_WORD),
    ("wchar_t", WIDE),
];
const WORD: Scalar = if size_of::<usize>() == 8 { Scalar::U64 } else { Scalar::U32 };
const SIGNED_WORD: Scalar = if size_of::<usize>() == 8 { Scalar::I64 } else { Scalar::I32 };
const LONG_IS_64: bool = size_of::<core::ffi::c_long>() == 8;
const LONG: Scalar = if LONG_IS_64 { Scalar::I64 } else { Scalar::I32 };
const WIDE: Scalar = if cfg!(windows) {
    Scalar::U16
} else if cfg!(all(target_arch = "aarch64", not(target_vendor = "apple"))) {
    Scalar::U32
} else {
    Scalar::I32
};
const CHAR_IS_SIGNED: bool = core::ffi::c_char::MIN != 0;

#[derive(Debug, Default)]
pub(super) struct Specifiers {
    signed: bool,
    unsigned: bool,
    short: bool,
    long: u32,
    /// `void`, `char`, `int`, a name, or `struct x`.
    base: Option<String>,
}

impl Specifiers {
    pub(super) fn is_empty(&self) -> bool {
        self.base.is_none() && !self.is_number()
    }

    fn is_number(&self) -> bool {
        self.signed || self.unsigned || self.short || self.long > 0
    }

    /// Is this word part of C's own types?
    pub(super) fn knows(word: &str) -> bool {
        matches!(word, "signed" | "unsigned" | "short" | "long" | "const" | "struct" | "union" | "enum" | "__signed__")
            || is_keyword(word)
            || standard(word).is_some()
    }

    /// Takes the next word if it can belong to the type; what cannot is the name that is declared.
    pub(super) fn accept(&mut self, word: &str) -> bool {
        match word {
            "signed" | "__signed__" | "__signed" => self.signed = true,
            "unsigned" => self.unsigned = true,
            "short" => self.short = true,
            "long" => self.long += 1,
            _ if self.base.is_none() && (is_keyword(word) || !self.is_number()) => self.base = Some(word.to_owned()),
            _ => return false,
        }
        true
    }

    pub(super) fn set_tagged(&mut self, keyword: &str, tag: &str) {
        self.base = Some(format!("{keyword} {tag}"));
    }

    pub(super) fn into_type(self, column: usize, resolver: &mut dyn Resolver) -> Result<Type> {
        let refuse = |message: String| Err(DeclarationError::new(column, message));
        let Some(base) = self.base.as_deref().or(self.is_number().then_some("int")) else {
            return refuse("expected a type".into());
        };
        let number = |scalar: Scalar| Ok(Type::Scalar(scalar, self.spelling(base)));
        match base {
            _ if self.signed && self.unsigned => refuse("both signed and unsigned".into()),
            _ if self.short && self.long > 0 || self.long > 2 => refuse("no such length of a number".into()),
            "int" => number(self.integer()),
            "char" if !self.short && self.long == 0 => {
                let unsigned = self.unsigned || !self.signed && !CHAR_IS_SIGNED;
                number(if unsigned { Scalar::U8 } else { Scalar::I8 })
            }
            "double" if self.long > 0 => refuse("long double cannot cross".into()),
            _ if self.is_number() => refuse(format!("{base} has no signed, unsigned, short or long form")),
            "void" => Ok(Type::Void),
            "_Bool" | "bool" => number(Scalar::Bool),
            "float" => number(Scalar::F32),
            "double" => number(Scalar::F64),
            "va_list" | "__builtin_va_list" => refuse("va_list cannot cross".into()),
            "_Complex" | "__int128" | "_Float128" | "__float128" => refuse(format!("{base} cannot cross")),
            name => match standard(name) {
                Some(scalar) => number(scalar),
                None => named(name, column, resolver),
            },
        }
    }

    fn integer(&self) -> Scalar {
        let wide = self.long == 2 || self.long == 1 && LONG_IS_64;
        match (self.short, wide, self.unsigned) {
            (true, _, false) => Scalar::I16,
            (true, _, true) => Scalar::U16,
            (_, true, false) => Scalar::I64,
            (_, true, true) => Scalar::U64,
            (_, _, false) => Scalar::I32,
            (_, _, true) => Scalar::U32,
        }
    }

    /// As it can be given to LuaJIT.
    fn spelling(&self, base: &str) -> String {
        if let Some((_, scalar)) = OTHERS.iter().find(|(name, _)| *name == base) {
            let same = KNOWN.iter().find(|(_, known)| known == scalar);
            return same.map_or(base, |(name, _)| name).to_owned();
        }
        let mut words = Vec::new();
        words.extend(self.signed.then_some("signed"));
        words.extend(self.unsigned.then_some("unsigned"));
        words.extend(self.short.then_some("short"));
        words.extend(std::iter::repeat_n("long", self.long as usize));
        words.push(base);
        words.join(" ")
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "void" | "_Bool" | "bool" | "char" | "int" | "float" | "double" | "_Complex" | "__int128")
}

fn standard(name: &str) -> Option<Scalar> {
    KNOWN.iter().chain(&OTHERS).find(|(known, _)| *known == name).map(|(_, scalar)| *scalar)
}

fn named(name: &str, column: usize, resolver: &mut dyn Resolver) -> Result<Type> {
    match resolver.resolve(name) {
        Some(Named::Scalar(scalar)) => Ok(Type::Scalar(scalar, name.into())),
        Some(Named::Struct(definition)) => Ok(Type::Struct(name.into(), Some(definition))),
        Some(Named::Pointer) => Ok(Type::OpaquePointer(name.into())),
        Some(Named::Incomplete) => Ok(Type::Struct(name.into(), None)),
        // C's enumerations are as wide as int where they are not told otherwise; behind a pointer a tag needs no definition.
        None if name.starts_with("enum ") => Ok(Type::Scalar(Scalar::I32, name.into())),
        None if name.contains(' ') => Ok(Type::Struct(name.into(), None)),
        None => Err(DeclarationError::new(column, format!("unknown type {name}"))),
    }
}
