// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single forms, well and badly formed.

use super::*;

fn read(body: &str) -> Result<Vec<Part>, Fault> {
    parse(&Bytes::copy_from_slice(body.as_bytes()), b"b")
}

/// One part with these headers and the content `x`.
fn one(headers: &str) -> Result<Part, Fault> {
    read(&format!("--b\r\n{headers}\r\n\r\nx\r\n--b--\r\n")).map(|mut parts| {
        assert_eq!((parts.len(), &parts[0].body[..]), (1, &b"x"[..]));
        parts.remove(0)
    })
}

fn named(parameters: &str) -> Result<(String, Option<String>), &'static str> {
    one(&format!("Content-Disposition: form-data{parameters}"))
        .map(|part| (part.name, part.filename))
        .map_err(|fault| fault.what)
}

#[test]
fn parts_keep_their_bytes() {
    let body = Bytes::from_static(
        b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n\r\n--c\r\n--\r\n--b \t\r\n\
        content-type: image/png\r\nCONTENT-DISPOSITION: Form-Data;filename=\"\";name=f\r\n\r\n\0\r\n--b--",
    );
    let parts = parse(&body, b"b").unwrap();
    let field = Part {
        name: "a".to_owned(),
        filename: None,
        content_type: None,
        body: Bytes::from_static(b"\r\n\r\n--c\r\n--"),
    };
    let file = Part {
        name: "f".to_owned(),
        filename: Some(String::new()),
        content_type: Some("image/png".to_owned()),
        body: Bytes::from_static(b"\0"),
    };
    assert_eq!(parts, [field, file]);
    assert!(body.as_ptr_range().contains(&parts[0].body.as_ptr()), "copied");
}

#[test]
fn a_form_may_be_empty() {
    assert_eq!(read("--b--"), Ok(Vec::new()));
    assert_eq!(read("\r\n--b--\t\r\n"), Ok(Vec::new()));
}

#[test]
fn names_are_read_as_browsers_write_them() {
    let name = |text: &str| Ok((text.to_owned(), None));
    let file = |text: &str| Ok(("a".to_owned(), Some(text.to_owned())));
    assert_eq!(named("; name=a"), name("a"));
    assert_eq!(named(" ; NAME = \"a\""), Err("a header has a malformed parameter"));
    assert_eq!(named("; name=\"\""), name(""));
    assert_eq!(named("; name=\"a;b=\\\"c\\\"\";"), name("a;b=\"c\""));
    assert_eq!(named("; name=\"ä %22\""), name("ä %22"));
    assert_eq!(named(r#"; name=a; filename="C:\x\y.txt""#), file(r"C:\x\y.txt"));
    assert_eq!(named("; x=y; name=a; filename=b.txt"), file("b.txt"));
    assert_eq!(named(""), Err("a part has no name"));
    assert_eq!(named("; name=\"a"), Err("a header has a malformed parameter"));
    assert_eq!(named("; name=\"a\"b"), Err("a header has a malformed parameter"));
    assert_eq!(named("; =a"), Err("a header has a malformed parameter"));
    assert_eq!(named("; name=a; name=b"), Err("a header has a parameter twice"));
    let many = |count: u32| named(&(0..count).map(|at| format!("; x{at}=1")).collect::<String>());
    assert_eq!(many(16), Err("a part has no name"));
    assert_eq!(many(17), Err("a header has too many parameters"));
    assert_eq!(named("; name=a; filename*=UTF-8''b"), Err("a part has filename* instead of filename"));
    let broken = Bytes::from_static(b"--b\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--b--");
    assert_eq!(parse(&broken, b"b"), Err(Fault { offset: 5, what: "a header of a part is not UTF-8" }));
}

#[test]
fn headers_are_strict() {
    const GOOD: &str = "Content-Disposition: form-data; name=a";
    let what = |headers: &str| one(headers).map_err(|fault| fault.what).err();
    assert_eq!(what(&format!("X-Other: 1\r\n{GOOD}\r\nContent-Transfer-Encoding: Binary")), None);
    assert_eq!(what("Content-Type: text/plain"), Some("a part has no Content-Disposition"));
    assert_eq!(what("Content-Disposition: attachment; name=a"), Some("a part is not form-data"));
    assert_eq!(what(&format!("{GOOD}\r\n{GOOD}")), Some("a part has a header twice"));
    assert_eq!(what(&format!("{GOOD}\r\nContent-Type: a/b\r\ncontent-type: a/b")), Some("a part has a header twice"));
    assert_eq!(
        what(&format!("{GOOD}\r\nContent-Transfer-Encoding: base64")),
        Some("a part has a Content-Transfer-Encoding")
    );
    assert_eq!(what(&format!("{GOOD}\r\n folded")), Some("a header of a part has no colon"));
    assert_eq!(what(&format!("{GOOD}\r\n folded: x")), Some("a header of a part has a bad name"));
    assert_eq!(what(&format!("X : 1\r\n{GOOD}")), Some("a header of a part has a bad name"));
    for control in ['\n', '\r', '\0', '\x7f'] {
        assert_eq!(what(&format!("{GOOD}{control}X: 1")), Some("a header of a part has a control character"));
    }
}

#[test]
fn faults_have_their_offset() {
    const PART: &str = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
    let fault = |offset, what| Err(Fault { offset, what });
    let end = PART.len();
    for body in ["", "x", "--", "--c--", "x\r\n--b--", "\n--b--", "\r\n\r\n--b--"] {
        assert_eq!(read(body), fault(0, "expected the boundary"), "{body:?}");
    }
    assert_eq!(read("--b"), fault(3, "expected the end of the line of a boundary"));
    assert_eq!(read("--b-"), fault(3, "expected the end of the line of a boundary"));
    assert_eq!(read("--b \nx"), fault(4, "expected the end of the line of a boundary"));
    assert_eq!(read("--b--x"), fault(5, "something follows the last boundary"));
    assert_eq!(read("--b--\r\nx"), fault(5, "something follows the last boundary"));
    assert_eq!(read(PART), fault(end, "the last boundary is missing"));
    assert_eq!(read(&format!("{PART}--bc--")), fault(end + 3, "expected the end of the line of a boundary"));
    assert_eq!(read(&format!("{PART}--b\r\n")), fault(end + 5, "the headers of a part have no end, or are too long"));
    let bare = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--";
    assert_eq!(read(bare), fault(bare.len() - 5, "expected the content of a part"));
}

#[test]
fn parts_and_their_headers_are_counted() {
    let part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
    assert_eq!(read(&format!("{}--b--", part.repeat(MOST_PARTS))).map(|parts| parts.len()), Ok(MOST_PARTS));
    let fault = read(&format!("{}--b--", part.repeat(MOST_PARTS + 1))).unwrap_err();
    assert_eq!((fault.offset, fault.what), (part.len() * MOST_PARTS + 3, "too many parts"));

    let long = |length: usize| {
        let headers = "Content-Disposition: form-data; name=a\r\nX: ";
        one(&format!("{headers}{}", "x".repeat(length - 4 - headers.len()))).map_err(|fault| fault.what)
    };
    assert!(long(MOST_HEAD).is_ok());
    assert_eq!(long(MOST_HEAD + 1), Err("the headers of a part have no end, or are too long"));
}

#[test]
fn boundaries_are_checked() {
    let of = |text: &str| boundary(text.as_bytes()).map(|boundary| String::from_utf8(boundary).unwrap());
    assert_eq!(of("multipart/form-data; boundary=abc"), Ok("abc".to_owned()));
    assert_eq!(of("multipart/form-data;charset=x;Boundary=\"a b:c\""), Ok("a b:c".to_owned()));
    assert_eq!(of("multipart/form-data; boundary=----=_Part_1"), Ok("----=_Part_1".to_owned()));
    assert_eq!(of(&format!("x; boundary={}", "a".repeat(70))), Ok("a".repeat(70)));
    assert_eq!(of("multipart/form-data"), Err("the form has no boundary"));
    assert_eq!(of("multipart/form-data; boundary=a; boundary=b"), Err("a header has a parameter twice"));
    for bad in ["", "\"\"", "\"a \"", &"a".repeat(71)] {
        assert_eq!(of(&format!("x; boundary={bad}")), Err("the boundary of the form has a bad length"), "{bad}");
    }
    assert_eq!(of("x; boundary=a@b"), Err("the boundary of the form has a bad character"));
    assert_eq!(of("x; boundary=a b"), Err("a header has a malformed parameter"));
}
