//! What programs talk to: crash doors and `/api/v1`. What the bytes mean is read in `intake` and `domain`; what is done about
//! it is in `flows`.

mod body;
pub mod doors;
pub mod v1;
