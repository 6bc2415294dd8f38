// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text as a declaration: it is refused at a column that exists, or its plan's own text is read again in the same way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moonport_callback::declaration::{Definition, Named, Resolver, parse};
use moonport_callback::layout::{Convention, Scalar};
use moonport_callback::plan::{Plan, plan};

struct Names;

impl Resolver for Names {
    fn resolve(&mut self, name: &str) -> Option<Named> {
        match name {
            "a" => Some(Named::Scalar(Scalar::U16)),
            "b" | "struct b" => Some(Named::Struct(Definition { size: 24, strings: vec![8, 16] })),
            "c" => Some(Named::Pointer),
            "d" => Some(Named::Incomplete),
            _ => None,
        }
    }
}

fn read(text: &str) -> Option<Plan> {
    match parse(text, &mut Names).and_then(|declaration| plan(&declaration)) {
        Ok(plan) => Some(plan),
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
            assert!(!error.message.is_empty());
            None
        }
    }
}

fuzz_target!(|text: &str| {
    let Some(plan) = read(text) else { return };
    let scalars: Vec<_> = plan.parameters.iter().map(|parameter| parameter.scalar).collect();
    assert_eq!(Convention::NATIVE.places(&scalars).len(), scalars.len());
    // Without names and notes parameters may be refused; the types stay the same.
    if let Ok(again) = parse(&plan.text, &mut Names) {
        assert_eq!(again.parameters.len(), plan.parameters.len());
    } else {
        panic!("its own text is refused: {}", plan.text);
    }
});
