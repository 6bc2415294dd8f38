// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as browsers frame them: 32 bits of length in the byte order of this machine, then JSON
//! (<https://developer.chrome.com/docs/extensions/develop/concepts/native-messaging>).

use std::io::{self, ErrorKind, Read, Write};

/// The longest message that browsers take.
pub(super) const TO_BROWSER: usize = 1 << 20;

/// The longest message that they send.
pub(super) const FROM_BROWSER: usize = 64 << 20;

/// The length of the next message; `None` when the input has ended.
pub(super) fn read_length(input: &mut impl Read) -> io::Result<Option<usize>> {
    let mut bytes = Vec::with_capacity(4);
    input.take(4).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes =
        <[u8; 4]>::try_from(bytes.as_slice()).map_err(|_| cut_off("the length of a message", 4, bytes.len()))?;
    let length = u32::from_ne_bytes(bytes) as usize;
    if length > FROM_BROWSER {
        let text = format!("expected a message of at most {FROM_BROWSER} bytes, got the length {length}");
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    Ok(Some(length))
}

/// The message itself. Memory is taken as it comes: a length alone is a promise.
pub(super) fn read_body(input: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(length.min(64 << 10));
    input.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(cut_off("a message", length, body.len()));
    }
    Ok(body)
}

fn cut_off(what: &str, wanted: usize, got: usize) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, format!("the input ended after {got} of the {wanted} bytes of {what}"))
}

/// Writes one message, whole.
pub(super) fn write(output: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| ErrorKind::InvalidInput)?;
    output.write_all(&length.to_ne_bytes())?;
    output.write_all(body)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut input: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match read_length(&mut input)? {
            Some(length) => read_body(&mut input, length).map(Some),
            None => Ok(None),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let mut output = Vec::new();
        write(&mut output, b"{}").unwrap();
        assert_eq!(output, [&2_u32.to_ne_bytes()[..], b"{}"].concat());
        assert_eq!(read(&output).unwrap().unwrap(), b"{}");
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[0; 4]).unwrap().unwrap(), b"");
    }

    #[test]
    fn an_end_inside_a_frame_says_where() {
        let text = |input: &[u8]| read(input).unwrap_err().to_string();
        assert_eq!(text(&[1, 0]), "the input ended after 2 of the 4 bytes of the length of a message");
        let input = [&9_u32.to_ne_bytes()[..], b"{}"].concat();
        assert_eq!(text(&input), "the input ended after 2 of the 9 bytes of a message");
    }

    #[test]
    fn the_longest_length_is_the_last() {
        let longest = u32::try_from(FROM_BROWSER).unwrap();
        assert_eq!(read_length(&mut &longest.to_ne_bytes()[..]).unwrap(), Some(FROM_BROWSER));
        for length in [longest + 1, u32::MAX] {
            let error = read_length(&mut &length.to_ne_bytes()[..]).unwrap_err();
            assert!(error.to_string().ends_with(&format!("got the length {length}")), "{error}");
        }
    }
}
