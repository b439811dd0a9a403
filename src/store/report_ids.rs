//! Ids of reports as they are stored: the 32 hexadecimal digits that clients make take up 23 letters, of which the first says so. No
//! id that comes from outside has a control character, so that nothing else can begin like that.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    sql_types::Text,
};
use std::borrow::Cow;

/// How ids begin that are stored short.
const SHORT: char = '\u{1}';

/// An id as it came, read from what is stored of it.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub(super) struct ReportId(pub(super) String);

impl<DB: Backend> FromSql<Text, DB> for ReportId
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        String::from_sql(bytes).map(|stored| ReportId(lengthen(stored)))
    }
}

impl From<ReportId> for String {
    fn from(id: ReportId) -> String {
        id.0
    }
}

/// What is stored of an id.
pub(super) fn shorten(id: &str) -> Cow<'_, str> {
    let mut bytes = [0; 16];
    let is_lower = !id.bytes().any(|letter| letter.is_ascii_uppercase());
    if is_lower && hex::decode_to_slice(id, &mut bytes).is_ok() {
        let mut short = String::with_capacity(23);
        short.push(SHORT);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut short);
        return Cow::Owned(short);
    }
    Cow::Borrowed(id)
}

fn lengthen(stored: String) -> String {
    let bytes = stored.strip_prefix(SHORT).and_then(|short| URL_SAFE_NO_PAD.decode(short).ok());
    bytes.map_or(stored, hex::encode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_gives_the_id_back_and_is_short_where_clients_made_it() {
        for (id, stored) in [
            ("0123456789abcdef0123456789abcdef", 23),
            ("0123456789ABCDEF0123456789ABCDEF", 32),
            ("0123456789abcdef0123456789abcde", 31),
            ("0123456789abcdef0123456789abcdef00", 34),
            ("crash of the third cell, no. 12x", 32),
            ("", 0),
            ("c1", 2),
        ] {
            assert_eq!(shorten(id).len(), stored, "{id}");
            assert_eq!(lengthen(shorten(id).into_owned()), id);
        }
    }
}
