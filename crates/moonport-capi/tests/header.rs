// SPDX-License-Identifier: MIT OR Apache-2.0
//! include/moonport.h is what cbindgen makes of this crate. MOONPORT_BLESS=1 writes it anew.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

#[test]
fn the_header_is_generated_from_this_crate() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).expect("cbindgen.toml is read");
    let bindings = cbindgen::Builder::new().with_crate(here).with_config(config).generate().expect("bindings");
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = String::from_utf8(header).expect("UTF-8");
    let header = tidy(&header);
    let file = here.join("../../include/moonport.h");
    if std::env::var_os("MOONPORT_BLESS").is_some() {
        std::fs::write(&file, &header).expect("written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == header, "include/moonport.h is out of date: run this test with MOONPORT_BLESS=1");
}

/// cbindgen's text as a C programmer would write it: no "struct" where there is a type's name, comments of one line on one
/// line, and without the paragraphs on safety, which are for Rust.
fn tidy(header: &str) -> String {
    let mut out = String::new();
    let mut lines = header.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "/*" {
            push_comment(&mut out, line.trim_end_matches("/*"), &mut lines);
            continue;
        }
        if line.starts_with("}  //") {
            out += "}\n";
            continue;
        }
        let is_definition = line.starts_with("typedef struct");
        out += &if is_definition { line.to_owned() } else { line.replace("struct moonport_", "moonport_") };
        out.push('\n');
    }
    out
}

fn push_comment<'a>(out: &mut String, indent: &str, lines: &mut impl Iterator<Item = &'a str>) {
    let text: Vec<_> = lines.map(str::trim).take_while(|line| *line != "*/").collect();
    let text = text.split(|line| *line == "# Safety").next().unwrap_or_default();
    let end = text.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    *out += indent;
    *out += "/* ";
    for (at, line) in text.iter().take(end).enumerate() {
        match (at, line.is_empty()) {
            (0, _) => *out += line,
            (_, true) => *out += &format!("\n{indent} *"),
            (_, false) => *out += &format!("\n{indent} * {line}"),
        }
    }
    *out += " */\n";
}
