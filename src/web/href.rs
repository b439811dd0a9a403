//! The addresses of things, so that a name with a slash or a space in it leads somewhere.

use super::extract::encode;
use crate::domain::{Time, time};

/// One part of a path, or one value of a query: everything is encoded that could end it, `/` too.
pub fn part(text: &str) -> String {
    encode(text).replace('/', "%2F")
}

/// A push.
pub fn push(id: &str) -> String {
    format!("/pushes/{}", part(id))
}

/// A regression.
pub fn regression(id: &str) -> String {
    format!("/regressions/{}", part(id))
}

/// A flag of a service.
pub fn flag(service: &str, flag: &str) -> String {
    format!("/flags/{}/{}", part(service), part(flag))
}

/// A service's timeline.
pub fn service(service: &str, environment: &str) -> String {
    format!("/services/{}/{}", part(service), part(environment))
}

/// A service's timeline as it was known at an instant.
pub fn known_at(name: &str, environment: &str, at: Time) -> String {
    format!("{}?at={}", service(name, environment), encode(&time::text(at)))
}

/// A signature of a service.
pub fn signature(service: &str, text: &str) -> String {
    format!("/signatures/{}/{}", part(service), part(text))
}

/// Somebody who acted.
pub fn person(email: &str) -> String {
    format!("/people/{}", part(email))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_stays_one_part_of_the_path() {
        assert_eq!(push("team/relay 118"), "/pushes/team%2Frelay%20118");
        assert_eq!(push("2026/03?#x"), "/pushes/2026%2F03%3F%23x");
        assert_eq!(person("dana@example.com"), "/people/dana%40example.com");
    }
}
