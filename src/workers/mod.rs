//! Threads that wake, call one flow, sleep, and stop cleanly.
