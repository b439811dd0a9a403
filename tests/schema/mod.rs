//! One schema, kept by hand in three places: `schema.rs` and the migrations of both engines. Here they are held together.

mod columns;
mod migrations;
