//! Where crash clients put the public key of a project, and what they put there. Whose key it is, is looked up elsewhere.

/// The longest public key.
const LONGEST: usize = 64;

/// Why no key could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none in any of the places.
    #[error(
        "No key was sent. Put the project's DSN into the client, or send the header \"X-Sentry-Auth: Sentry sentry_key=…, sentry_version=7\"."
    )]
    Missing,
    /// Two places hold two keys.
    #[error(
        "The request names two different keys: the header, the query and the envelope's dsn must agree. Use one DSN throughout."
    )]
    Disagree,
    /// A key holds what no key can hold.
    #[error(
        "The key in {0} is not one: keys have 1 to 64 letters, digits and underscores. Copy the DSN again from the service's page."
    )]
    Malformed(&'static str),
}

/// The public key that a request carries. Places that name none are passed over; those that do must agree.
///
/// # Errors
/// `Missing` where no place names one, `Disagree` where two differ, `Malformed` where one is not a key.
pub fn sentry_key(
    x_sentry_auth: Option<&str>,
    authorization: Option<&str>,
    query: &str,
    dsn: Option<&str>,
) -> Result<String, KeyError> {
    let places = [
        ("X-Sentry-Auth", x_sentry_auth.and_then(|text| in_header(text, false))),
        ("Authorization", authorization.and_then(|text| in_header(text, true))),
        ("the query", in_query(query)),
        ("the envelope's dsn", dsn.and_then(in_dsn)),
    ];
    let mut found: Option<String> = None;
    for (place, key) in places {
        let Some(key) = key else { continue };
        if !is_key(&key) {
            return Err(KeyError::Malformed(place));
        }
        match &found {
            Some(earlier) if *earlier != key => return Err(KeyError::Disagree),
            Some(_) => {}
            None => found = Some(key),
        }
    }
    found.ok_or(KeyError::Missing)
}

fn is_key(key: &str) -> bool {
    (1..=LONGEST).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `Sentry sentry_key=K, sentry_version=7`: any order, comma with or without space. In `Authorization` the scheme must be
/// there, since other schemes (Bearer, Basic) may stand in its place.
fn in_header(text: &str, scheme_required: bool) -> Option<String> {
    let text = text.trim();
    let rest = match text.get(..6) {
        Some(scheme) if scheme.eq_ignore_ascii_case("sentry") && !text[6..].starts_with('_') => &text[6..],
        _ if scheme_required => return None,
        _ => text,
    };
    rest.split([',', ' ']).find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("sentry_key").then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn in_query(query: &str) -> Option<String> {
    query.trim_start_matches('?').split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name == "sentry_key").then(|| value.to_owned())
    })
}

/// `https://K[:secret]@host/42`.
fn in_dsn(dsn: &str) -> Option<String> {
    let (_, rest) = dsn.trim().split_once("://")?;
    let (user, _) = rest.split_once('@')?;
    Some(user.split(':').next().unwrap_or(user).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_key_is_found_in_each_of_its_places() {
        let headers = [
            format!("Sentry sentry_key={K}, sentry_version=7, sentry_client=sentry.python/2.75.0"),
            format!(
                "Sentry sentry_version=5,sentry_client=raven-ruby/3.1.2,sentry_timestamp=1,sentry_key={K},sentry_secret=x"
            ),
            format!("sentry sentry_key={K}"),
        ];
        for header in &headers {
            assert_eq!(sentry_key(Some(header), None, "", None).as_deref(), Ok(K), "{header}");
            assert_eq!(sentry_key(None, Some(header), "", None).as_deref(), Ok(K), "{header}");
        }
        let query = format!("sentry_version=7&sentry_key={K}&sentry_client=sentry.javascript.node%2F11.12.0");
        assert_eq!(sentry_key(None, None, &query, None).as_deref(), Ok(K));
        assert_eq!(
            sentry_key(None, None, "", Some(&format!("https://{K}:secret@push.example/sub/42"))).as_deref(),
            Ok(K)
        );
    }

    #[test]
    fn a_header_without_its_scheme_is_read_only_where_no_other_scheme_can_stand() {
        let bare = format!("sentry_key={K}");
        assert_eq!(sentry_key(Some(&bare), None, "", None).as_deref(), Ok(K));
        assert_eq!(sentry_key(None, Some(&bare), "", None), Err(KeyError::Missing));
        assert_eq!(sentry_key(None, Some("Bearer abc"), "", None), Err(KeyError::Missing));
    }

    #[test]
    fn places_must_agree() {
        let header = format!("Sentry sentry_key={K}");
        assert_eq!(sentry_key(Some(&header), None, "sentry_key=other", None), Err(KeyError::Disagree));
        assert_eq!(sentry_key(Some(&header), None, &format!("sentry_key={K}"), None).as_deref(), Ok(K));
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_repeating_it() {
        for query in ["sentry_key=", "sentry_key=a%20b", &format!("sentry_key={}", "k".repeat(65))] {
            let error = sentry_key(None, None, query, None).expect_err(query);
            assert_eq!(error, KeyError::Malformed("the query"));
        }
        assert_eq!(sentry_key(None, None, "", Some("nonsense")), Err(KeyError::Missing));
    }
}
