//! Reporting what came of two releases that ran side by side, as a mixed-version test does.

use super::{Error, guard_push::Seen, record_change::know_service};
use crate::{
    domain::{Time, pair::PairReport, time},
    secret,
    store::{Actor, Store},
};
use serde_json::json;

/// Longest words that are kept with a report, characters.
const LONGEST: usize = 2000;
/// Reports that a page or an answer shows of one service, the newest.
pub const SHOWN: i64 = 500;

/// Keeps a report and says so in the ledger.
pub fn report_pair(store: &Store, by: &Actor, it: &PairReport, now: Time) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for (name, value) in [("release", &it.release), ("peer_release", &it.peer_release)] {
        if value.trim().is_empty() || value.chars().count() > 200 {
            wrong.push(format!("{name}: a release of 1 to 200 characters was expected."));
        }
    }
    if it.release == it.peer_release && !it.release.is_empty() {
        wrong.push("peer_release: another release than the first was expected.".into());
    }
    if it.note.as_ref().is_some_and(|note| note.chars().count() > LONGEST) {
        wrong.push(format!("note: at most {LONGEST} characters were expected."));
    }
    let links = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    if it.url.as_ref().is_some_and(|url| !links(url) || url.chars().count() > LONGEST) {
        wrong.push(format!(
            "url: an address that begins with https:// or http:// was expected, of at most {LONGEST} characters."
        ));
    }
    if !wrong.is_empty() {
        return Err(Error::Refused(wrong));
    }
    store.write(|tx| {
        know_service(tx, by, &it.service, now)?;
        tx.keep_pair_report(&secret::new_id(now), it)?;
        let about = json!({
            "release": it.release,
            "peer_release": it.peer_release,
            "verdict": it.verdict,
            "at": time::text(it.at),
            "actor": it.actor,
            "note": it.note,
            "url": it.url,
        });
        tx.record(now, "pair.report", by, format!("service:{}", it.service), about)?;
        Ok(())
    })
}

/// Everything that is known of the releases of a service beside each other, newest first.
pub fn pairs(store: &Store, service: &str) -> Result<Vec<Seen>, Error> {
    store.read(|read| {
        read.service(service)?.ok_or_else(|| Error::no("service", service))?;
        let reported = read.pair_reports(service, SHOWN)?.into_iter().map(Seen::from);
        let mut seen: Vec<Seen> = reported.collect();
        seen.extend(super::guard_push::shown(read, service, None)?);
        seen.sort_by_key(|it| std::cmp::Reverse(it.at));
        Ok(seen)
    })
}
