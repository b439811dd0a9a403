//! One file per thing that someone can do.
