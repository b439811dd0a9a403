//! The body of the legacy route for single events: JSON as it is, zlib or gzip over it, or base64 over zlib over it, told
//! apart by the first bytes, since the old clients name none of it in a header.

use crate::intake::body::{self, BodyError, Limits};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The event's JSON, unwrapped. At most two wrappings are taken off.
///
/// # Errors
/// As `body::decode`: too large once unpacked, or not what it looks like.
pub fn unwrap(raw: &[u8]) -> Result<Cow<'_, [u8]>, BodyError> {
    let raw = raw.trim_ascii();
    if let Some(packed) = encoding(raw) {
        return body::decode(Some(packed), raw, &Limits::EVENT);
    }
    if raw.first().is_none_or(|first| matches!(first, b'{' | b'[' | b'"')) {
        return Ok(Cow::Borrowed(raw));
    }
    let text: Vec<u8> = raw.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let packed = BASE64.decode(&text).map_err(|_| {
        BodyError::Corrupt("it is neither JSON nor base64 over zlib, the two forms of this route".into())
    })?;
    match encoding(&packed) {
        Some(word) => Ok(Cow::Owned(body::decode(Some(word), &packed, &Limits::EVENT)?.into_owned())),
        None => Ok(Cow::Owned(packed)),
    }
}

/// What the first bytes say: gzip or zlib, or neither.
fn encoding(raw: &[u8]) -> Option<&'static str> {
    if raw.starts_with(&[0x1f, 0x8b]) {
        Some("gzip")
    } else if raw.first() == Some(&0x78) && body::is_zlib(raw) {
        Some("deflate")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const JSON: &[u8] = br#"{"message":"hello"}"#;

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(plain).expect("memory");
        packer.finish().expect("memory")
    }

    #[test]
    fn every_wrapping_is_taken_off() {
        let base64 = BASE64.encode(zlib(JSON));
        assert!(base64.starts_with("eJ"));
        let wrapped = format!("{}\n{}\r\n", &base64[..10], &base64[10..]);
        let bodies = [
            JSON.to_vec(),
            zlib(JSON),
            base64.clone().into_bytes(),
            wrapped.into_bytes(),
            base64.trim_end_matches('=').into(),
            BASE64.encode(JSON).into(),
        ];
        for body in bodies {
            assert_eq!(unwrap(&body).as_deref(), Ok(JSON));
        }
    }

    #[test]
    fn a_bomb_inside_base64_is_refused() {
        let body = BASE64.encode(zlib(&vec![b' '; 8 << 20]));
        assert!(matches!(unwrap(body.as_bytes()), Err(BodyError::TooLarge { .. })));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(unwrap(b"\xff\xfe!!"), Err(BodyError::Corrupt(_))));
    }
}
