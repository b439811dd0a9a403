//! The told story: a small deterministic program that writes the history file of the demo.
