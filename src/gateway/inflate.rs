//! Decompressing a body: bounded in size, in ratio and in the memory of all bodies, and only in a form that the provider
//! file names.

use std::io::{BufRead, Read};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::answer::Refused;
use super::body::Share;
use crate::provider::{Encoding, Reject};

/// A body may grow to a hundred times its size; JSON rarely grows to twenty. Small ones may grow to `ROOM` anyway.
const RATIO: usize = 100;
const ROOM: usize = 64 << 10;

/// What is asked for and accounted for at once.
const STEP: usize = 32 << 10;

/// The one encoding of a request that its provider uses; `None` for a body as it is.
///
/// # Errors
/// Another encoding, or several: what was encoded twice only hides its size.
pub(super) fn encoding(headers: &HeaderMap, allowed: &[Encoding]) -> Result<Option<Encoding>, Reject> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let name = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    match (Encoding::from_name(&name), values.next()) {
        (_, Some(_)) => Err(Reject::UnsupportedEncoding),
        (None, None) if name == "identity" => Ok(None),
        (Some(encoding), None) if allowed.contains(&encoding) => Ok(Some(encoding)),
        _ => Err(Reject::UnsupportedEncoding),
    }
}

/// The body without its encoding, at most `limit` bytes long. `share` grows by it.
///
/// # Errors
/// Too large, not of that form, cut off, followed by something else, or no memory left.
pub(super) fn inflate(encoding: Encoding, body: &[u8], limit: usize, share: &mut Share) -> Result<Vec<u8>, Refused> {
    let limit = limit.min(body.len().saturating_mul(RATIO).max(ROOM));
    match encoding {
        // It may be written in several members, one after the other (RFC 1952, section 2.2).
        Encoding::Gzip => read(MultiGzDecoder::new(body), limit, share).map(|(bytes, _)| bytes),
        // In the wrapping of RFC 1950, as RFC 9110 wants it.
        Encoding::Deflate => {
            let (bytes, decoder) = read(ZlibDecoder::new(body), limit, share)?;
            if decoder.into_inner().fill_buf().is_ok_and(<[u8]>::is_empty) {
                return Ok(bytes);
            }
            Err(Reject::BodyUndecodable.into())
        }
    }
}

fn read<R: Read>(mut decoder: R, limit: usize, share: &mut Share) -> Result<(Vec<u8>, R), Refused> {
    let mut bytes = Vec::new();
    loop {
        let filled = bytes.len();
        share.grow(STEP)?;
        bytes.resize(filled + STEP, 0);
        let count = decoder.read(&mut bytes[filled..]).map_err(|_| Reject::BodyUndecodable)?;
        bytes.truncate(filled + count);
        share.shrink(STEP - count);
        if bytes.len() > limit {
            return Err(Reject::BodyTooLarge.into());
        }
        if count == 0 {
            return Ok((bytes, decoder));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::super::answer::Unavailable;
    use super::super::body::Memory;
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(encoding: Encoding, body: &[u8], memory: usize) -> Result<Vec<u8>, Refused> {
        let memory = Memory::new(memory);
        let mut share = memory.share();
        let result = inflate(encoding, body, 1 << 20, &mut share);
        drop(share);
        assert_eq!(memory.used(), 0, "everything is given back");
        result
    }

    /// Counts the bytes that come out of a decoder.
    struct Counted<R>(R, usize);

    impl<R: Read> Read for Counted<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1 += count;
            Ok(count)
        }
    }

    const PLENTY: usize = 64 << 20;

    #[test]
    fn what_was_compressed_comes_back() {
        let text = br#"{"id":"e1","type":"t"}"#.repeat(2_500);
        assert_eq!(decoded(Encoding::Gzip, &gzip(&text), PLENTY).unwrap(), text);
        assert_eq!(decoded(Encoding::Deflate, &zlib(&text), PLENTY).unwrap(), text);
        let members = [gzip(b"{\"a\":"), gzip(b"1}")].concat();
        assert_eq!(decoded(Encoding::Gzip, &members, PLENTY).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn a_body_of_another_form_is_refused() {
        let wrong = Err(Refused::Reject(Reject::BodyUndecodable));
        let (gz, zl) = (gzip(b"{\"id\":1}"), zlib(b"{\"id\":1}"));
        for end in 0..gz.len() {
            assert_eq!(decoded(Encoding::Gzip, &gz[..end], PLENTY), wrong, "cut off at {end}");
        }
        for end in 0..zl.len() {
            assert_eq!(decoded(Encoding::Deflate, &zl[..end], PLENTY), wrong, "cut off at {end}");
        }
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(b"{}").unwrap();
        for (encoding, body) in [
            (Encoding::Gzip, [&gz[..], b"garbage"].concat()),
            (Encoding::Deflate, [&zl[..], b"garbage"].concat()),
            (Encoding::Gzip, zl.clone()),
            (Encoding::Deflate, gz.clone()),
            (Encoding::Deflate, raw.finish().unwrap()),
            (Encoding::Gzip, b"{}".to_vec()),
        ] {
            assert_eq!(decoded(encoding, &body, PLENTY), wrong);
        }
        for position in 0..gz.len() * 8 {
            let mut flipped = gz.clone();
            flipped[position / 8] ^= 1 << (position % 8);
            // Time, system and flags of the header are nobody's content.
            let outcome = decoded(Encoding::Gzip, &flipped, PLENTY);
            assert!(outcome == wrong || outcome.as_deref() == Ok(b"{\"id\":1}"), "{position}: {outcome:?}");
        }
    }

    #[test]
    fn a_bomb_is_put_out_early() {
        let bomb = gzip(&vec![b' '; 100 << 20]);
        assert!(bomb.len() < 200 << 10, "1000:1");
        // More than the limit and a step beyond it would not fit this memory.
        let refused = decoded(Encoding::Gzip, &bomb, (1 << 20) + 2 * STEP);
        assert_eq!(refused, Err(Refused::Reject(Reject::BodyTooLarge)));
        // And what it read without keeping it is counted here.
        let memory = Memory::new(PLENTY);
        let mut made = Counted(MultiGzDecoder::new(&bomb[..]), 0);
        assert!(read(&mut made, 1 << 20, &mut memory.share()).is_err());
        assert!(made.1 <= (1 << 20) + STEP, "{} of 100 MiB were made", made.1);
        let small = gzip(&vec![b' '; 500 << 10]);
        assert_eq!(decoded(Encoding::Gzip, &small, PLENTY), Err(Refused::Reject(Reject::BodyTooLarge)), "the ratio");
        let honest = gzip(&vec![b' '; 60 << 10]);
        assert_eq!(decoded(Encoding::Gzip, &honest, PLENTY).map(|body| body.len()), Ok(60 << 10));
        assert_eq!(decoded(Encoding::Gzip, &honest, 40 << 10), Err(Refused::Unavailable(Unavailable::Memory)));
    }
}
