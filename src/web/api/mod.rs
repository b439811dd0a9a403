//! What programs talk to: crash doors and `/api/v1`.
