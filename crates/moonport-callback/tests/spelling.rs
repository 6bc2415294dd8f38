// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every spelling of a number is what a C compiler takes it for: its size, whether it is signed, whether it has a fraction.
//! `MOONPORT_TEST_CC` names another compiler than cc.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use moonport_callback::declaration::{NoNames, Type, parse};
use moonport_callback::layout::Scalar;

/// The words of C's own integer types, which may stand in any order.
const WORDS: [&[&str]; 11] = [
    &["char"],
    &["signed", "char"],
    &["unsigned", "char"],
    &["short", "int"],
    &["unsigned", "short", "int"],
    &["signed", "int"],
    &["unsigned", "int"],
    &["long", "int"],
    &["unsigned", "long"],
    &["long", "long", "signed"],
    &["unsigned", "long", "long", "int"],
];

const NAMES: [&str; 34] = [
    "short",
    "unsigned",
    "signed",
    "long",
    "int",
    "float",
    "double",
    "_Bool",
    "bool",
    "int8_t",
    "uint8_t",
    "int16_t",
    "uint16_t",
    "int32_t",
    "uint32_t",
    "int64_t",
    "uint64_t",
    "intptr_t",
    "uintptr_t",
    "intmax_t",
    "uintmax_t",
    "size_t",
    "ssize_t",
    "ptrdiff_t",
    "wchar_t",
    "char16_t",
    "char32_t",
    "int_least8_t",
    "uint_least16_t",
    "int_least32_t",
    "uint_least64_t",
    "off_t",
    "time_t",
    "int_fast8_t",
];

/// All orders of some words, with `const` and `volatile` in some places.
fn orders(words: &[&str]) -> Vec<String> {
    let Some((first, rest)) = words.split_first() else { return vec![String::new()] };
    let mut all = Vec::new();
    for order in orders(rest) {
        let order: Vec<_> = order.split_whitespace().collect();
        for at in 0..=order.len() {
            let mut words = order.clone();
            words.insert(at, first);
            all.push(words.join(" "));
        }
    }
    all
}

fn spellings() -> Vec<String> {
    let mut all: Vec<_> = WORDS.iter().flat_map(|words| orders(words)).collect();
    all.extend(NAMES.map(str::to_owned));
    all.sort();
    all.dedup();
    let qualified = all.iter().flat_map(|spelling| [format!("const {spelling}"), format!("{spelling} volatile")]);
    let qualified: Vec<_> = qualified.collect();
    all.extend(qualified);
    all
}

/// What the parser takes it for.
fn scalar(spelling: &str) -> Scalar {
    let declaration = parse(&format!("void (*)({spelling} x)"), &mut NoNames).expect(spelling);
    match declaration.parameters.first().map(|parameter| &parameter.kind) {
        Some(Type::Scalar(scalar, _)) => *scalar,
        other => panic!("{spelling}: {other:?}"),
    }
}

#[test]
fn a_c_compiler_reads_every_spelling_in_the_same_way() {
    let mut source = String::from(
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <sys/types.h>\n#include <time.h>\n\
         #include <uchar.h>\n",
    );
    let spellings = spellings();
    assert!(spellings.len() > 150, "{}", spellings.len());
    for spelling in &spellings {
        let scalar = scalar(spelling);
        let is_signed = scalar.is_float() || matches!(scalar, Scalar::I8 | Scalar::I16 | Scalar::I32 | Scalar::I64);
        // Half is true as a boolean, and nothing as an integer.
        let has_half = scalar.is_float() || scalar == Scalar::Bool;
        writeln!(
            source,
            "_Static_assert(sizeof({spelling}) == {} && (({spelling})-1 < ({spelling})0) == {} && \
             (({spelling})0.5 != 0) == {}, \"{spelling}\");",
            scalar.size(),
            u8::from(is_signed),
            u8::from(has_half),
        )
        .expect("a string takes all");
    }
    if let Some(file) = std::env::var_os("MOONPORT_SPELLING_SOURCE") {
        return std::fs::write(file, source).expect("a file");
    }
    let compiler = std::env::var_os("MOONPORT_TEST_CC").unwrap_or_else(|| "cc".into());
    let mut compiler = Command::new(compiler)
        .args(["-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("cc");
    compiler.stdin.take().expect("a pipe").write_all(source.as_bytes()).expect("written");
    assert!(compiler.wait().expect("cc").success(), "see above");
}
