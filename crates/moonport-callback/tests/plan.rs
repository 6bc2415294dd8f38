// SPDX-License-Identifier: MIT OR Apache-2.0
//! Declarations in C, and what becomes of them: one row each.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use moonport_callback::declaration::{Definition, Named, Resolver, parse};
use moonport_callback::layout::Scalar;
use moonport_callback::plan::{Kind, Length, Outcome, Ownership, Plan, plan};

struct Program;

impl Resolver for Program {
    fn resolve(&mut self, name: &str) -> Option<Named> {
        match name {
            "DWORD" => Some(Named::Scalar(Scalar::U32)),
            "point" | "struct point" => Some(Named::Struct(Definition { size: 16, strings: vec![8] })),
            "handle_t" => Some(Named::Pointer),
            _ => None,
        }
    }
}

fn read(text: &str) -> Result<Plan, String> {
    parse(text, &mut Program).and_then(|declaration| plan(&declaration)).map_err(|error| error.to_string())
}

/// A plan in short: a letter and a size for each parameter, then the result.
fn short(plan: &Plan) -> String {
    let kind = |kind: &Kind, scalar: Scalar| match kind {
        Kind::Number => format!("{scalar:?}"),
        Kind::Text => "text".into(),
        Kind::Bytes { length: Length::Fixed(n), element } => format!("bytes {n}*{element}"),
        Kind::Bytes { length: Length::Parameter(at), element } => format!("bytes #{at}*{element}"),
        Kind::Struct { name, definition } => format!("{name} {}", definition.size),
        Kind::Opaque => "opaque".into(),
        Kind::Out(scalar) => format!("out {scalar:?}"),
        Kind::InOut(scalar) => format!("inout {scalar:?}"),
        Kind::OutBuffer { capacity } => format!("outbuf #{capacity}"),
        other => format!("{other:?}"),
    };
    let mut parts: Vec<_> = plan.parameters.iter().map(|parameter| kind(&parameter.kind, parameter.scalar)).collect();
    match plan.result {
        Outcome::Nothing => {}
        Outcome::Number(scalar) => parts.push(format!("-> {scalar:?}")),
        Outcome::Pointer => parts.push("-> pointer".into()),
        Outcome::Text(Ownership::Ring) => parts.push("-> text".into()),
        other => parts.push(format!("-> {other:?}")),
    }
    parts.join(", ")
}

/// Windows has a short one.
const ULONG: &str = if cfg!(windows) { "U32" } else { "U64" };

#[test]
fn accepted() {
    for (text, expected) in [
        ("void (*)(void)", ""),
        ("void (*)()", ""),
        ("void(void)", ""),
        ("void f(int);", "I32"),
        ("typedef void (*callback)(int code);", "I32"),
        ("void (*on_data)(const char *data, size_t size)", "bytes #1*1, U64"),
        ("void (*)(const char *, size_t)", "bytes #1*1, U64"),
        ("void (*)(const char *, unsigned long)", "text, ULONG"),
        ("void (*)(const char *text, int code)", "text, I32"),
        ("void (*)(char const *text)", "text"),
        ("void (*)(const char *const text)", "text"),
        ("void (*)(const char *data @nul, size_t size)", "text, U64"),
        ("void (*)(const void *p, int n)", "bytes #1*1, I32"),
        ("void (*)(const uint8_t *p, uint32_t data_len)", "bytes #1*1, U32"),
        ("void (*)(const unsigned char *p, int byteCount)", "bytes #1*1, I32"),
        ("void (*)(const unsigned char p[16])", "bytes 16*1"),
        ("void (*)(const float p[n], int n)", "bytes #1*4, I32"),
        ("void (*)(int n, const double p[n])", "I32, bytes #0*8"),
        ("void (*)(const short *p @len(k), int k)", "bytes #1*2, I32"),
        ("void (*)(const short *p /* @len(3) */)", "bytes 3*2"),
        ("int (*)(int code, void *user)", "I32, opaque, -> I32"),
        ("void (*)(void *ctx, int)", "opaque, I32"),
        ("void (*)(void *)", "opaque"),
        ("void (*)(void *x @opaque, int)", "opaque, I32"),
        ("void (*)(handle_t h @opaque, int)", "opaque, I32"),
        ("void (*)(struct unknown *p @opaque, int)", "opaque, I32"),
        ("void (*)(const struct point *p)", "struct point 16"),
        ("void (*)(const point *p)", "point 16"),
        ("void (*)(int (*compare)(const void *, const void *), int)", "opaque, I32"),
        ("void (*)(void f(int), int)", "opaque, I32"),
        ("void (*)(int *x @out)", "out I32"),
        ("void (*)(double *x @inout)", "inout F64"),
        ("int (*)(char *buffer @outbuf(size), size_t size)", "outbuf #1, U64, -> I32"),
        ("void (__stdcall *)(int)", "I32"),
        ("void (WINAPI *name)(DWORD code)", "U32"),
        ("void (__attribute__((stdcall)) *)(int)", "I32"),
        ("void (*)(enum color c)", "I32"),
        ("const char *(*)(int)", "I32, -> text"),
        ("char *(*)(int) @malloc", "I32, -> Text(Malloc)"),
        ("const char *(*)(int) /* @static */", "I32, -> Text(Static)"),
        ("void *(*)(size_t)", "U64, -> pointer"),
        ("_Bool (*)(bool)", "Bool, -> Bool"),
        ("void (*)(long int, long long int, int unsigned, unsigned long long int)", "LONG, I64, U32, U64"),
        ("void (*)(short unsigned int x, signed char, long unsigned)", "U16, I8, ULONG"),
        ("void (*)(int8_t, uint8_t, int16_t, uint16_t, int32_t, uint32_t)", "I8, U8, I16, U16, I32, U32"),
        ("void (*)(int64_t, uint64_t, ptrdiff_t, ssize_t, intptr_t, uintptr_t)", "I64, U64, I64, I64, I64, U64"),
        ("void (*)(unsigned, signed, long, short)", "U32, I32, LONG, I16"),
        ("void (*)(const int, volatile double, register float)", "I32, F64, F32"),
        ("  void /* nothing */ ( * ) ( int // the code\n ) ; ", "I32"),
        ("((((void (*)(int)))))", "!"),
        ("void (((*)))(int)", "I32"),
    ] {
        let expected = expected.replace("ULONG", ULONG).replace("LONG", &ULONG.replace('U', "I"));
        match read(text) {
            Ok(plan) => assert_eq!(short(&plan), expected, "{text}"),
            Err(error) => assert_eq!("!", expected, "{text}: {error}"),
        }
    }
}

#[test]
fn refused() {
    for (text, expected) in [
        ("", "column 1: expected a type"),
        ("void", "column 1: expected a pointer to a function, such as void (*)(int)"),
        ("int x", "column 1: expected a pointer to a function, such as void (*)(int)"),
        ("void **(int)", "column 1: a result of type void ** cannot cross"),
        ("void (*)(int", "column 13: expected ',' or ')'"),
        ("void (*(int)", "column 13: expected ')'"),
        ("void (*)(int) int", "column 15: expected the declaration to end here"),
        ("void (*)(int);;", "column 15: expected the declaration to end here"),
        ("void (*)(int, ...)", "column 15: a callback cannot have '...': its arguments cannot be known"),
        ("void (*)(va_list list)", "column 10: va_list cannot cross"),
        ("void (*)(int, long double x)", "column 15: long double cannot cross"),
        (
            "void (*)(struct point p)",
            "column 10: parameter 1 (p): struct point by value cannot cross; pass a const pointer to it",
        ),
        ("void (*)(int, void)", "column 15: parameter 2: void is no type for a parameter"),
        ("void (*)(foo x)", "column 10: unknown type foo"),
        ("void (*)(int a, int a)", "column 17: a second parameter is named a"),
        ("void (*)(unsigned signed x)", "column 10: both signed and unsigned"),
        ("void (*)(long long long x)", "column 10: no such length of a number"),
        ("void (*)(unsigned float x)", "column 10: float has no signed, unsigned, short or long form"),
        ("void (*)(int /* x)", "column 14: a comment that does not end"),
        ("void (*)(int é)", "column 14: a character that C declarations do not have"),
        ("void (*)(int + x)", "column 14: unexpected '+'"),
        ("void (*)(int *x)", "column 10: parameter 1 (x): is it read or written? write const, @out, @inout or @opaque"),
        ("void (*)(const int *x)", "column 10: parameter 1 (x): how long is it? write p[n], @len(n), or @opaque"),
        (
            "void (*)(void *x, int)",
            "column 10: parameter 1 (x): cannot be copied; write @opaque to get the pointer itself",
        ),
        ("void (*)(char **x)", "column 10: parameter 1 (x): cannot be copied; write @opaque to get the pointer itself"),
        (
            "void (*)(const struct foo *x)",
            "column 10: parameter 1 (x): the definition of struct foo is not known; declare it, or write @opaque",
        ),
        ("void (*)(handle_t h)", "column 10: parameter 1 (h): what it points to is not known; write @opaque"),
        ("void (*)(const float p[k], int n)", "column 10: parameter 1 (p): there is no parameter k"),
        ("void (*)(const float p[n], double n)", "column 10: parameter 1 (p): n is no integer"),
        ("void (*)(int x @out)", "column 16: parameter 1 (x): @out is for pointers to numbers that are not const"),
        ("void (*)(int x @what)", "column 16: parameter 1 (x): there is no note @what"),
        ("void (*)(int *x @out @inout)", "column 10: parameter 1 (x): @inout is one note too many"),
        ("void (*)(int x /* @out and more */)", "column 24: expected a note such as @out"),
        (
            "void (*)(char *p @outbuf)",
            "column 18: parameter 1 (p): @outbuf is for char * and void *, with the parameter of its size: @outbuf(size)",
        ),
        ("char *(*)(int)", "column 1: whose memory is a result of type char *? write const, @static or @malloc"),
        ("int (*)(int) @static", "column 14: @static is for results that are strings"),
        ("int (*(*)(int))(int)", "column 1: a result of type void * cannot cross"),
        ("int (*)(int)[3]", "column 1: a function can return neither arrays nor functions"),
    ] {
        assert_eq!(read(text).expect_err(text), expected, "{text}");
    }
    let deep = format!("void {}x{}", "(".repeat(40), ")".repeat(40));
    assert_eq!(read(&deep).expect_err("deep"), "column 22: nested too deep");
    assert!(read(&"x".repeat(5000)).expect_err("long").contains("longer than 4096 bytes"));
}

#[test]
fn the_text_reads_as_the_same_plan() {
    for text in [
        "void (*)(void)",
        "int (*)(const char *, unsigned long long int, float)",
        "const char *(*)(void *, const struct point *)",
        "void (*)(const int8_t *const)",
    ] {
        let declaration = parse(text, &mut Program).expect(text);
        if let Ok(plan) = plan(&declaration) {
            let again = read(&plan.text).expect("its own text");
            assert_eq!(again.text, plan.text);
            assert_eq!(again.parameters.len(), plan.parameters.len());
        }
    }
}
