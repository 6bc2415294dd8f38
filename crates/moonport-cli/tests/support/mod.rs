// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tests of the benchmarks' pages and plots share.

/// The values of an attribute, in order.
fn attributes<'text>(text: &'text str, name: &str) -> Vec<&'text str> {
    let start = format!(" {name}=\"");
    text.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn number(text: &str) -> f64 {
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    assert!(value.is_finite(), "{text:?} is no number");
    value
}

/// Everything that a picture places lies inside of it, and it says what it shows.
pub(crate) fn check_picture(picture: &str) {
    let sizes = attributes(picture, "viewBox");
    let size: Vec<f64> = sizes.first().expect("a size").split(' ').map(number).collect();
    assert_eq!(size.len(), 4, "{sizes:?}");
    let (width, height) = (size[2], size[3]);
    for (names, most) in [(["x", "x1", "x2", "cx"], width), (["y", "y1", "y2", "cy"], height)] {
        for name in names {
            for value in attributes(picture, name).into_iter().map(number) {
                assert!((0.0..=most).contains(&value), "{name}={value} of {most}: {picture}");
            }
        }
    }
    for value in attributes(picture, "points").into_iter().flat_map(|points| points.split([' ', ','])) {
        assert!(number(value) <= width, "{picture}");
    }
    // The back is the first rectangle.
    let drawn =
        picture.matches("<rect").count() + picture.matches("<circle").count() + picture.matches("<polyline").count();
    assert!(drawn > 1 && picture.contains("<title>") && picture.matches("<text").count() > 3, "{picture}");
}

/// The page has these sections in this order, each with charts, and no number in it is broken.
pub(crate) fn check_page(page: &str, names: &[&str]) {
    assert!(!page.contains("{{"));
    let sections: Vec<&str> = page.split("<section id=\"").skip(1).collect();
    let found: Vec<&str> = sections.iter().filter_map(|section| section.split('"').next()).collect();
    assert_eq!(found, names);
    for section in sections {
        let pictures: Vec<&str> =
            section.split("<svg ").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect();
        assert!(!pictures.is_empty() && pictures.len().is_multiple_of(2), "each chart in two widths: {section}");
        for picture in pictures {
            check_picture(&format!(" {picture}"));
        }
        let mut words = section.split(|letter: char| !letter.is_ascii_alphanumeric());
        assert!(words.all(|word| !["nan", "inf", "nil"].contains(&word)), "{section}");
    }
}
