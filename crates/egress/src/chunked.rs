//! The chunks of a body (RFC 9112, section 7.1).

use crate::body::fitting;
use bytes::{Buf, BytesMut};
use httparse::Status;

/// A chunk's size with its extensions, or a line of trailers, in bytes.
const MAX_LINE: usize = 4 << 10;
/// Lines of trailers.
const MAX_TRAILERS: usize = 64;

/// Finds the content between the chunks' sizes.
#[derive(Debug, Default)]
pub struct Chunks(At);

#[derive(Debug, Default)]
enum At {
    #[default]
    Size,
    /// So many bytes of content follow.
    Content(u64),
    /// The line break after a chunk's content.
    LineBreak,
    /// So many lines of trailers were passed over.
    Trailers(usize),
    End,
}

impl Chunks {
    /// How many bytes at the beginning of `input` are content; 0: the body has ended; `None`: more must come. What is
    /// no content is taken from `input`; the caller takes the content.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<usize>, ()> {
        loop {
            let next = match &mut self.0 {
                // An empty line is no size.
                At::Size if input.first().is_some_and(|first| !first.is_ascii_hexdigit()) => return Err(()),
                At::Size => match httparse::parse_chunk_size(input).map_err(drop)? {
                    Status::Complete((line, size)) => {
                        input.advance(line);
                        if size == 0 { At::Trailers(0) } else { At::Content(size) }
                    }
                    Status::Partial if input.len() > MAX_LINE => return Err(()),
                    Status::Partial => return Ok(None),
                },
                At::Content(0) => At::LineBreak,
                At::Content(_) if input.is_empty() => return Ok(None),
                At::Content(remaining) => {
                    let content = fitting(input.len(), *remaining);
                    *remaining -= content as u64;
                    return Ok(Some(content));
                }
                At::LineBreak => match line(input)? {
                    Some(0) => At::Size,
                    Some(_) => return Err(()),
                    None => return Ok(None),
                },
                At::Trailers(lines) => match line(input)? {
                    Some(0) => At::End,
                    Some(_) if *lines == MAX_TRAILERS => return Err(()),
                    Some(_) => At::Trailers(*lines + 1),
                    None => return Ok(None),
                },
                At::End => return Ok(Some(0)),
            };
            self.0 = next;
        }
    }
}

/// Takes a line and says how long it was, without its break.
fn line(input: &mut BytesMut) -> Result<Option<usize>, ()> {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return if input.len() > MAX_LINE { Err(()) } else { Ok(None) };
    };
    let length = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]).len();
    input.advance(end + 1);
    Ok(Some(length))
}
