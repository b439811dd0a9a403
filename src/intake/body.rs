//! Bounded decoding of a request's body. What the bytes mean is read elsewhere.
//!
//! A few kilobytes of a compressed body can stand for gigabytes. Here every coding is unpacked in small chunks against a
//! hard cap, and the windows of the decoders are capped too, so that a hostile body costs what the cap allows and no more.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{ErrorKind, Read};

/// How much of a body is taken, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest body on the wire.
    pub compressed: usize,
    /// The longest body once unpacked.
    pub decompressed: usize,
    /// The most unpacked bytes per byte on the wire, beyond the first 64 KiB.
    pub ratio: usize,
}

impl Limits {
    /// What an envelope may take: 20 MiB packed and unpacked, one hundred to one.
    pub const ENVELOPE: Limits = Limits { compressed: 20 << 20, decompressed: 20 << 20, ratio: 100 };
    /// What a single event may take: 1 MiB unpacked.
    pub const EVENT: Limits = Limits { compressed: 2 << 20, decompressed: 1 << 20, ratio: 100 };

    /// The cap for a body of this many bytes on the wire.
    fn cap(&self, raw: usize) -> usize {
        FREE.saturating_add(raw.saturating_mul(self.ratio)).min(self.decompressed)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::ENVELOPE
    }
}

/// Unpacked bytes that no ratio is asked of.
const FREE: usize = 64 * 1024;
/// Bodies up to this many bytes on the wire are unpacked at once, as most are: their cap is under a megabyte.
const SMALL: usize = 8 * 1024;
/// Bytes unpacked between two looks at the cap.
const CHUNK: usize = 16 * 1024;
/// The largest window a zstd frame may ask for, as a power of two: 8 MiB, what RFC 8878 asks every decoder to support.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Why a body could not be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than what is taken, on the wire or unpacked.
    #[error(
        "The body is larger than {limit} bytes, which is the most that is taken for a body of its packed size. Send fewer items in one request, or smaller ones."
    )]
    TooLarge {
        /// The limit that was passed, bytes.
        limit: usize,
    },
    /// The sender names a coding that is not known here.
    #[error(
        "The Content-Encoding \"{0}\" is not understood here. Use gzip, deflate, br, zstd or identity, or leave the header out."
    )]
    UnknownEncoding(String),
    /// The bytes are not what the coding says.
    #[error("The body could not be unpacked: {0}. Send it again, or without Content-Encoding to rule the packing out.")]
    Corrupt(String),
}

/// The body as it was before packing. A missing or empty encoding means that it was not packed.
///
/// # Errors
/// `TooLarge` past any limit, `UnknownEncoding` for a coding not listed in the module, `Corrupt` for bytes that do not unpack.
pub fn decode<'a>(encoding: Option<&str>, raw: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, BodyError> {
    if raw.len() > limits.compressed {
        return Err(BodyError::TooLarge { limit: limits.compressed });
    }
    let word = encoding.unwrap_or("").trim().to_ascii_lowercase();
    let plain = matches!(word.as_str(), "" | "identity");
    if plain && raw.len() > limits.decompressed {
        return Err(BodyError::TooLarge { limit: limits.decompressed });
    }
    if plain || raw.is_empty() {
        return Ok(Cow::Borrowed(raw));
    }
    let cap = limits.cap(raw.len());
    let gzip = matches!(word.as_str(), "gzip" | "x-gzip");
    if let Some(unpacked) = gzip.then(|| unpack_at_once(raw, cap)).flatten() {
        return Ok(Cow::Owned(unpacked));
    }
    let unpacked = match word.as_str() {
        _ if gzip => unpack(raw, cap, |raw| Ok(flate2::bufread::MultiGzDecoder::new(raw))),
        "deflate" if is_zlib(raw) => unpack(raw, cap, |raw| Ok(flate2::bufread::ZlibDecoder::new(raw))),
        "deflate" => unpack(raw, cap, |raw| Ok(flate2::bufread::DeflateDecoder::new(raw))),
        "br" => unpack(raw, cap, |raw| brotli(raw, cap)),
        "zstd" => unpack(raw, cap, zstd),
        other => return Err(BodyError::UnknownEncoding(other.chars().take(40).collect())),
    };
    unpacked.map(Cow::Owned)
}

/// Whether the bytes begin like zlib (RFC 1950): method 8, and a header that divides by 31.
pub(super) fn is_zlib(raw: &[u8]) -> bool {
    matches!(raw, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

fn brotli(raw: &[u8], cap: usize) -> Result<impl Read, BodyError> {
    // The first seven bits 0x11 announce a "large window" of up to 1 GiB, which no browser or crash client sends.
    if raw.first().is_some_and(|first| first & 0x7f == 0x11) {
        return Err(BodyError::Corrupt("a brotli window of more than 16 MiB is not taken".into()));
    }
    let mut reader = brotli::Decompressor::new(raw, CHUNK);
    if raw.len() > SMALL {
        // Memory for all that may come, of which the rest is never touched; one that grows leaves all its smaller ones behind.
        reader.set_initial_ring_buffer_size(u32::try_from(cap).unwrap_or(u32::MAX));
    }
    Ok(reader)
}

fn zstd(raw: &[u8]) -> Result<impl Read, BodyError> {
    let mut reader = zstd::stream::read::Decoder::with_buffer(raw).map_err(corrupt)?;
    reader.window_log_max(ZSTD_WINDOW_LOG).map_err(corrupt)?;
    Ok(reader)
}

/// How every gzip member begins.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// Unpacks a small gzip body of one member into memory of the size that its end names, which is quicker than by chunks. None where it is
/// anything else, or anything is wrong with it: then it is gone through by chunks, which says what.
fn unpack_at_once(raw: &[u8], cap: usize) -> Option<Vec<u8>> {
    thread_local! {
        static DECOMPRESSOR: RefCell<libdeflater::Decompressor> = RefCell::default();
    }
    let (_, size) = raw.split_last_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok().filter(|size| (1..=cap).contains(size))?;
    let rest = raw.strip_prefix(&GZIP)?;
    if raw.len() > SMALL || memchr::memmem::find(rest, &GZIP).is_some() {
        return None;
    }
    let mut unpacked = vec![0; size];
    let count = DECOMPRESSOR.with_borrow_mut(|it| it.gzip_decompress(raw, &mut unpacked)).ok()?;
    (count == size).then_some(unpacked)
}

/// Unpacks what a decoder reads out of the bytes. A large body is gone through once before any of it is held: a bomb then costs no
/// memory, and what is kept costs no more than its size.
fn unpack<'a, R: Read>(
    raw: &'a [u8],
    cap: usize,
    decoder: impl Fn(&'a [u8]) -> Result<R, BodyError>,
) -> Result<Vec<u8>, BodyError> {
    let mut size = 0;
    if raw.len() > SMALL {
        each_chunk(decoder(raw)?, cap, |chunk| size += chunk.len())?;
    }
    let mut unpacked = Vec::with_capacity(size);
    each_chunk(decoder(raw)?, cap, |chunk| unpacked.extend_from_slice(chunk))?;
    Ok(unpacked)
}

/// Reads to the end in small chunks, or to the cap.
fn each_chunk(mut reader: impl Read, cap: usize, mut take: impl FnMut(&[u8])) -> Result<(), BodyError> {
    let (mut size, mut chunk) = (0, [0; CHUNK]);
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) if size + count > cap => return Err(BodyError::TooLarge { limit: cap }),
            Ok(count) => {
                size += count;
                take(&chunk[..count]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(corrupt(error)),
        }
    }
}

fn corrupt(error: std::io::Error) -> BodyError {
    BodyError::Corrupt(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::time::{Duration, Instant};

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(plain).expect("memory");
        packer.finish().expect("memory")
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(plain).expect("memory");
        packer.finish().expect("memory")
    }

    fn raw_deflate(plain: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(plain).expect("memory");
        packer.finish().expect("memory")
    }

    fn br(plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        brotli::CompressorWriter::new(&mut packed, CHUNK, 5, 22).write_all(plain).expect("memory");
        packed
    }

    fn zst(plain: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(plain, 3).expect("memory")
    }

    #[test]
    fn every_coding_gives_the_body_back_in_any_case_of_its_name() {
        let plain = br#"{"event_id":"5869bd35842c430d85a3a25a1600bca9"}"#.repeat(20);
        let bodies = [
            ("gzip", gzip(&plain)),
            ("GZIP", gzip(&plain)),
            ("deflate", zlib(&plain)),
            ("deflate", raw_deflate(&plain)),
            ("br", br(&plain)),
            ("Zstd", zst(&plain)),
            ("identity", plain.clone()),
            ("", plain.clone()),
            ("  ", plain.clone()),
        ];
        for (encoding, packed) in bodies {
            assert_eq!(decode(Some(encoding), &packed, &Limits::ENVELOPE).as_deref(), Ok(&plain[..]), "{encoding}");
        }
        assert_eq!(decode(None, &plain, &Limits::ENVELOPE).as_deref(), Ok(&plain[..]));
    }

    #[test]
    fn a_gzip_body_of_several_members_is_unpacked_whole_and_what_follows_it_is_refused() {
        let (one, other) = (gzip(b"one "), gzip(b"other"));
        let packed = |parts: &[&[u8]]| decode(Some("gzip"), &parts.concat(), &Limits::ENVELOPE).map(Cow::into_owned);
        assert_eq!(packed(&[&one, &other]), Ok(b"one other".to_vec()));
        assert_eq!(packed(&[&one, &one]), Ok(b"one one ".to_vec()));
        assert!(packed(&[&one, b"something else"]).is_err());
        // What the end says of the length need not be true.
        let mut lying = gzip(&[b'x'; 5000]);
        for said in [0_u32, 1, 4999, 5001, 900_000, u32::MAX] {
            let end = lying.len() - 4;
            lying[end..].copy_from_slice(&said.to_le_bytes());
            assert!(matches!(packed(&[&lying]), Err(BodyError::Corrupt(_))), "{said}");
        }
        assert_eq!(packed(&[&gzip(b"")]), Ok(Vec::new()));
    }

    #[test]
    fn an_unknown_coding_is_named_in_the_refusal() {
        let error = decode(Some("compress"), b"x", &Limits::ENVELOPE).expect_err("unknown");
        assert!(error.to_string().contains("\"compress\"") && error.to_string().contains("gzip"), "{error}");
    }

    #[test]
    fn a_body_cut_short_or_damaged_is_refused() {
        let plain: Vec<u8> = (0..9000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for (encoding, packed) in
            [("gzip", gzip(&plain)), ("deflate", zlib(&plain)), ("br", br(&plain)), ("zstd", zst(&plain))]
        {
            let short = decode(Some(encoding), &packed[..packed.len() - 20], &Limits::ENVELOPE);
            assert!(matches!(short, Err(BodyError::Corrupt(_))), "{encoding}: {short:?}");
        }
        assert!(matches!(decode(Some("gzip"), b"not gzip", &Limits::ENVELOPE), Err(BodyError::Corrupt(_))));
    }

    /// Packs `size` zeros with every coding, without ever holding them.
    fn bombs(size: usize) -> Vec<(&'static str, Vec<u8>)> {
        let zeros = vec![0_u8; 1 << 20];
        let feed = |sink: &mut dyn Write| (0..size >> 20).for_each(|_| sink.write_all(&zeros).expect("memory"));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        feed(&mut gz);
        let mut zl = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        feed(&mut zl);
        let mut zs = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("memory");
        feed(&mut zs);
        vec![
            ("gzip", gz.finish().expect("memory")),
            ("deflate", zl.finish().expect("memory")),
            ("br", brotli_zeros(size)),
            ("zstd", zs.finish().expect("memory")),
        ]
    }

    /// A brotli stream for `size` zeros: what the packer makes of 16 MiB, whose middle (a run of equal blocks) is repeated.
    fn brotli_zeros(size: usize) -> Vec<u8> {
        let mut packed = Vec::new();
        {
            let mut packer = brotli::CompressorWriter::new(&mut packed, 1 << 20, 1, 24);
            let zeros = vec![0_u8; 1 << 20];
            (0..size >> 20).for_each(|_| packer.write_all(&zeros).expect("memory"));
        }
        packed
    }

    #[test]
    fn a_bomb_costs_little_time_and_gives_a_refusal_in_every_coding() {
        for (encoding, packed) in bombs(64 << 20) {
            let begun = Instant::now();
            let result = decode(Some(encoding), &packed, &Limits::ENVELOPE);
            let took = begun.elapsed();
            assert!(matches!(result, Err(BodyError::TooLarge { .. })), "{encoding} {}", packed.len());
            assert!(took < Duration::from_millis(1500), "{encoding}: {took:?}");
        }
    }

    #[test]
    fn unpacking_stops_at_the_cap_also_where_the_bytes_never_end() {
        for wire in [10, 2 * SMALL] {
            let raw = vec![0; wire];
            let endless = unpack(&raw, 1 << 20, |_| Ok(std::io::repeat(b'x')));
            assert_eq!(endless, Err(BodyError::TooLarge { limit: 1 << 20 }));
        }
    }

    #[test]
    fn the_ratio_stops_a_small_bomb_long_before_the_size_does() {
        let packed = zst(&vec![0; 8 << 20]);
        assert_eq!(
            decode(Some("zstd"), &packed, &Limits::ENVELOPE),
            Err(BodyError::TooLarge { limit: FREE + 100 * packed.len() })
        );
        let small = vec![b'a'; FREE];
        assert_eq!(decode(Some("zstd"), &zst(&small), &Limits::ENVELOPE).map(|body| body.len()), Ok(FREE));
    }

    #[test]
    fn windows_larger_than_ours_are_refused_before_memory_is_taken() {
        // A zstd frame header that asks for a window of 2 GiB, and the brotli large-window mark.
        let zstd_frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
        assert!(matches!(decode(Some("zstd"), &zstd_frame, &Limits::ENVELOPE), Err(BodyError::Corrupt(_))));
        assert!(matches!(decode(Some("br"), &[0x11, 0x1e, 0, 0, 0], &Limits::ENVELOPE), Err(BodyError::Corrupt(_))));
    }

    #[test]
    fn a_body_beyond_the_wire_limit_is_refused_unread() {
        let limits = Limits { compressed: 10, decompressed: 10, ratio: 100 };
        assert_eq!(decode(None, &[0; 11], &limits), Err(BodyError::TooLarge { limit: 10 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn what_is_unpacked_at_once_is_what_the_chunks_give(
            plain in proptest::collection::vec(any::<u8>(), 0..3000),
            flipped in proptest::option::of((any::<proptest::sample::Index>(), 1_u8..)),
            after in proptest::collection::vec(any::<u8>(), 0..3),
        ) {
            let mut packed = gzip(&plain);
            if let Some((place, bits)) = flipped {
                let place = place.index(packed.len());
                packed[place] ^= bits;
            }
            packed.extend(after);
            let cap = Limits::EVENT.cap(packed.len());
            if let Some(at_once) = unpack_at_once(&packed, cap) {
                let by_chunks = unpack(&packed, cap, |raw| Ok(flate2::bufread::MultiGzDecoder::new(raw)));
                prop_assert_eq!(by_chunks, Ok(at_once));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), coding in 0..5_usize) {
            let coding = ["gzip", "deflate", "br", "zstd", "identity"][coding];
            if let Ok(body) = decode(Some(coding), &bytes, &Limits::EVENT) {
                prop_assert!(body.len() <= Limits::EVENT.decompressed);
            }
        }
    }
}
