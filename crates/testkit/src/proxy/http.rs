//! As much of HTTP/1.1 (RFC 9112) as the proxy needs: heads, and where a body ends.

/// How many bytes a head may have before the proxy gives up on the connection.
const HEAD_LIMIT: usize = 64 << 10;

/// The head of a request or response: its first line and the few fields that frame the body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the head, with the empty line that ends it.
    pub(super) length: usize,
    /// The three words of the first line.
    pub(super) words: [String; 3],
    content_length: Option<u64>,
    chunked: bool,
    /// Whether the client waits for `100 Continue`.
    pub(super) expects: bool,
}

impl Head {
    /// Reads the head at the start of `bytes`; nothing when it is not whole yet.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if bytes.len() > HEAD_LIMIT { Err("the head has no end") } else { Ok(None) };
        };
        let text = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().splitn(3, ' ').map(str::to_owned);
        let words = [(); 3].map(|()| words.next().unwrap_or_default());
        let mut head = Self { length: end + 4, words, ..Self::default() };
        for line in lines {
            let (name, value) = line.split_once(':').ok_or("a header field without a colon")?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    head.content_length = Some(value.parse().map_err(|_| "a wrong Content-Length")?);
                }
                "transfer-encoding" => head.chunked = value.to_ascii_lowercase().contains("chunked"),
                "expect" => head.expects = value.eq_ignore_ascii_case("100-continue"),
                _ => {}
            }
        }
        Ok(Some(head))
    }

    /// The body of this request.
    pub(super) fn request_body(&self) -> Body {
        match (self.chunked, self.content_length) {
            (true, _) => Body::Chunked(Chunk::Size(0)),
            (false, Some(length)) => Body::Length(length),
            (false, None) => Body::Length(0),
        }
    }

    /// The status code of this response.
    pub(super) fn status(&self) -> Result<u16, &'static str> {
        self.words[1].parse().map_err(|_| "a response without status")
    }

    /// The body of this response to a request of `method` (RFC 9112, section 6.3).
    pub(super) fn response_body(&self, method: &str, status: u16) -> Body {
        let bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
        match (bodiless, self.chunked, self.content_length) {
            (true, _, _) => Body::Length(0),
            (false, true, _) => Body::Chunked(Chunk::Size(0)),
            (false, false, Some(length)) => Body::Length(length),
            (false, false, None) => Body::UntilClose,
        }
    }
}

/// What is still to come of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Everything until the connection ends.
    UntilClose,
}

/// Where in a chunked body the next byte is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the hexadecimal size of a chunk.
    Size(u64),
    /// Behind the size, before the end of its line.
    Extension(u64),
    /// In data or the line end behind it, with so many bytes left.
    Data(u64),
    /// In a trailer's line, of which so many bytes were seen.
    Trailer(usize),
    /// Behind it all.
    End,
}

impl Body {
    /// Whether nothing is to come any more.
    pub(super) fn ended(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::End))
    }

    /// How many of `bytes` belong to the body; they count as read.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        match self {
            Self::UntilClose => Ok(bytes.len()),
            Self::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(chunk) => {
                let mut taken = 0;
                while taken < bytes.len() && *chunk != Chunk::End {
                    taken += chunk.step(&bytes[taken..])?;
                }
                Ok(taken)
            }
        }
    }
}

impl Chunk {
    /// Goes over at least one byte of `bytes`, which are not empty, and says over how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let byte = bytes[0];
        *self = match (&*self, byte) {
            (Self::Size(size) | Self::Extension(size), b'\n') => {
                // The line end behind the data counts as data; behind the last chunk come trailers.
                if *size == 0 { Self::Trailer(0) } else { Self::Data(size.saturating_add(2)) }
            }
            (Self::Size(size), b';' | b'\r' | b' ') => Self::Extension(*size),
            (Self::Size(size), _) => {
                let digit = char::from(byte).to_digit(16).ok_or("a wrong chunk size")?;
                let size = size.checked_mul(16).and_then(|size| size.checked_add(digit.into()));
                Self::Size(size.ok_or("a wrong chunk size")?)
            }
            (Self::Extension(size), _) => Self::Extension(*size),
            (Self::Data(left), _) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let left = *left - taken as u64;
                *self = if left == 0 { Self::Size(0) } else { Self::Data(left) };
                return Ok(taken);
            }
            (Self::Trailer(0), b'\n') => Self::End,
            (Self::Trailer(_), b'\n') => Self::Trailer(0),
            (Self::Trailer(seen), b'\r') => Self::Trailer(*seen),
            (Self::Trailer(seen), _) => Self::Trailer(seen + 1),
            (Self::End, _) => Self::End,
        };
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let text = b"PUT /v2/a?b=c HTTP/1.1\r\nContent-length: 12\r\nExpect: 100-continue\r\n\r\nbody";
        assert_eq!(Head::parse(&text[..60]), Ok(None));
        let head = Head::parse(text).expect("well-formed").expect("whole");
        assert_eq!(head.words, ["PUT", "/v2/a?b=c", "HTTP/1.1"]);
        assert_eq!((head.length, head.expects), (text.len() - 4, true));
        assert_eq!(head.request_body(), Body::Length(12));
        assert!(Head::parse(&vec![b'x'; HEAD_LIMIT + 1]).is_err());
    }

    #[test]
    fn bodies_of_responses_follow_method_and_status() {
        let head =
            Head::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").expect("valid").expect("whole");
        assert_eq!(head.response_body("GET", 200), Body::Length(9));
        assert_eq!(head.response_body("HEAD", 200), Body::Length(0));
        assert_eq!(head.response_body("GET", 304), Body::Length(0));
        let head = Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").expect("valid").expect("whole");
        assert_eq!(head.response_body("GET", 200), Body::UntilClose);
    }

    proptest! {
        #[test]
        fn chunked_bodies_end_where_they_end(
            chunks in proptest::collection::vec(1..300_usize, 0..6),
            trailer in proptest::bool::ANY,
            step in 1..50_usize,
        ) {
            let mut text = Vec::new();
            for size in chunks {
                text.extend(format!("{size:X};note=\"x\"\r\n").bytes());
                text.extend(std::iter::repeat_n(b'0', size));
                text.extend(b"\r\n");
            }
            text.extend(if trailer { b"0\r\nDigest: x\r\n\r\n".as_slice() } else { b"0\r\n\r\n" });
            let whole = text.len();
            text.extend(b"GET / HTTP/1.1\r\n\r\n");
            let mut body = Body::Chunked(Chunk::Size(0));
            let mut position = 0;
            while !body.ended() {
                let end = text.len().min(position + step);
                position += body.take(&text[position..end]).expect("well-formed");
            }
            prop_assert_eq!(position, whole);
        }
    }
}
