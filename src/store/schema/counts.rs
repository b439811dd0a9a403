//! Counts that need no reports to be read.

use diesel::table;

table! {
    crash_minute (service, environment, minute, release, cell) {
        service -> Text,
        environment -> Text,
        minute -> BigInt,
        release -> Text,
        cell -> Text,
        crashes -> BigInt,
        clients -> BigInt,
    }
}

table! {
    crash_ten_minutes (service, environment, begins, release, cell) {
        service -> Text,
        environment -> Text,
        begins -> BigInt,
        release -> Text,
        cell -> Text,
        crashes -> BigInt,
        clients -> BigInt,
    }
}

table! {
    signature_hour (service, signature, hour, environment, release) {
        service -> Text,
        signature -> BigInt,
        hour -> BigInt,
        environment -> Text,
        release -> Text,
        crashes -> BigInt,
        handled -> BigInt,
        clients -> BigInt,
    }
}

table! {
    outcome (service, minute, door, reason) {
        service -> Text,
        minute -> BigInt,
        door -> Text,
        reason -> Text,
        reports -> BigInt,
    }
}
