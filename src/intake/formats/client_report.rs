//! What a client says that it threw away itself: without it, silence would look like health.

use super::fields::{object, text_under, under, whole};
use crate::intake::Tally;
use crate::intake::json::{Fields, Value};

/// The data categories of the protocol. Others are counted as `default`, so that a stranger cannot invent labels.
const CATEGORIES: [&str; 16] = [
    "default",
    "error",
    "transaction",
    "monitor",
    "span",
    "log_item",
    "log_byte",
    "security",
    "attachment",
    "session",
    "profile",
    "profile_chunk",
    "replay",
    "feedback",
    "trace_metric",
    "internal",
];

/// The reasons that clients give. Others are counted as `sender_other`.
const REASONS: [(&str, &str); 14] = [
    ("queue_overflow", "sender_queue_overflow"),
    ("cache_overflow", "sender_cache_overflow"),
    ("buffer_overflow", "sender_buffer_overflow"),
    ("ratelimit_backoff", "sender_ratelimit_backoff"),
    ("network_error", "sender_network_error"),
    ("sample_rate", "sender_sample_rate"),
    ("before_send", "sender_before_send"),
    ("event_processor", "sender_event_processor"),
    ("send_error", "sender_send_error"),
    ("backpressure", "sender_backpressure"),
    ("internal_sdk_error", "sender_internal_error"),
    ("insufficient_data", "sender_insufficient_data"),
    ("ignored", "sender_ignored"),
    ("too_large", "sender_too_large"),
];

/// The most lines of one report that are read.
const MOST_LINES: usize = 200;
/// The most that one line may count.
const MOST_QUANTITY: i64 = 1_000_000_000;

/// A category that is known, or `default`.
pub fn category(word: &str) -> &'static str {
    CATEGORIES.into_iter().find(|known| *known == word).unwrap_or("default")
}

/// The category under which an item of this type is counted.
pub fn category_of_item(kind: &str) -> &'static str {
    match kind {
        "event" => "error",
        "session" | "sessions" => "session",
        "transaction" => "transaction",
        "log" | "otel_log" => "log_item",
        "check_in" => "monitor",
        "attachment" => "attachment",
        "feedback" | "user_report" => "feedback",
        "span" | "otel_span" => "span",
        "replay_event" | "replay_recording" | "replay_video" => "replay",
        "profile" => "profile",
        "profile_chunk" => "profile_chunk",
        "statsd" | "metric_buckets" | "trace_metric" => "trace_metric",
        "security" | "raw_security" | "nel" => "security",
        "client_report" => "internal",
        _ => "default",
    }
}

/// Counts what the client reports as discarded.
pub fn read(report: &Fields, tally: &mut Tally) {
    for list in ["discarded_events", "rate_limited_events", "filtered_events", "filtered_sampling_events"] {
        let Value::Array(lines) = under(report, &[list]) else { continue };
        for line in lines.iter().take(MOST_LINES).map(object) {
            let quantity = whole(under(line, &["quantity"])).unwrap_or(1).clamp(0, MOST_QUANTITY);
            let said = text_under(line, "reason").unwrap_or_default();
            let reason = REASONS.iter().find(|(word, _)| *word == said).map_or("sender_other", |(_, reason)| reason);
            tally.add(category(&text_under(line, "category").unwrap_or_default()), reason, quantity.unsigned_abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::json::json;

    #[test]
    fn what_a_client_threw_away_is_counted_under_words_of_ours() {
        let report = json!({"timestamp": 1, "discarded_events": [
            {"reason": "ratelimit_backoff", "category": "error", "quantity": 3},
            {"reason": "ratelimit_backoff", "category": "error", "quantity": 2},
            {"reason": "x\u{0}y", "category": "made up", "quantity": -4},
            {"reason": "sample_rate", "category": "transaction"},
            null,
        ]});
        let mut tally = Tally::default();
        read(object(&report), &mut tally);
        let counted: Vec<_> = tally.outcomes().into_iter().map(|it| (it.category, it.reason, it.quantity)).collect();
        assert_eq!(
            counted,
            [
                ("default".into(), "sender_other".into(), 1),
                ("error".into(), "sender_ratelimit_backoff".into(), 5),
                ("transaction".into(), "sender_sample_rate".into(), 1),
            ]
        );
    }
}
