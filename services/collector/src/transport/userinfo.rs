//! User and password in an address.

use percent_encoding::percent_decode_str;

/// Takes `user:password@` out of an address.
pub(super) fn without_user(url: &str) -> (String, Option<(String, String)>) {
    let url = url.trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Some((user, host)) = authority.rsplit_once('@') else { return (url.to_owned(), None) };
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (format!("{scheme}://{host}/{path}").trim_end_matches('/').to_owned(), Some((decoded(user), decoded(password))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_address() {
        let (base, user) = without_user("https://us%40er:pa%3Ass@host:9090/api/v1/");
        assert_eq!(base, "https://host:9090/api/v1");
        assert_eq!(user, Some(("us@er".into(), "pa:ss".into())));
        assert_eq!(without_user("http://admin@host/"), ("http://host".into(), Some(("admin".into(), String::new()))));
    }
}
