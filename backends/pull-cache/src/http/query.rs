//! The parameters of `/v1/metrics`.

/// Which generations are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// All that are kept, not only the newest.
    pub(super) history: bool,
    /// Only those strictly newer.
    pub(super) start_time: Option<i64>,
}

impl Query {
    /// Reads a query string. The error says what was found and what is allowed.
    pub(super) fn parse(query: &str) -> Result<Query, String> {
        let mut history = None;
        let mut start_time = None;
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key), decode(value));
            let shown = shorten(&value);
            let twice = match key.as_str() {
                "history" => history
                    .replace(match value.as_str() {
                        "1" | "true" => true,
                        "0" | "false" => false,
                        _ => return Err(format!("history is {shown:?}; allowed are 1, 0, true and false")),
                    })
                    .is_some(),
                "start-time" => {
                    let seconds = value.parse().map_err(|_| {
                        format!("start-time is {shown:?}; allowed are whole seconds since 1970, such as 1700000000")
                    })?;
                    start_time.replace(seconds).is_some()
                }
                _ => {
                    let key = shorten(&key);
                    return Err(format!("unknown parameter {key:?}; allowed are history and start-time"));
                }
            };
            if twice {
                return Err(format!("{key} is given twice, the second time as {shown:?}; allowed is once"));
            }
        }
        Ok(Query { history: history.unwrap_or(false), start_time })
    }
}

/// Undoes percent encoding. What is no valid encoding stays as it is, and is no valid value either.
pub(super) fn decode(text: &str) -> String {
    let hex = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [byte, rest @ ..] = bytes {
        bytes = rest;
        match (byte, hex(rest.first()), hex(rest.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes = &rest[2..];
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The beginning of what a client sent, for a message.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed() {
        let of = |history, start_time| Ok(Query { history, start_time });
        for (query, expected) in [
            ("", of(false, None)),
            ("&&", of(false, None)),
            ("history=1", of(true, None)),
            ("history=true&start-time=-5", of(true, Some(-5))),
            ("start%2Dtime=%31%30&history=false", of(false, Some(10))),
            ("history=0&start-time=9223372036854775807", of(false, Some(i64::MAX))),
        ] {
            assert_eq!(Query::parse(query), expected, "{query}");
        }
    }

    #[test]
    fn errors_name_parameter_value_and_what_is_allowed() {
        for (query, expected) in [
            ("histroy=1", r#"unknown parameter "histroy"; allowed are history and start-time"#),
            ("history=yes", r#"history is "yes"; allowed are 1, 0, true and false"#),
            ("history", r#"history is ""; allowed are 1, 0, true and false"#),
            ("start-time=1.5", r#"start-time is "1.5"; allowed are whole seconds since 1970, such as 1700000000"#),
            ("history=1&history=0", r#"history is given twice, the second time as "0"; allowed is once"#),
            ("%00%ff%zz", r#"unknown parameter "\0�%zz"; allowed are history and start-time"#),
        ] {
            assert_eq!(Query::parse(query), Err(expected.to_owned()));
        }
        assert!(Query::parse("start-time=9223372036854775808").is_err());
        assert!(Query::parse(&"x".repeat(10_000)).unwrap_err().len() < 200);
    }
}
