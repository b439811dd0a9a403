//! Random things: ids, tokens, keys. What is secret is kept only as its SHA-256.

use crate::domain::Time;
use sha2::{Digest, Sha256};

/// Random bytes. Ends the program where the machine has none to give, since nothing safe could be done without.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new id: 128 bits, ordered by time, 32 hexadecimal digits.
pub fn new_id(now: Time) -> String {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random()).into_uuid().simple().to_string()
}

/// A secret of 256 bits behind a prefix that says what it is: `pb_token_…`.
pub fn new_secret(kind: &str) -> String {
    format!("pb_{kind}_{}", hex::encode(random::<32>()))
}

/// The public key of a DSN: 32 hexadecimal digits, since clients accept word characters only.
pub fn new_public_key() -> String {
    hex::encode(random::<16>())
}

/// What is kept of a secret.
pub fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Whether two texts are equal, in time that does not depend on where they differ.
pub fn same(left: &str, right: &str) -> bool {
    subtle::ConstantTimeEq::ct_eq(left.as_bytes(), right.as_bytes()).into()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}
